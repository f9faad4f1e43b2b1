/**
 * Messages between CPIM and XMPP. Towards XMPP a message is answered when its recipient's client acknowledged it
 * (XEP-0184), or when the recipient's server has taken it; towards the mesh, when the mesh has answered.
 */
import { ImxpError, type Reply, TransportError } from '../../errors.js';
import { addressOfUri, uriOfAddress } from '../../message/uri.js';
import { events } from '../../ops/events.js';
import { type CpimResponse, type CpimService, type MessageOperation, newCpimId, responseTo } from '../cpim-service.js';
import { isLoop, returnedIds } from '../passed.js';
import { Shares } from '../shares.js';
import type { XmppAddresses } from './addresses.js';
import { childOf, stanza, writeStanza, type XmppElement, xmppElement } from './element.js';
import { type BareJid, type Jid, parseJid, writeJid } from './jid.js';
import type { FindLink, XmppLink } from './link.js';
import {
  asksForReceipt,
  contentOfStanza,
  hasText,
  maxForwardsOf,
  passedBy,
  RECEIPTS,
  stanzaOfText,
  xmppTextOf,
} from './message-mapping.js';
import { replyOfStanzaError, saysUnreachable, stanzaErrorOf } from './stanza-error.js';

/** What an `ok` towards the mesh means: a client acknowledged the message, or the server of its domain has taken it. */
export const CONFIRMATIONS = ['receipt', 'server'] as const;
export type Confirmation = (typeof CONFIRMATIONS)[number];

export interface XmppMessageOptions {
  readonly confirmation: Confirmation;
  /** How long that is awaited. */
  readonly confirmationTimeoutMs: number;
  /** The longest stanza that is sent. */
  readonly stanzaOctets: number;
  /** Messages from XMPP that the mesh has not answered: of all users, and of one. */
  readonly outstanding: number;
  readonly outstandingPerUser: number;
}

export interface XmppContext {
  readonly addresses: XmppAddresses;
  readonly linkOf: FindLink;
  /** The gateway into the mesh. */
  readonly gateway: () => CpimService;
  /**
   * Sends a stanza by the component of that domain, if it is connected. Never rejects; who sends many waits for each, so
   * that no more are kept than the server reads.
   */
  tell(domain: string, stanza: XmppElement): Promise<void>;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  now(): number;
}

/** A message to XMPP whose outcome is awaited. */
interface Awaited {
  readonly to: string;
  readonly from: string;
  told(outcome: Omit<CpimResponse, 'transID'>): void;
}

const PING = 'urn:xmpp:ping';
export const NO_COMPONENT: Reply = {
  code: 553,
  text: 'XMPP has no name for the originator: no component stands for the domain, or the name has upper-case letters',
};
export const NO_USER: Reply = {
  code: 553,
  text: 'this is not the name of an XMPP user; the gateway cannot address it',
};
export const OFFLINE: Reply = { code: 450, text: 'the gateway is not connected to its XMPP server; try again later' };
const LOST: Reply = {
  code: 451,
  text: 'the connection to the XMPP server was lost before the message was acknowledged',
};
const UNACKNOWLEDGED: Reply = {
  code: 451,
  text: 'no XMPP client acknowledged the message in time; the server may keep it for a user who is away',
};
const UNREACHABLE: Reply = {
  code: 451,
  text: 'the XMPP server of that domain cannot be reached; it may or may not have taken the message',
};
const LOOPING: Reply = { code: 550, text: 'the message has passed through too many gateways' };
const FLOOD: Reply = { code: 450, text: 'too many messages wait for their answer; send more slowly' };
export const NOT_SERVED: Reply = { code: 553, text: 'this address stands for no user of the mesh' };
export const FORBIDDEN: Reply = { code: 537, text: 'the gateway does not serve the domain of the sender' };
const NO_ROOMS: Reply = { code: 504, text: 'the mesh has no rooms; write to a user' };

export class XmppMessages {
  readonly #context: XmppContext;
  readonly #options: XmppMessageOptions;
  /** By the ID of the stanza. */
  readonly #awaited = new Map<string, Awaited>();
  /** In the messages from XMPP without an answer. */
  readonly #shares: Shares;

  constructor(context: XmppContext, options: XmppMessageOptions) {
    this.#context = context;
    this.#options = options;
    const { outstanding: all, outstandingPerUser: perUser } = options;
    this.#shares = new Shares({ all, perUser }, (domain) => context.addresses.isListed(domain));
  }

