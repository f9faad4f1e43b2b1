/**
 * Connection of the account to its relay, in the one tab that has it: logs in, comes back after a loss, sends what
 * waits, keeps what arrives, follows the presence of contacts and shows its own.
 */
import { givenAddress } from '../../lib/endpoint/address.js';
import { TEXT } from '../../lib/endpoint/content.js';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { certainlyNotDelivered } from '../../lib/endpoint/outcome.js';
import type { Feed } from '../../lib/endpoint/presence-feed.js';
import type { PresenceInfo } from '../../lib/endpoint/presence-info.js';
import { ImxpError, LocalError, RefusedError, type Reply } from '../../lib/errors.js';
import { isSecured } from '../../lib/message/smime/entity.js';
import type { Signature } from '../../lib/message/smime/signature.js';
import { SIGNATURE_FAULTS } from '../../lib/message/smime/signature-fault.js';
import { uriOfAddress } from '../../lib/message/uri.js';
import { entityType } from '../../lib/mime/entity.js';
import { disposition, fileNameIn } from '../../lib/mime/file-name.js';
import type { HeaderField } from '../../lib/mime/headers.js';
import { openContent, type PageSecurity } from '../secure.js';
import { type History, instant } from './history.js';
import type { ConnectionState, Contact, Entry, News, Presence, Proof } from './types.js';

/** Of the session storage, which a tab keeps when it is loaded again. */
const HAD = 'imxp account here';
const FIRST_MS = 500;
const LONGEST_MS = 30_000;
/** The relay may not have noticed yet that a tab or a device is gone. */
const ELSEWHERE_TRIES = 4;
/** Own presence is shown for so long, and again at the interval: a device that vanishes is absent soon. */
const SHOWN_MS = 300_000;
const SHOW_AGAIN_MS = 120_000;

/** Presence that is not known is asked for again no sooner. */
const AGAIN_MS = 1000;

const NOT_ATTACHED = 450;
const NOT_KEPT = { code: 450, text: "the recipient's browser could not keep this" };
const ATTACHED_ELSEWHERE = 554;

