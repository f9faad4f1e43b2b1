/**
 * A presence service with everything around it simulated: a clock that is advanced by the spec, a mesh that records
 * what was sent, and accounts by name. There are no sockets and no timers. Everything sent is answered with `ok` at
 * once unless {@link Stage.answer} says otherwise.
 */
import type { Reply } from '../../lib/errors.js';
import { contentOf } from '../../lib/imxp/content.js';
import type { Data, Option } from '../../lib/imxp/operation.js';
import { proofAmong } from '../../lib/imxp/subscriber-proof.js';
import { TIMERLESS_CLOCK } from '../../lib/ops/clock.js';
import type { DeliverySink } from '../../lib/relay/target.js';
import { type PresenceLimits, PresenceService } from '../../lib/services/presence/service.js';
import { MemoryStore } from '../../lib/store/memory.js';
import type { Store } from '../../lib/store/store.js';

export const FRED = 'fred@example.com';
export const WILMA = 'wilma@example.com';
export const BARNEY = 'barney@rubble.com';
export const SERVICE = 'imxp=presence@example.com';
export const APEX_SERVICE = 'apex=presence@example.com';
export const NOON = Date.UTC(2000, 9, 21, 12);

export const STAGE_LIMITS: PresenceLimits = {
  operations: 1000,
  operationsPerEndpoint: 100,
  entryOctets: 65_536,
  proofOctets: 16_384,
  proofTotalOctets: 1_048_576,
  outstanding: 64,
  outstandingPerEndpoint: 64,
  requests: 256,
  requestsPerEndpoint: 256,
};

/** Something the service sent. */
export interface Sent {
  readonly from: string;
  readonly to: string;
  readonly document: string;
  readonly proof: string | undefined;
}

export type Verdict = Reply | undefined | 'later';

export class Stage {
  readonly store: Store;
  readonly sent: Sent[] = [];
  /** Who was answered `later`. */
  readonly open: { readonly to: string; readonly sink: DeliverySink }[] = [];
  readonly accounts = new Map<string, number>([
    [FRED, NOON - 3_600_000],
    [WILMA, NOON - 3_600_000],
  ]);
  /** What is denied: `owner actor action`, everything else is granted. */
  readonly denied = new Set<string>();
  /** Who is given a view: its name by `owner actor`. */
  readonly views = new Map<string, string>();
  /** Whether access decisions have to be looked up. */
  slowAccess = false;
  limits = STAGE_LIMITS;
  follows: (address: string) => boolean = () => false;
  answer: (sent: Sent) => Verdict = () => undefined;
  now = NOON;
  /** What tells an account from others of its name. */
  generation = (address: string): string | undefined => this.#created(address)?.toString();
  /** By how much the clock on the wall was set since. */
  step = 0;
  #ticks = new Set<() => void>();
  #service: PresenceService | undefined;
  #listeners: (() => void)[] = [];

  constructor(store: Store = new MemoryStore()) {
    this.store = store;
  }

  get service(): PresenceService {
    if (this.#service === undefined) throw new Error('the service is not open');
    return this.#service;
  }

  async openService(): Promise<this> {
    this.#service = new PresenceService({
      store: this.store,
      provisioning: {
        created: async (address) => this.#created(address),
        generation: async (address) => this.generation(address),
      },
      access: {
        allowed: (owner, actor, action) => {
          const allowed = !this.denied.has(`${owner} ${actor} ${action}`);
          return this.slowAccess ? Promise.resolve(allowed) : allowed;
        },
      },
      views: {
        any: () => this.views.size > 0,
        viewOf: (owner, actor) => this.views.get(`${owner} ${actor}`),
      },
      mesh: { submit: (data, sink) => this.#submit(data, sink) },
      clock: {
        ...TIMERLESS_CLOCK,
        now: () => this.now,
        wall: () => this.now + this.step,
        ticking: (tick) => {
          this.#ticks.add(tick);
          return () => void this.#ticks.delete(tick);
        },
      },
      limits: this.limits,
      follows: (address) => this.follows(address),
    });
    await this.service.load();
    this.service.start();
    return this;
  }