  // ---- to XMPP ------------------------------------------------------------------------------------------------------

  async fromGateway(operation: MessageOperation): Promise<CpimResponse> {
    const { addresses, linkOf, now } = this.#context;
    const from = addresses.meshJid(addressOfUri(operation.source));
    if (from === undefined) return failed(operation, NO_COMPONENT);
    const to = addresses.userJid(addressOfUri(operation.destination));
    if (to === undefined) return failed(operation, NO_USER);
    const { transID: id, maxForwards } = operation;
    if (maxForwards !== undefined && maxForwards <= 0) return failed(operation, LOOPING);
    const link = linkOf(from.domain);
    if (link?.online === undefined) return failed(operation, OFFLINE);
    let made: XmppElement;
    try {
      const text = xmppTextOf(operation.content);
      if (isLoop(text.passed, from.domain)) {
        for (const earlier of returnedIds(text.passed, from.domain)) this.#awaited.get(earlier)?.told(failure(LOOPING));
        return failed(operation, this.#refused(link, operation.source, LOOPING));
      }
      made = stanzaOfText(text, { from, to, id, maxForwards, now: now() });
      const octets = Buffer.byteLength(writeStanza(made));
      const { stanzaOctets } = this.#options;
      if (octets > stanzaOctets)
        return failed(operation, {
          code: 550,
          text: `${octets} octets are too long for XMPP; at most ${stanzaOctets}`,
        });
    } catch (error) {
      return failed(operation, replyFor(error));
    }
    return { transID: id, ...(await this.#send(made, { from, to, id }, link, link.online)) };
  }

  async #send(
    made: XmppElement,
    { from, to, id }: { readonly from: BareJid; readonly to: BareJid; readonly id: string },
    link: XmppLink,
    online: AbortSignal,
  ): Promise<Omit<CpimResponse, 'transID'>> {
    const known = new AbortController();
    let outcome: Omit<CpimResponse, 'transID'> = unknown(UNACKNOWLEDGED);
    this.#awaited.set(id, {
      from: writeJid(from),
      to: writeJid(to),
      told: (told) => {
        outcome = told;
        known.abort();
      },
    });
    try {
      await link.send(made);
      if (this.#options.confirmation === 'server') await link.send(ping(from, to, id));
      await this.#context.wait(this.#options.confirmationTimeoutMs, AbortSignal.any([known.signal, online]));
      if (!known.signal.aborted && online.aborted) outcome = unknown(LOST);
    } catch (error) {
      const sent = !(error instanceof TransportError) || error.fields['sent'] !== false;
      outcome = sent ? unknown(LOST) : { status: 'failure', code: OFFLINE.code, reason: OFFLINE.text };
    } finally {
      this.#awaited.delete(id);
    }
    return outcome;
  }

  // ---- from XMPP ----------------------------------------------------------------------------------------------------

  /** Handles a stanza of type `message`. */
  async received(message: XmppElement, link: XmppLink): Promise<void> {
    const { type, id, from: sender = '', to: recipient = '' } = message.attributes;
    const [from, to] = [parseJid(sender), parseJid(recipient)];
    // Nobody can be told.
    if (from === undefined || to === undefined) return this.#ignored(link, sender, 'a stanza without valid addresses');
    if (type === 'error') return this.#settle(id, from, to, failure(replyOfStanzaError(message)));
    const receipt = childOf(message, 'received', RECEIPTS)?.attributes['id'];
    if (receipt !== undefined) this.#settle(receipt, from, to, { status: 'success' });
    if (!hasText(message)) return;
    const reply = await this.#pass(message, from, to, link);
    if (reply !== undefined) await this.#answer(link, message, stanzaErrorOf(reply), 'error');
    else if (asksForReceipt(message) && id !== undefined)
      await this.#answer(link, message, xmppElement('received', RECEIPTS, { id }));
  }

  /**
   * Handles an answer to a request of the gateway.
   *
   * @returns whether it was one
   */
  answered(iq: XmppElement): boolean {
    const { type, id = '', from: sender = '', to: recipient = '' } = iq.attributes;
    if (type !== 'result' && type !== 'error') return false;
    const [from, to] = [parseJid(sender), parseJid(recipient)];
    const awaited = this.#awaited.get(id);
    if (from === undefined || to === undefined || awaited === undefined) return true;
    if (from.local !== '' || from.domain !== parseJid(awaited.to)?.domain || awaited.from !== writeJid(to)) return true;
    // Whatever it says, the server of that domain has read everything before it; or our own server says that it cannot be
    // reached, or no longer, and then nobody knows.
    if (type === 'error' && saysUnreachable(iq)) awaited.told(unknown(UNREACHABLE));
    else awaited.told({ status: 'success' });
    return true;
  }

  /** Passes a message into the mesh. @returns what to answer, undefined when it was taken */
  async #pass(message: XmppElement, from: Jid, to: Jid, link: XmppLink): Promise<Reply | undefined> {
    const { addresses, gateway, now } = this.#context;
    if (message.attributes['type'] === 'groupchat') return NO_ROOMS;
    const source = addresses.userAddress(from);
    if (source === undefined) return this.#refused(link, writeJid(from), FORBIDDEN);
    const destination = to.domain === link.domain ? addresses.meshAddress(to) : undefined;
    if (destination === undefined) return NOT_SERVED;
    if (isLoop(passedBy(message), link.domain)) return this.#refused(link, writeJid(from), LOOPING);
    const sender = writeJid(from);
    if (!this.#shares.hasRoom(sender, from)) return this.#refused(link, sender, FLOOD);
    this.#shares.count(sender, from, 1);
    try {
      const response = await gateway().message({
        type: 'message',
        source: uriOfAddress('im', source),
        destination: uriOfAddress('im', destination),
        transID: newCpimId(),
        maxForwards: maxForwardsOf(message),
        content: contentOfStanza(message, source, destination, link.domain, now()),
      });
      return replyOfResponse(response);
    } catch (error) {
      return replyFor(error);
    } finally {
      this.#shares.count(sender, from, -1);
    }
  }

  /** Only the recipient, or the recipient's domain, may say what became of a message. */
  #settle(id: string | undefined, from: Jid, to: Jid, outcome: Omit<CpimResponse, 'transID'>): void {
    const awaited = id === undefined ? undefined : this.#awaited.get(id);
    if (awaited === undefined || awaited.from !== writeJid(to)) return;
    const server = outcome.status === 'failure' && from.local === '' && parseJid(awaited.to)?.domain === from.domain;
    if (awaited.to === writeJid(from).toLowerCase() || server) awaited.told(outcome);
  }

