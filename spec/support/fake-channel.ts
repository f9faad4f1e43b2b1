/**
 * A mesh channel in memory, and a relay with such channels. What a real channel does for the relay (order of replies,
 * time limits) is not done here: the specs see each call of the relay.
 */

import type { Dialect } from '../../lib/imxp/dialect/dialect.js';
import { type Identity, NOBODY } from '../../lib/imxp/identity.js';
import type { Data, Operation, OperationReply } from '../../lib/imxp/operation.js';
import type { Payload } from '../../lib/mime/payload.js';
import type { MeshChannel, MeshHandler, ReplySink } from '../../lib/relay/channel.js';
import type { RelayLimits, RelayOptions } from '../../lib/relay/context.js';
import { STRICT_POLICY } from '../../lib/relay/policy.js';
import { Relay } from '../../lib/relay/relay.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../../lib/relay/target.js';
import { FakeDialect } from './fake-dialect.js';

export const DIALECT: Dialect = new FakeDialect();

/** Counts what happens on all channels, so that a spec can say what came first. */
let moment = 0;

/** A request the relay sent and the spec answers. */
export class FakeRequest {
  readonly sentAt = ++moment;
  settledAt = Number.POSITIVE_INFINITY;
  readonly payload: Payload;
  readonly octets: number;
  settled = false;
  /** Whether any octet of it has left. */
  written = true;
  readonly sink: ReplySink;
  readonly #dialect: Dialect;

  constructor(payload: Payload, sink: ReplySink, dialect: Dialect) {
    this.payload = payload;
    this.#dialect = dialect;
    this.octets = Buffer.isBuffer(payload) ? payload.length : payload.reduce((sum, part) => sum + part.length, 0);
    this.sink = sink;
  }

  is(picked: (sink: ReplySink) => boolean): boolean {
    return picked(this.sink);
  }

  get joined(): Buffer {
    return Buffer.isBuffer(this.payload) ? this.payload : Buffer.concat(this.payload);
  }

  get operation(): Operation {
    return this.#dialect.decode(this.joined);
  }

  /** The Data sent; fails the spec when it is something else. */
  get data(): Data {
    const { operation } = this;
    if (operation.type !== 'data') throw new Error(`the relay sent ${operation.type}, not data`);
    return operation;
  }

  ok(): void {
    this.#settle();
    this.sink.replied('RPY', this.#dialect.ok);
  }

  error(code: number, text: string): void {
    this.raw('ERR', this.#dialect.encodeReply({ type: 'error', code, text, lang: undefined }));
  }

  raw(kind: 'RPY' | 'ERR', payload: Buffer): void {
    this.#settle();
    this.sink.replied(kind, payload);
  }

  fail(reason: 'timeout' | 'lost' | 'unsent'): void {
    this.#settle();
    this.sink.failed(reason);
  }

  #settle(): void {
    if (this.settled) throw new Error('the request was settled before');
    this.settled = true;
    this.settledAt = ++moment;
  }
}

interface ChannelFacts {
  readonly privacy: boolean;
  readonly initiator: boolean;
  readonly dialect: Dialect;
}

export class FakeChannel implements MeshChannel {
  static #count = 0;
  readonly id = `channel ${++FakeChannel.#count}`;
  /** A session of its own, unless a spec puts it into another's. */
  session = `session of ${this.id}`;
  readonly profile: string;
  readonly dialect: Dialect;
  readonly identity: Identity;
  readonly privacy: boolean;
  readonly remote = { address: '192.0.2.7', port: 40_000 };
  readonly initiator: boolean;
  open = true;
  /** Every request of the relay, in order. */
  readonly requests: FakeRequest[] = [];
  /** Every reply of the relay, in order of the calls. */
  readonly replies: { msgno: number; kind: 'RPY' | 'ERR'; reply: OperationReply }[] = [];
  readonly consumed: number[] = [];
  received = 0;
  closedWith: { code: number; text: string } | undefined;
  handler: MeshHandler | undefined;
  #msgno = 0;

  constructor(
    identity: Identity = NOBODY,
    { privacy = false, initiator = false, dialect = DIALECT }: Partial<ChannelFacts> = {},
  ) {
    this.dialect = dialect;
    this.profile = dialect.profile;
    this.identity = identity;
    this.privacy = privacy;
    this.initiator = initiator;
  }

  get waiting(): FakeRequest[] {
    return this.requests.filter(({ settled }) => !settled);
  }

  get outstanding(): number {
    return this.waiting.length;
  }

  get outstandingOctets(): number {
    return this.waiting.reduce((sum, { octets }) => sum + octets, 0);
  }

  request(payload: Payload, sink: ReplySink): void {
    const request = new FakeRequest(payload, sink, this.dialect);
    request.written = !this.stuck;
    this.requests.push(request);
  }

  /** What is sent while this is set is written only when the spec says so: until then it can be taken back. */
  stuck = false;

  recall(picked: (sink: ReplySink) => boolean): ReplySink[] {
    const recalled = this.requests.filter((request) => !request.written && !request.settled && request.is(picked));
    return recalled.map((request) => {
      this.requests.splice(this.requests.indexOf(request), 1);
      return request.sink;
    });
  }