export interface SessionOptions {
  readonly account: string;
  readonly password: string;
  /** URL of the WebSocket. */
  readonly relay: string;
  readonly history: History;
  readonly tell: (news: News) => void;
  /** A message has come and is kept. */
  readonly came: (entry: Entry) => void;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #leaving = new AbortController();
  readonly #presence = new Map<string, Presence>();
  /** Those whose presence is followed over the present connection; without a feed until the relay has answered. */
  #watched = new Map<string, Feed<PresenceInfo> | undefined>();
  /** Those whose presence is asked for again in a moment. */
  readonly #again = new Set<string>();
  #connection: ConnectionState = { kind: 'connecting' };
  #endpoint: Endpoint | undefined;
  #wake: (() => void) | undefined;
  /** Whether this tab had the account, so that it may take it back after a loss, or when it is loaded again. */
  #override: boolean;
  #sending = Promise.resolve();
  #waitMs = FIRST_MS;
  #elsewhere = 0;
  #security: Promise<PageSecurity> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#override = sessionStorage.getItem(HAD) === options.account;
  }

  /** Keeps the connection until {@link leave}, or until the relay refuses the account. */
  async run(): Promise<void> {
    // The answers to these went to a page that is gone.
    for (const entry of await this.#options.history.inState('sending')) {
      await this.#keep({ ...entry, state: 'unknown', reason: 'the page was closed before the answer came' });
    }
    while (!this.#left) {
      const error = await this.#visit();
      if (this.#left) return;
      // Otherwise two programs that want the same account would replace each other for ever.
      if (error instanceof ImxpError && error.code === 'TERMINATED') this.#has(false);
      if (isRefusal(error, ATTACHED_ELSEWHERE) && this.#elsewhere < ELSEWHERE_TRIES) {
        this.#elsewhere += 1;
      } else if (isRefusal(error, ATTACHED_ELSEWHERE)) {
        this.#change({ kind: 'elsewhere', reason: wordsFor(error) });
        await this.#woken();
        continue;
      } else if (isFinal(error)) {
        this.#change({ kind: 'refused', reason: wordsFor(error) });
        return;
      } else {
        this.#change({ kind: 'connecting', reason: wordsFor(error) });
      }
      await this.#pause();
    }
  }

  /** Tries at once: the network is back, or somebody looks. */
  wake(): void {
    if (this.#connection.kind === 'connecting') this.#wake?.();
  }

  /** Replaces the program that has the account. */
  takeOver(): void {
    this.#override = true;
    this.#change({ kind: 'connecting' });
    this.#wake?.();
  }

  /** Tells all tabs how things are; one of them has just been opened. */
  report(): void {
    this.#options.tell({ news: 'connection', connection: this.#connection });
    this.#options.tell({ news: 'presence', presence: Object.fromEntries(this.#presence) });
  }

  /** Sends what waits, in its order. */
  send(): void {
    this.#sending = this.#sending.then(() => this.#sendWaiting()).catch((error: unknown) => this.#notice(error));
  }

  /** Another certificate was imported, or none is there any more. */
  loadCertificates(): void {
    this.#security = undefined;
  }

  /** Follows the presence of a contact. @param show whether the contact may see that of the account */
  async follow(address: string, show: boolean): Promise<void> {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) {
      if (show) this.#missed(`${address} was added, but cannot see your presence yet`);
      return;
    }
    if (show)
      await endpoint.access.allow(address, ['presence:subscribe']).catch((error: unknown) => this.#notice(error));
    void this.#watch(endpoint, address);
  }

  /** Nothing of somebody is wanted any more. @param block whether they may not write either */
  async forget(address: string, block: boolean): Promise<void> {
    const endpoint = this.#endpoint;
    this.#presence.delete(address);
    const feed = this.#watched.get(address);
    this.#watched.delete(address);
    if (endpoint === undefined) {
      this.#missed(
        block ? `${address} is not blocked` : `${address} may still see your presence, if they could before`,
      );
      return;
    }
    await feed?.end().catch((error: unknown) => this.#notice(error));
    const { access } = endpoint;
    // Without an entry of their own they may do what strangers may.
    const done = block ? access.deny(address) : access.remove(address);
    await done.catch((error: unknown) => this.#notice(error));
  }

  async leave(): Promise<void> {
    this.#leaving.abort();
    this.#has(false);
    this.#wake?.();
    const endpoint = this.#endpoint;
    this.#endpoint = undefined;
    if (endpoint?.connected === true) await this.#show(endpoint, 0).catch(() => {});
    await endpoint?.close();
  }

  get #left(): boolean {
    return this.#leaving.signal.aborted;
  }

  // ---- connection ---------------------------------------------------------------------------------------------------

  /** Connects, and returns why there is no connection any more. */
  async #visit(): Promise<unknown> {
    const { account, password, relay } = this.#options;
    try {
      const endpoint = await Endpoint.connect({ address: account, relay, password, override: this.#override });
      const over = new Promise<unknown>((resolve) => endpoint.once('close', resolve));
      if (this.#left) {
        await endpoint.close();
        return undefined;
      }
      this.#endpoint = endpoint;
      this.#watched = new Map();
      this.#has(true);
      this.#waitMs = FIRST_MS;
      this.#elsewhere = 0;
      endpoint.receive((delivery) => this.#receive(delivery));
      this.#change({ kind: 'online' });
      this.send();
      void this.#keepShowing(endpoint);
      for (const { address, added } of await this.#options.history.contacts()) {
        if (added) void this.#watch(endpoint, address);
      }
      return await over;
    } catch (error) {
      return error;
    } finally {
      this.#endpoint = undefined;
    }
  }

  #has(has: boolean): void {
    this.#override = has;
    if (has) sessionStorage.setItem(HAD, this.#options.account);
    else sessionStorage.removeItem(HAD);
  }

  #change(connection: ConnectionState): void {
    this.#connection = connection;
    this.#options.tell({ news: 'connection', connection });
  }

  /** Waits longer each time, and not at all when {@link wake} is called. */
  async #pause(): Promise<void> {
    const timer = setTimeout(() => this.#wake?.(), this.#waitMs * (0.5 + Math.random() / 2));
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_MS);
    await this.#woken();
    clearTimeout(timer);
  }

  async #woken(): Promise<void> {
    if (this.#left) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  // ---- messages -----------------------------------------------------------------------------------------------------

  async #sendWaiting(): Promise<void> {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return;
    for (const entry of await this.#options.history.inState('waiting')) {
      let content: MessagePart;
      try {
        content = await this.#protected(entry, await this.#contentOf(entry));
      } catch (error) {
        if (!(error instanceof LocalError)) throw error;
        await this.#keep({ ...entry, state: 'failed', reason: wordsFor(error) });
        continue;
      }
      const sending: Entry = { ...entry, state: 'sending' };
      await this.#keep(sending);
      // Not awaited: messages to one recipient keep their order, and others do not wait for them.
      void this.#sendOne(endpoint, sending, content);
    }
  }

  async #contentOf({ id, text, file }: Entry): Promise<MessagePart> {
    if (file === undefined) return { content: text, type: TEXT };
    const blob = await this.#options.history.file(id);
    const content = new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer(0));
    return {
      content,
      type: file.type,
      headers: [{ name: 'Content-Disposition', value: disposition(file.name) }],
    };
  }

  /** Signs and encrypts what was written so. @throws LocalError ARGUMENT, for instance without a certificate of the peer */
  async #protected({ peer, protect }: Entry, part: MessagePart): Promise<MessagePart> {
    if (protect === undefined) return part;
    const { type, headers = [], content } = part;
    const security = await this.#secure();
    const made = await security.seal(
      { type, headers, body: Buffer.from(content) },
      { ...protect, from: this.#options.account, to: [peer] },
    );
    return { content: made.body, type: made.type };
  }

  /** S/MIME, which is loaded when it is needed first. */
  #secure(): Promise<PageSecurity> {
    this.#security ??= import('./smime/load.js').then(({ loadSmime }) => loadSmime(this.#options.account));
    // What could not be loaded is tried again.
    this.#security.catch(() => {
      this.#security = undefined;
    });
    return this.#security;
  }

  async #sendOne(endpoint: Endpoint, entry: Entry, content: MessagePart): Promise<void> {
    const message = { to: entry.peer, ...content };
    let state: Entry['state'] = 'delivered';
    let reason: string | undefined;
    try {
      try {
        await endpoint.send(message);
      } catch (error) {
        if (!isRefusal(error, NOT_ATTACHED)) throw error;
        // Nobody is there: their relay may keep it until they are.
        await endpoint.send({ ...message, hold: true, time: new Date(entry.at) });
        state = 'held';
      }
    } catch (error) {
      reason = wordsFor(error);
      state = error instanceof ImxpError && certainlyNotDelivered(error) ? 'failed' : 'unknown';
    }
    await this.#keep({ ...entry, state, ...(reason === undefined ? {} : { reason }) });
  }

  /** Resolves when the message is on disk, which is what the sender's `ok` means. */
  async #receive(delivery: Delivery): Promise<void> {
    const { entry, file, refusal } = await this.#read(delivery);
    const kept = { unread: true, ...(file === undefined ? {} : { file }) };
    let contact: Contact;
    let dropped: readonly string[];
    try {
      ({ contact, dropped } = await this.#options.history.keep(entry, kept));
    } catch (error) {
      // The browser has no room, for instance: the sender is told that it was not taken.
      delivery.refuse(NOT_KEPT);
      this.#notice(`a message of ${entry.peer} was refused, because it could not be kept: ${wordsFor(error)}`);
      return;
    }
    for (const address of dropped) this.#options.tell({ news: 'gone', address });
    this.#options.tell({ news: 'entry', entry });
    this.#options.tell({ news: 'contact', contact });
    this.#options.came(entry);
    if (contact.added) this.#watchAgain(entry.peer);
    if (refusal !== undefined) delivery.refuse(refusal);
  }

  /** What a delivery says. One that cannot be read is shown as that, and its sender is told why. */
  async #read(delivery: Delivery): Promise<Received> {
    try {
      const { content, originator, recipients } = delivery;
      if (content.kind === 'part' && isSecured(entityType(content.headers).media)) {
        await openContent(content, originator, recipients, await this.#secure());
      }
      return entryOf(delivery);
    } catch (error) {
      const refusal = error instanceof ImxpError ? error.reply : undefined;
      if (refusal === undefined) throw error;
      return { entry: { ...baseOf(delivery), text: '', reason: wordsFor(error) }, refusal };
    }
  }

  async #keep(entry: Entry): Promise<void> {
    const { contact } = await this.#options.history.keep(entry);
    this.#options.tell({ news: 'entry', entry });
    this.#options.tell({ news: 'contact', contact });
  }

  // ---- presence -----------------------------------------------------------------------------------------------------

  async #watch(endpoint: Endpoint, address: string): Promise<void> {
    const watched = this.#watched;
    if (watched.has(address)) return;
    watched.set(address, undefined);
    let feed: Feed<PresenceInfo> | undefined;
    try {
      feed = await endpoint.presence.subscribe(address, { renew: true });
      if (!watched.has(address)) return await feed.end();
      watched.set(address, feed);
      for await (const info of feed) if (watched.has(address)) this.#present(address, stateOf(info));
    } catch (error) {
      const wanted = endpoint === this.#endpoint && watched.has(address);
      if (wanted) this.#present(address, error instanceof RefusedError ? 'hidden' : 'unknown');
    } finally {
      if (watched.get(address) === feed) watched.delete(address);
    }
  }

  /** They may have let the account see their presence by now. */
  #watchAgain(address: string): void {
    // A flood of messages from somebody is no flood of requests.
    if (this.#again.has(address)) return;
    this.#again.add(address);
    setTimeout(() => {
      this.#again.delete(address);
      const presence = this.#presence.get(address);
      if (this.#endpoint === undefined || presence === 'open' || presence === 'closed') return;
      void this.#watch(this.#endpoint, address);
    }, AGAIN_MS);
  }

  #present(address: string, presence: Presence): void {
    this.#presence.set(address, presence);
    this.#options.tell({ news: 'presence', presence: { [address]: presence } });
  }

  async #keepShowing(endpoint: Endpoint): Promise<void> {
    while (endpoint === this.#endpoint && endpoint.connected) {
      // An account without the permission to publish is not seen, and can do all else.
      await this.#show(endpoint, SHOWN_MS).catch(() => {});
      for (const address of this.#presence.keys()) this.#watchAgain(address);
      await new Promise((resolve) => setTimeout(resolve, SHOW_AGAIN_MS));
    }
  }

  async #show(endpoint: Endpoint, ms: number): Promise<void> {
    const destination = uriOfAddress('im', this.#options.account);
    await endpoint.presence.publish({ tuples: [{ destination, availableUntil: new Date(Date.now() + ms) }] });
  }

  /** Something that needs the relay was asked for without a connection, and is not done later. */
  #missed(what: string): void {
    this.#options.tell({ news: 'notice', text: `${what}: there is no connection; try again when there is` });
  }

  #notice(error: unknown): void {
    this.#options.tell({ news: 'notice', text: wordsFor(error) });
  }
}

