/**
 * Messages through a gateway, in both directions (RFC 3860 §3.4, D-CPIM-01). Keeps the table of TransIDs and awaited
 * reports; never inspects content.
 */
import { ImxpError, RefusedError, type Reply, TransportError } from '../errors.js';
import { contentOf } from '../imxp/content.js';
import type { Data, Option } from '../imxp/operation.js';
import { isSuccess } from '../imxp/reply-code.js';
import { newTransId } from '../imxp/trans-id.js';
import { credible, type StatusResponse } from '../imxp/vocabulary/status.js';
import { isMessageElement } from '../message/read.js';
import { MESSAGE_TYPE } from '../message/write.js';
import { elementsOf, parseXml } from '../xml/parse.js';
import type { GatewayContext } from './context.js';
import {
  type CpimContent,
  type CpimResponse,
  type CpimStatus,
  type MessageOperation,
  newCpimId,
  responseTo,
} from './cpim-service.js';
import type { PortDelivery, PortOption } from './port.js';

/** Hop limit towards CPIM when the mesh sets none; also the maximum of dataHopping (RFC 3342 §5). */
const HOPS = 255;
/**
 * Options handled at this gateway. statusRequest is the relay's task: CPIM has no confirmation that could be promised
 * (REQ-MSG-016).
 */
const UNDERSTOOD: ReadonlySet<string> = new Set(['dataHopping']);

const FAILED: Reply = { code: 550, text: 'the gateway could not deliver the message' };
const LOOPING: Reply = { code: 550, text: 'the message has passed through too many gateways' };
/** Reply code for what can be tried again. */
const AWAY = 450;
const NO_ANSWER: Reply = { code: 451, text: 'the other side of the gateway did not answer' };

interface Outcome {
  readonly status: CpimStatus;
  readonly reason: string;
  readonly code?: number;
}

/** A message whose outcome is awaited. */
interface Awaited {
  /** The domain of its originator, and that of its recipient. */
  readonly home: string;
  readonly domain: string;
  told(outcome: Outcome): void;
}

export class MessageGateway {
  readonly #context: GatewayContext;
  /** By the transID of the statusRequest. */
  readonly #awaited = new Map<number, Awaited>();

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  // ---- CPIM to IMXP -------------------------------------------------------------------------------------------------

  async fromPeer(operation: MessageOperation): Promise<CpimResponse> {
    const { mapping } = this.#context;
    const { source, destination, maxForwards } = operation;
    let from: string;
    let to: string;
    try {
      // RFC 3860 §3.4.1 step 1
      [from, to] = [mapping.toImxp(inbox(source)), mapping.toImxp(inbox(destination))];
    } catch {
      return responseTo(operation, 'failure', 'source or destination is not an im: URI');
    }
    // RFC 3860 §3.4.2: looping
    if (maxForwards !== undefined && maxForwards <= 0) return responseTo(operation, 'failure', LOOPING.text);
    const { status, reason, code } = await this.#pass(operation, from, to);
    return { ...responseTo(operation, status, reason), ...(code === undefined ? {} : { code }) };
  }

  /** Sends a message and waits for a definite result. */
  async #pass({ maxForwards, content }: MessageOperation, from: string, to: string): Promise<Outcome> {
    const transID = newTransId(this.#awaited);
    const known = new AbortController();
    let outcome: Outcome = { status: 'indeterminant', reason: 'accepted; no report followed' };
    const told = (reported: Outcome): void => {
      outcome = reported;
      known.abort();
    };
    this.#awaited.set(transID, { home: domainOf(from), domain: domainOf(to), told });
    try {
      const options = [statusRequest(transID), ...hopping(maxForwards)];
      const { type, headers, body } = content;
      await this.#context.port.send({ from, to, content: body, type, headers, options });
      await this.#context.wait(this.#context.answerTimeoutMs, known.signal);
    } catch (error) {
      outcome = outcomeOf(error);
    } finally {
      this.#awaited.delete(transID);
    }
    return outcome;
  }

  /**
   * Handles a report of a relay; a report that is not awaited (any more) is dropped.
   *
   * @param service who reports
   * @returns false when the report is on a message whose fate is for others to report
   */
  reported({ transID, destinations }: StatusResponse, service: string): boolean {
    const awaited = this.#awaited.get(transID);
    if (awaited === undefined) return true;
    const { home, domain, told } = awaited;
    const [destination] = credible(destinations, service, home, new Set([domain]));
    if (destination === undefined) return false;
    const { code, text } = destination.reply;
    // RFC 3342: 3xx says only that delivery takes time
    if (code >= 300 && code < 400) return true;
    // A relay in between knows only of failures; the last relay reports that a message arrived.
    if (isSuccess(code) && ![home, domain].includes(domainOf(service))) return false;
    const reason = `${code} ${text}`.trim();
    told(isSuccess(code) ? { status: 'success', reason } : { status: 'failure', reason, code });
    return true;
  }

  // ---- IMXP to CPIM -------------------------------------------------------------------------------------------------