  #created(address: string): number | undefined {
    return this.accounts.get(address.replace(/\/[^@]*/, ''));
  }

  /** The process is gone, without a word; a new one begins with what is in the store. */
  async restart(): Promise<void> {
    this.#ticks.clear();
    await this.openService();
  }

  /** Time passes, in steps of a tenth of a second at most as often as needed. */
  async pass(seconds: number): Promise<void> {
    this.now += seconds * 1000;
    for (const tick of this.#ticks) tick();
    await this.settle();
  }

  /** A request by somebody. @returns what the service answers to the Data itself: undefined for ok */
  async ask(
    originator: string,
    document: string,
    service = SERVICE,
    options: readonly Option[] = [],
  ): Promise<Reply | undefined> {
    const reply = await new Promise<Reply | undefined>((resolve) => {
      this.put(originator, document, { delivered: () => resolve(undefined), failed: resolve }, service, options);
    });
    await this.settle();
    return reply;
  }

  /** A request whose answer is not awaited. */
  put(
    originator: string,
    document: string,
    sink: DeliverySink,
    service = SERVICE,
    options: readonly Option[] = [],
  ): void {
    const data: Data = {
      type: 'data',
      originator,
      content: '#C',
      recipients: [{ identity: service, options: [] }],
      options,
      dataContent: { name: 'C', inner: Buffer.from(document) },
      source: undefined,
    };
    this.service.deliver({ data, payload: () => Buffer.alloc(0) }, sink);
  }

  /** Everything sent since the last call, as `to: document`. */
  take(): string[] {
    return this.sent.splice(0).map(({ to, document }) => `${to}: ${document}`);
  }

  /** The same with the long documents cut down to their element and transID. */
  brief(): string[] {
    return this.sent.splice(0).map(({ to, document }) => {
      const [, name = ''] = /^<([\w-]+)/.exec(document) ?? [];
      const attribute = (key: string): string => new RegExp(` ${key}='([^']*)'`).exec(document)?.[1] ?? '';
      const more = name === 'reply' ? ` ${attribute('code')}` : name === 'notify' ? ` ${attribute('subscriber')}` : '';
      return `${to}: ${name} ${attribute('transID')}${more}`;
    });
  }

  /** Waits until the service has nothing more to do that it could do now. */
  async settle(): Promise<void> {
    let quiet = 0;
    let before = -1;
    while (quiet < 4) {
      await new Promise((resolve) => setImmediate(resolve));
      const { requests, outstanding } = this.service.status;
      const state = this.sent.length * 1_000_000 + requests * 1000 + outstanding;
      quiet = state === before ? quiet + 1 : 0;
      before = state;
    }
  }

  /** Waits until something is so. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#listeners.push(resolve));
  }

  #submit(data: Data, sink: DeliverySink): void {
    const content = contentOf(data);
    if (content.kind !== 'inline') throw new Error(content.kind);
    const { originator: from } = data;
    if (from !== SERVICE && from !== APEX_SERVICE) throw new Error(`sent as ${from}`);
    const [to, proof] = [data.recipients[0]?.identity ?? '', proofAmong(data.options)];
    const sent = { from, to, document: content.inner.toString(), proof };
    this.sent.push(sent);
    const verdict = this.answer(sent);
    if (verdict === 'later') this.open.push({ to: sent.to, sink });
    else queueMicrotask(() => (verdict === undefined ? sink.delivered() : sink.failed(verdict)));
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

export const subscribe = (publisher: string, transID: number, duration = 3600): string =>
  `<subscribe publisher='${publisher}' duration='${duration}' transID='${transID}' />`;
export const watch = (publisher: string, transID: number, duration = 3600): string =>
  `<watch publisher='${publisher}' duration='${duration}' transID='${transID}' />`;
export const terminate = (transID: number): string => `<terminate transID='${transID}' />`;

export interface PublishParts {
  readonly publisher?: string;
  readonly inner?: string;
  readonly lastUpdate: string;
  readonly until?: string;
  readonly presence?: string;
}

export function publish(transID: number, parts: PublishParts): string {
  const { publisher = FRED, inner = parts.publisher ?? FRED, lastUpdate, until = '1 Jan 2030 00:00:00 +0000' } = parts;
  const presence =
    parts.presence ??
    `<presence publisher='${inner}' lastUpdate='${lastUpdate}'><tuple destination='im:${inner}' availableUntil='${until}' /></presence>`;
  return `<publish publisher='${publisher}' transID='${transID}' timeStamp='21 Oct 2000 12:00:00 +0000'>${presence}</publish>`;
}

/** The lastUpdate of accounts here that never published. */
export const PROVISIONED = '21 Oct 2000 11:00:00 +0000';