function stateOf({ open }: PresenceInfo): Presence {
  return open ? 'open' : 'closed';
}

/** What is sent: one part. */
interface MessagePart {
  readonly content: string | Uint8Array;
  readonly type: string;
  readonly headers?: readonly HeaderField[];
}

interface Received {
  readonly entry: Entry;
  readonly file?: Blob;
  /** The reply to its sender, when it could not be read. */
  readonly refusal?: Reply;
}

function baseOf(delivery: Delivery) {
  // The programs of one person are one conversation.
  const { base: peer } = givenAddress(delivery.originator);
  const at = instant();
  const written = writtenAt(delivery);
  const earlier = written !== undefined && written < at ? { written } : {};
  return { id: crypto.randomUUID(), peer, at, state: 'received', ...earlier } as const;
}

/** Of what arrives at once the sender's clock says nothing that this one does not. */
function writtenAt(delivery: Delivery): number | undefined {
  try {
    return delivery.held ? delivery.time?.getTime() : undefined;
  } catch {
    // It cannot be read, which whoever reads its content reports.
    return undefined;
  }
}

/** A message as it is kept. Text that is no file is shown; all else is a file. */
function entryOf(delivery: Delivery): Received {
  const { signed, encrypted, opened: content } = delivery;
  const proof: Proof = { encrypted, ...(signed === undefined ? {} : { signed: proven(signed) }) };
  const base = { ...baseOf(delivery), ...(encrypted || signed !== undefined ? { proof } : {}) };
  if (content.kind === 'uri') return { entry: { ...base, text: content.uri } };
  if (content.kind === 'part' && delivery.message === undefined) {
    const { type, headers, body } = content;
    // A name that turns its own direction would show another extension than it has.
    const name = fileNameIn(headers.get('Content-Disposition'))?.replace(/[\p{C}]/gu, '') || undefined;
    if (name !== undefined || !type.startsWith('text/')) {
      const file = { name: name ?? type, type, size: body.length };
      return { entry: { ...base, text: '', file }, file: new Blob([new Uint8Array(body)], { type }) };
    }
  }
  const { message } = delivery;
  const subject = message?.subject === undefined ? '' : `${message.subject}\n`;
  return { entry: { ...base, text: `${subject}${delivery.text()}` } };
}

/** Who signed, and what people have to know about it. */
function proven({ by, valid, reason, trust, certificate }: Signature): NonNullable<Proof['signed']> {
  const fingerprint = certificate?.fingerprint256;
  const facts = { valid, ...(fingerprint === undefined ? {} : { fingerprint }) };
  if (reason !== undefined)
    return { ...facts, words: `not proven to be from ${by ?? 'anybody'}: ${SIGNATURE_FAULTS[reason]}` };
  const caution = trust === 'first use' ? ', first seen now' : trust === 'known' ? ', known from earlier messages' : '';
  return { ...facts, words: `signed by ${by}${caution}` };
}

export function wordsFor(error: unknown): string {
  if (error instanceof RefusedError) return `${error.reply.text} (${error.reply.code})`;
  return error instanceof Error ? error.message : String(error);
}

function isRefusal(error: unknown, code: number): boolean {
  return error instanceof RefusedError && error.reply.code === code;
}

/** Whether another attempt would end the same. */
function isFinal(error: unknown): boolean {
  if (error instanceof RefusedError) return error.reply.code >= 500;
  return error instanceof ImxpError && ['SASL_NO_MECHANISM', 'SASL_SERVER_UNPROVEN', 'ARGUMENT'].includes(error.code);
}
