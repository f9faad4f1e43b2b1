/**
 * Status of a message as reported by the relays (core-01 §5.1), and the probes trace and ping that only ask for it.
 * Knows nothing of connections.
 */
import type { DialectName } from '../config/dialects.js';
import { LocalError, RefusedError, type Reply } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import type { TargetHop } from '../imxp/operation.js';
import { PROBE } from '../imxp/probe.js';
import { credible, readStatusResponse } from '../imxp/vocabulary/status.js';
import { pause } from '../transport/backoff.js';
import type { XmlElement } from '../xml/parse.js';
import { givenAddress } from './address.js';
import { Deferred } from './deferred.js';
import { checkKeys, type KnownKeys } from './keys.js';
import type { Message } from './message.js';
import type { OptionInit } from './option.js';
import { type RelayReport, recipientStatus } from './report.js';
import { withinTime } from './service-timeout.js';
import { notAsked, type Transactions } from './transactions.js';

/** The answer to a message, and the relays' reports. */
export interface Status {
  /** 250, or the code of the refusal. */
  readonly code: number;
  readonly text: string;
  /** Milliseconds until the answer. */
  readonly ms: number;
  /** Reports that arrived in time: the endpoint's own relay first, the recipient's last. */
  readonly reports: readonly RelayReport[];
  /** False when reports are missing: relays need not report. */
  readonly complete: boolean;
}

/** Whether a probe arrived. */
export interface Echo {
  readonly code: number;
  readonly text: string;
  readonly ms: number;
}

export interface StatusOptions {
  /** Which relays report: `final` (default) the last on the path, `all` every relay, `this` the endpoint's own. */
  readonly targetHop?: TargetHop;
  /**
   * How long to wait for reports after the answer. Default: 2000; 10000 with APEX, whose answer precedes the delivery.
   */
  readonly reportTimeoutMs?: number;
}

export interface ProbeOptions {
  readonly from?: string;
  readonly signal?: AbortSignal;
  readonly reportTimeoutMs?: number;
}

/** What the client needs of an endpoint. */
export interface StatusEndpoint {
  readonly addresses: readonly string[];
  readonly dialect: DialectName;
  send(message: Message): Promise<void>;
}

const STATUS_KEYS: KnownKeys<StatusOptions> = { targetHop: true, reportTimeoutMs: true };
const PROBE_KEYS: KnownKeys<ProbeOptions> = { from: true, signal: true, reportTimeoutMs: true };

const REPORT_TIMEOUT_MS = 2000;
/** With APEX only reports tell of a delivery, which begins after the answer. */
const DELIVERY_TIMEOUT_MS = 10_000;
/** How long to wait for intermediate relays once both ends have reported; their number is not known. */
const GRACE_MS = { least: 20, most: 1000 };

const OK: Reply = { code: 250, text: '' };
const UNREPORTED: Reply = { code: 451, text: 'no relay reported in time whether it was delivered' };
const PROBE_OPTION: OptionInit = { external: PROBE };

/** Timed messages whose reports are awaited; reports may arrive until a held message is delivered. */
const LISTENING = 65_536;

export class StatusClient {
  readonly #endpoint: StatusEndpoint;
  readonly #transactions: Transactions;
  readonly #listening = new Set<number>();

  constructor(endpoint: StatusEndpoint, transactions: Transactions) {
    this.#endpoint = endpoint;
    this.#transactions = transactions;
  }