  reply(msgno: number, kind: 'RPY' | 'ERR', payload: Payload): void {
    if (this.replies.some((reply) => reply.msgno === msgno)) throw new Error(`MSG ${msgno} was answered twice`);
    const octets = Buffer.isBuffer(payload) ? payload : Buffer.concat(payload);
    this.replies.push({ msgno, kind, reply: this.dialect.decodeReply(octets) });
  }

  consume(octets: number): void {
    this.consumed.push(octets);
  }

  close(code: number, text: string): void {
    this.closedWith = { code, text };
  }

  // ---- the peer's side

  /** The peer sends an operation (or octets). @returns the msgno */
  send(operation: Operation | Buffer): number {
    const payload = Buffer.isBuffer(operation) ? operation : this.#encode(operation);
    const msgno = this.#msgno++;
    this.received += payload.length;
    this.handler?.message(msgno, payload);
    return msgno;
  }

  #encode(operation: Operation): Buffer {
    if (operation.type !== 'data') return this.dialect.encode(operation);
    const payload = this.dialect.encodeData(operation);
    return Buffer.isBuffer(payload) ? payload : Buffer.concat(payload);
  }

  /** What the relay answered a MSG with: 0 for ok, the code of an error, undefined when it has not. */
  code(msgno: number): number | undefined {
    const reply = this.replies.find((one) => one.msgno === msgno)?.reply;
    if (reply === undefined) return undefined;
    return reply.type === 'ok' ? 0 : reply.code;
  }

  text(msgno: number): string | undefined {
    const reply = this.replies.find((one) => one.msgno === msgno)?.reply;
    return reply?.type === 'error' ? reply.text : undefined;
  }

  /** Sends an operation and gives the code of an answer that must come at once. */
  ask(operation: Operation | Buffer): number | undefined {
    return this.code(this.send(operation));
  }

  attach(endpoint: string, transID = 1): number | undefined {
    return this.ask({ type: 'attach', endpoint, transID, options: [] });
  }

  bind(relay: string, transID = 1): number | undefined {
    return this.ask({ type: 'bind', relay, transID, options: [] });
  }

  terminate(transID: number): number | undefined {
    return this.ask({ type: 'terminate', transID });
  }

  /** The channel ends: what is outstanding is lost. */
  lose(): void {
    this.open = false;
    for (const request of this.waiting) request.fail('lost');
    this.handler?.closed();
  }

  get consumedOctets(): number {
    return this.consumed.reduce((sum, octets) => sum + octets, 0);
  }
}

/** A target that keeps what it is given until the spec answers. */
export class FakeTarget implements DeliveryTarget {
  readonly deliveries: { delivery: OutboundDelivery; sink: DeliverySink }[] = [];
  readonly relay: string | undefined;

  constructor(relay?: string) {
    this.relay = relay;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.deliveries.push({ delivery, sink });
  }

  get recipients(): string[][] {
    return this.deliveries.map(({ delivery }) => delivery.data.recipients.map(({ identity }) => identity));
  }
}

export const LIMITS: RelayLimits = {
  attachmentsPerSession: 8,
  recipients: 10,
  outstanding: 16,
  outstandingOctets: 65_536,
  deliveryTimeoutMs: 30_000,
};

export const NO_ROUTE = { code: 550, text: 'no relay for domain' };

/** A relay of example.com whose accounts are fred, barney and wilma, and which lets everybody send. */
export function makeRelay(options: Partial<RelayOptions> = {}): Relay {
  const accounts = new Set(['fred@example.com', 'barney@example.com', 'wilma@example.com']);
  return new Relay({
    domains: ['example.com'],
    dialects: [DIALECT],
    dialer: { toward: () => NO_ROUTE },
    directory: { known: async (address) => accounts.has(address) },
    access: { allowed: () => true },
    services: new Map(),
    policy: STRICT_POLICY,
    limits: LIMITS,
    ...options,
  });
}

const PROOF = { mechanism: 'DIGEST-MD5', privacy: true };

/** The channel of an application that authenticated as `address`, not yet attached. */
export function endpoint(relay: Relay, address: string): FakeChannel {
  return accepted(relay, new FakeChannel({ kind: 'endpoint', address, proof: PROOF }, { privacy: true }));
}

/** The same, attached as that address with transID 1. */
export function attached(relay: Relay, address: string): FakeChannel {
  const channel = endpoint(relay, address);
  if (channel.attach(address) !== 0) throw new Error(`${address} could not attach: ${channel.text(0)}`);
  return channel;
}

/** The channel of a relay that authenticated for a domain, not bound. */
export function neighbour(relay: Relay, domain: string, { initiator = false } = {}): FakeChannel {
  const identity = { kind: 'relay', domains: [domain], proof: PROOF } as const;
  return accepted(relay, new FakeChannel(identity, { privacy: true, initiator }));
}

export function accepted(relay: Relay, channel: FakeChannel): FakeChannel {
  channel.handler = relay.accept(channel);
  return channel;
}

/** Lets every promise that is ready run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