  async fromPort(delivery: PortDelivery): Promise<void> {
    const { raw, recipients } = delivery;
    const options = [
      ...raw.options,
      ...raw.recipients.flatMap((one) => (recipients.includes(one.identity) ? one.options : [])),
    ];
    const strange = options.find(({ seeNoEvil, internal }) => !seeNoEvil && !UNDERSTOOD.has(internal ?? ''));
    if (strange !== undefined) {
      const name = strange.internal ?? strange.external ?? '';
      delivery.refuse({ code: 504, text: `the gateway does not support the option ${name.slice(0, 80)}` });
      return;
    }
    const hops = hopsOf(options);
    const content = carried(raw);
    if (content === undefined) {
      delivery.refuse({ code: 550, text: 'the gateway does not accept content by reference; send the content itself' });
      return;
    }
    const replies = await Promise.all(recipients.map((recipient) => this.#offer(delivery, recipient, hops, content)));
    const refusal = replies.find((reply) => reply !== undefined);
    // As relays do: ok when at least one recipient accepted it.
    if (refusal === undefined || replies.includes(undefined)) delivery.accept();
    else delivery.refuse(refusal);
  }

  /** Passes a message to one recipient. @returns undefined when it was accepted, or when the result cannot be known */
  async #offer(
    { originator }: PortDelivery,
    recipient: string,
    hops: number,
    content: CpimContent,
  ): Promise<Reply | undefined> {
    const { mapping, peer } = this.#context;
    // RFC 3342 §5: decremented before it is passed on, and not passed on when nothing is left
    if (hops <= 1) return LOOPING;
    const transID = newCpimId();
    try {
      const source = mapping.toCpim('im', originator);
      const destination = mapping.toCpim('im', recipient);
      const response = await peer.message({
        type: 'message',
        source,
        destination,
        transID,
        maxForwards: hops - 1,
        content,
      });
      if (response.transID !== transID) return NO_ANSWER;
      return refusalOf(response);
    } catch (error) {
      return error instanceof ImxpError && error.reply !== undefined ? error.reply : NO_ANSWER;
    }
  }
}

/** @returns undefined for a response that is answered `ok` */
function refusalOf({ status, code, reason }: CpimResponse): Reply | undefined {
  if (status === 'success' || (status === 'indeterminant' && code === undefined)) return undefined;
  const usual = status === 'failure' ? FAILED : NO_ANSWER;
  return { code: code ?? usual.code, text: reason ?? usual.text };
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}

/** @throws Error for a URI that is not an im: URI */
function inbox(uri: string): string {
  if (!/^im:/i.test(uri)) throw new Error('no im: URI');
  return uri;
}

/** D-CPIM-01: requests an authoritative result; relays that do not know the option may ignore it. */
function statusRequest(transID: number): PortOption {
  return { internal: 'statusRequest', targetHop: 'final', seeNoEvil: true, transID };
}

/**
 * MaxForwards as dataHopping. There 0 would mean no limit, so the last hop is expressed as 1. Relays that do not know
 * the option ignore it; loops still end, since every pass through a gateway counts.
 */
function hopping(maxForwards: number | undefined): PortOption[] {
  if (maxForwards === undefined) return [];
  const noMoreThan = Math.min(HOPS, Math.max(1, maxForwards - 1));
  const xml = `<dataHopping noMoreThan='${noMoreThan}' />`;
  return [{ internal: 'dataHopping', targetHop: 'all', seeNoEvil: true, transID: newTransId(), xml }];
}

function hopsOf(options: readonly Option[]): number {
  const hops = options
    .filter(({ internal }) => internal === 'dataHopping')
    .map(({ inner }) => noMoreThan(inner))
    .filter((limit) => limit > 0);
  return Math.min(HOPS, ...hops);
}

function noMoreThan(inner: Buffer): number {
  const [element] = elementsOf(parseXml(Buffer.concat([Buffer.from('<x>'), inner, Buffer.from('</x>')])));
  const value = element?.attributes.get('noMoreThan') ?? '0';
  return /^[0-9]{1,3}$/.test(value) ? Number(value) : 0;
}

const ELSEWHERE = new Set(['content-type', 'content-transfer-encoding']);

/** The content of an operation as an entity; undefined when it is only a reference. */
function carried(data: Data): CpimContent | undefined {
  const content = contentOf(data);
  if (content.kind === 'uri') return undefined;
  if (content.kind === 'part') {
    const type = content.headers.get('Content-Type') ?? 'text/plain';
    const headers = content.headers.fields.filter(({ name }) => !ELSEWHERE.has(name.toLowerCase()));
    return { type, headers, body: content.body };
  }
  // data-content tells its type only by its element
  return { type: isMessage(content.inner) ? MESSAGE_TYPE : 'text/xml', headers: [], body: content.inner };
}

function isMessage(inner: Buffer): boolean {
  try {
    return isMessageElement(parseXml(inner));
  } catch {
    return false;
  }
}

function outcomeOf(error: unknown): Outcome {
  const reason = error instanceof Error ? error.message : String(error);
  // D-CPIM-01: a missing answer from the relay is indeterminate, unless the message was certainly not sent
  const unknown = error instanceof TransportError && error.fields['sent'] !== false;
  if (unknown && !(error instanceof RefusedError)) return { status: 'indeterminant', reason };
  // Without an answer it was certainly not sent: the relay is away, and may be back soon.
  const away = error instanceof TransportError ? AWAY : undefined;
  const code = error instanceof ImxpError ? (error.reply?.code ?? away) : undefined;
  return { status: 'failure', reason, ...(code === undefined ? {} : { code }) };
}