  /** See {@link Endpoint.status}. */
  async status(message: Message, options: StatusOptions = {}): Promise<Status> {
    checkKeys(options, STATUS_KEYS, 'status');
    const { targetHop = 'final', reportTimeoutMs = this.#reportTimeoutMs } = options;
    const collector = new ReportCollector(message, targetHop, givenAddress(this.#originator(message)).domain);
    const transID = this.#transactions.begin(undefined, (element, service) => collector.take(element, service));
    const request: OptionInit = { internal: 'statusRequest', targetHop, transID };
    try {
      // Reports go to the originator, so it has to be an address that is attached here.
      const from = this.#originator(message);
      const reply = await this.#send({ ...message, from, options: [...(message.options ?? []), request] });
      const ms = collector.elapsed;
      collector.answered(reply, ms);
      const complete = await this.#collected(collector, reportTimeoutMs, message.signal);
      return { ...reply, ms, reports: collector.reports, complete };
    } finally {
      // Late reports are dropped: the application could not tell what they are about.
      this.#transactions.retire(transID);
    }
  }

  /** See {@link Endpoint.trace}. */
  async trace(address: string, probing: ProbeOptions = {}): Promise<Status> {
    checkKeys(probing, PROBE_KEYS, 'trace');
    const { reportTimeoutMs, ...options } = probing;
    const timeout = reportTimeoutMs === undefined ? {} : { reportTimeoutMs };
    return this.status(probe(address, options), { targetHop: 'all', ...timeout });
  }

  /** See {@link Endpoint.ping}. */
  async ping(address: string, probing: ProbeOptions = {}): Promise<Echo> {
    checkKeys(probing, PROBE_KEYS, 'ping');
    const { reportTimeoutMs = this.#reportTimeoutMs, ...options } = probing;
    if (this.#endpoint.dialect === 'apex') return await this.#reported(address, reportTimeoutMs, options);
    const begin = performance.now();
    const reply = await this.#send(probe(address, options));
    return { ...reply, ms: performance.now() - begin };
  }

  /** RFC 3340 §4.4.4.1: the answer says nothing of the delivery. */
  async #reported(address: string, reportTimeoutMs: number, options: ProbeOptions): Promise<Echo> {
    const status = await this.status(probe(address, options), { reportTimeoutMs });
    const report = status.reports.at(-1);
    const outcome = report?.recipients[0];
    if (status.code !== OK.code || report === undefined || outcome === undefined) {
      const { code, text } = status.code === OK.code ? UNREPORTED : status;
      return { code, text, ms: status.ms };
    }
    return { code: outcome.code, text: outcome.text, ms: report.ms };
  }

  get #reportTimeoutMs(): number {
    return this.#endpoint.dialect === 'apex' ? DELIVERY_TIMEOUT_MS : REPORT_TIMEOUT_MS;
  }

  async #send(message: Message): Promise<Reply> {
    try {
      await this.#endpoint.send(message);
      return OK;
    } catch (error) {
      if (error instanceof RefusedError && error.code === 'REFUSED') return error.reply;
      throw error;
    }
  }

  async #collected(collector: ReportCollector, ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await withinTime(collector.complete, ms, 'not all reports arrived', signal);
    } catch (error) {
      if (signal?.aborted === true) throw error;
      return false;
    }
    if (collector.graceMs > 0) await pause(collector.graceMs, signal ?? new AbortController().signal);
    return true;
  }