  async #answer(link: XmppLink, { attributes }: XmppElement, content: XmppElement, type?: 'error'): Promise<void> {
    const { from, to, id } = attributes;
    try {
      await link.send(
        stanza('message', { from: to, to: from, id: type === 'error' ? id : newCpimId(), type }, content),
      );
    } catch (error) {
      // The sender sees neither a receipt nor an error, as for everything that a lost connection takes away.
      events.fault.publish({ session: link.domain, error });
    }
  }

  #refused(link: XmppLink, subject: string, reply: Reply): Reply {
    publishRefusal(link, subject, 'message', reply);
    return reply;
  }

  #ignored(link: XmppLink, subject: string, text: string): void {
    publishRefusal(link, subject, 'stanza', { code: 501, text });
  }
}

/** Tells the operator what was refused, and to whom. */
export function publishRefusal({ domain }: XmppLink, subject: string, what: string, { code, text }: Reply): void {
  events.refused.publish({ session: 'xmpp', remote: domain, what, code, reason: text, subject: subject.slice(0, 200) });
}

function ping(from: BareJid, to: BareJid, id: string): XmppElement {
  return stanza('iq', { from: writeJid(from), to: to.domain, type: 'get', id }, xmppElement('ping', PING));
}

/** Answers an operation with a failure. */
export function failed(operation: { readonly transID: string }, reply: Reply): CpimResponse {
  return { ...responseTo(operation, 'failure'), ...failure(reply) };
}

function failure({ code, text }: Reply): Omit<CpimResponse, 'transID'> {
  return { status: 'failure', code, reason: text };
}

function unknown({ code, text }: Reply): Omit<CpimResponse, 'transID'> {
  return { status: 'indeterminant', code, reason: text };
}

function replyOfResponse({ status, code, reason }: CpimResponse): Reply | undefined {
  if (status === 'success') return undefined;
  const usual = status === 'failure' ? 550 : 451;
  const text = (reason ?? 'the mesh did not take the message').replace(/^[0-9]{3} /, '');
  return { code: code ?? usual, text };
}

function replyFor(error: unknown): Reply {
  if (error instanceof ImxpError && error.reply !== undefined) return error.reply;
  if (error instanceof ImxpError && error.code === 'ARGUMENT') return { code: 550, text: error.message };
  throw error;
}
