/**
 * A relay for the specs of the endpoint, without sockets: it accepts what the endpoint sends and answers as the spec
 * says. Answers are sent in the order of the messages, as on a BEEP channel.
 */

import type { Connector, EndpointChannel, Receiver, RelayConnection } from '../../lib/endpoint/connection.js';
import { attachRefused } from '../../lib/endpoint/connection.js';
import { type ImxpError, RefusedError, type Reply } from '../../lib/errors.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Attach, Data, Operation, OperationReply } from '../../lib/imxp/operation.js';
import type { Payload } from '../../lib/mime/payload.js';
import type { RequestSink } from '../../lib/transport/channel.js';

export const dialect = imxpDialect();

const joined = (payload: Payload): Buffer => (Buffer.isBuffer(payload) ? payload : Buffer.concat(payload));

/** Something the endpoint asked. */
export interface Asked {
  readonly operation: Operation;
  readonly octets: number;
  readonly sink: RequestSink;
}

/** One connection. */
export class ScriptedChannel implements EndpointChannel {
  readonly id = 'scripted';
  readonly receiver: Receiver;
  /** What the endpoint asked and has no answer yet. */
  readonly asked: Asked[] = [];
  /** What it answered: by msgno. */
  readonly answers = new Map<number, OperationReply>();
  /** The order of its answers. */
  readonly order: number[] = [];
  consumed = 0;
  open = true;
  released = false;
  /** Answers operations by itself unless undefined. */
  auto: ((operation: Operation) => Reply | undefined) | undefined;
  #msgno = 0;
  #listeners: (() => void)[] = [];

  constructor(receiver: Receiver, auto: ScriptedChannel['auto']) {
    this.receiver = receiver;
    this.auto = auto;
  }

  get outstanding(): number {
    return this.asked.length;
  }

  get outstandingOctets(): number {
    return this.asked.reduce((sum, { octets }) => sum + octets, 0);
  }

  request(payload: Payload, sink: RequestSink): void {
    const octets = joined(payload);
    const asked = { operation: dialect.decode(octets), octets: octets.length, sink };
    this.asked.push(asked);
    if (this.auto !== undefined) queueMicrotask(() => this.answer(this.auto?.(asked.operation)));
    this.#tell();
  }

  reply(msgno: number, _kind: 'RPY' | 'ERR', payload: Payload): void {
    if (this.answers.has(msgno)) throw new Error(`message ${msgno} is answered twice`);
    this.answers.set(msgno, dialect.decodeReply(joined(payload)));
    this.order.push(msgno);
    this.#tell();
  }

  consume(octets: number): void {
    this.consumed += octets;
  }

  close(): void {
    this.open = false;
  }

  /** Answers the oldest question. */
  answer(reply?: Reply): Asked {
    const asked = this.asked.shift();
    if (asked === undefined) throw new Error('nothing was asked');
    if (reply === undefined) asked.sink.replied('RPY', dialect.ok);
    else asked.sink.replied('ERR', dialect.encodeReply({ type: 'error', ...reply, lang: undefined }));
    return asked;
  }

  /** Sends something to the endpoint; returns its msgno. */
  send(payload: Payload): number {
    this.#msgno += 1;
    this.receiver.message(this, this.#msgno, joined(payload));
    return this.#msgno;
  }

  /** The Data asked so far. */
  get data(): Data[] {
    return this.asked.flatMap(({ operation }) => (operation.type === 'data' ? [operation] : []));
  }

  /** The connection breaks. */
  lose(error?: ImxpError, reason: 'lost' | 'unsent' = 'lost'): void {
    this.open = false;
    for (const { sink } of this.asked.splice(0)) sink.failed(reason);
    this.receiver.ended(error);
    this.#tell();
  }

  /** Waits until something is so. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#listeners.push(resolve));
  }

  #tell(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

export class ScriptedRelay implements Connector {
  readonly dialect = dialect;
  readonly channels: ScriptedChannel[] = [];
  readonly attached: (Attach | undefined)[] = [];
  /** What becomes of the next attempts to connect: an error to throw, or a refusal of the attach. */
  readonly obstacles: (ImxpError | Reply)[] = [];
  auto: ScriptedChannel['auto'];
  /** What becomes of further channels: made, refused, or made when the spec says so. */
  further: 'made' | 'refused' | 'waiting' = 'made';
  /** The further channels asked for on the present connection that were made. */
  lanes: ScriptedChannel[] = [];
  /** Where the next connection is to, and whether a better one is known; undefined for a relay without a name. */
  place: { readonly relay: string; readonly preferred: boolean } | undefined;
  /** What the next connections wait for. */
  gate: Promise<void> | undefined;
  /** Relays that a better one was asked for. */
  readonly better: string[] = [];
  #makeWaiting: (() => void)[] = [];

  constructor(auto: ScriptedChannel['auto'] = () => undefined) {
    this.auto = auto;
  }

  /** Makes the further channels that wait. */
  make(): void {
    for (const make of this.#makeWaiting.splice(0)) make();
  }

  get channel(): ScriptedChannel {
    const channel = this.channels.at(-1);
    if (channel === undefined) throw new Error('no connection was made');
    return channel;
  }

  async open(attach: Attach | undefined, receiver: Receiver, than?: string): Promise<RelayConnection> {
    this.attached.push(attach);
    if (than !== undefined) this.better.push(than);
    await this.gate;
    const obstacle = this.obstacles.shift();
    if (obstacle instanceof Error) throw obstacle;
    if (obstacle !== undefined) throw attachRefused(attach?.endpoint ?? '', obstacle);
    const channel = new ScriptedChannel(receiver, this.auto);
    this.channels.push(channel);
    const lanes: ScriptedChannel[] = [];
    this.lanes = lanes;
    return {
      channel,
      ...this.place,
      further: () => this.#further(receiver, lanes),
      release: async () => {
        if (channel.released) return;
        channel.released = true;
        if (channel.open) channel.lose();
      },
    };
  }

  async #further(receiver: Receiver, lanes: ScriptedChannel[]): Promise<EndpointChannel> {
    if (this.further === 'waiting') await new Promise<void>((resolve) => this.#makeWaiting.push(resolve));
    if (this.further === 'refused') throw new RefusedError('START_REFUSED', { code: 550, text: 'one is enough' });
    const lane = new ScriptedChannel(receiver, this.auto);
    lanes.push(lane);
    return lane;
  }
}