  #originator({ from }: Message): string {
    return from ?? this.#endpoint.addresses[0] ?? '';
  }

  /**
   * Directs the reports about a message to a function, for a new transID. Past {@link LISTENING} the oldest function is dropped.
   *
   * @returns the transID
   */
  listen(message: Message, reported: (report: RelayReport) => void): number {
    const begin = performance.now();
    const home = givenAddress(this.#originator(message)).domain;
    const domains = domainsOf(message);
    const handler = (element: XmlElement, service: string): void => {
      const destinations = credible(readStatusResponse(element).destinations, service, home, domains);
      if (destinations.length === 0) throw notAsked();
      const relay = addressOf(service)?.domain ?? service;
      reported({ relay, recipients: destinations.map(recipientStatus), ms: performance.now() - begin });
    };
    const transID = this.#transactions.begin(undefined, handler);
    this.#listening.add(transID);
    if (this.#listening.size <= LISTENING) return transID;
    for (const oldest of this.#listening) {
      this.#listening.delete(oldest);
      this.#transactions.end(oldest);
      break;
    }
    return transID;
  }
}

function probe(address: string, options: { readonly from?: string; readonly signal?: AbortSignal }): Message {
  return { to: address, content: { xml: '' }, options: [PROBE_OPTION], ...options };
}

function recipientsOf({ to }: Message): readonly string[] {
  return typeof to === 'string' ? [to] : to;
}

function domainsOf(message: Message): ReadonlySet<string> {
  return new Set(recipientsOf(message).map((address) => givenAddress(address).domain));
}

/** Collects the reports about one message. */
class ReportCollector {
  readonly complete: Promise<void>;
  readonly #done = new Deferred<void>();
  readonly #begin = performance.now();
  readonly #targetHop: TargetHop;
  readonly #home: string;
  /** Of the recipients. */
  readonly #domains: ReadonlySet<string>;
  /** For each recipient, by normalised address, the relays that have reported about it. */
  readonly #heard = new Map<string, Set<string>>();
  readonly #reports: RelayReport[] = [];
  #reply: Reply | undefined;
  #answerMs = 0;

  /** @param home the domain of the originator, whose relay is the first on the path */
  constructor(message: Message, targetHop: TargetHop, home: string) {
    this.complete = this.#done.promise;
    this.#targetHop = targetHop;
    this.#home = home;
    const recipients = recipientsOf(message);
    if (recipients.length === 0) throw new LocalError('ARGUMENT', 'no recipient');
    this.#domains = domainsOf(message);
    for (const address of recipients) this.#heard.set(givenAddress(address).key, new Set());
  }

  get elapsed(): number {
    return performance.now() - this.#begin;
  }

  /** How long to wait for intermediate relays. */
  get graceMs(): number {
    // On failure each relay reports as well (D-CORE-26).
    if (this.#targetHop !== 'all') return 0;
    const foreign = [...this.#heard.keys()].some((key) => addressOf(key)?.domain !== this.#home);
    return foreign ? Math.min(GRACE_MS.most, Math.max(GRACE_MS.least, this.#answerMs)) : 0;
  }

  get reports(): readonly RelayReport[] {
    return this.#reports.toSorted((a, b) => this.#distance(a) - this.#distance(b) || a.ms - b.ms);
  }

  answered(reply: Reply, ms: number): void {
    this.#reply = reply;
    this.#answerMs = ms;
    this.#check();
  }

  /**
   * @throws RemoteProtocolError for an element that is not a report, RefusedError for a report from a relay that cannot
   * know
   */
  take(element: XmlElement, service: string): void {
    const destinations = credible(readStatusResponse(element).destinations, service, this.#home, this.#domains);
    if (destinations.length === 0) throw notAsked();
    const relay = addressOf(service)?.domain ?? service;
    this.#reports.push({ relay, recipients: destinations.map(recipientStatus), ms: this.elapsed });
    for (const { identity, reply } of destinations) {
      const heard = this.#heard.get(addressOf(identity)?.key ?? identity);
      heard?.add(relay);
      // With `final`, the relay that reports a failure is the last to report on that recipient. With `all` the others
      // report as well, and are waited for as relays in between are.
      if (reply.code !== OK.code) heard?.add(END);
    }
    this.#check();
  }

  #check(): void {
    if (this.#reply === undefined) return;
    for (const [key, heard] of this.#heard) if (!this.#satisfied(addressOf(key)?.domain ?? '', heard)) return;
    this.#done.resolve();
  }

  #satisfied(domain: string, heard: ReadonlySet<string>): boolean {
    if (this.#targetHop === 'this') return heard.size > 0;
    if (this.#targetHop === 'final') return heard.has(END) || heard.has(domain);
    return heard.has(this.#home) && (heard.has(END) || heard.has(domain));
  }

  /** 0 for the endpoint's own relay, 2 for that of a recipient, 1 for those in between. */
  #distance({ relay }: RelayReport): number {
    if (relay === this.#home) return 0;
    return [...this.#heard.keys()].some((key) => addressOf(key)?.domain === relay) ? 2 : 1;
  }
}

const END = 'end of path';
