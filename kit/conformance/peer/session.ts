/**
 * One BEEP session of a raw peer over a real socket: frames, windows, waits with deadlines, and a log of every octet.
 * Written from RFC 3080 and RFC 3081 with node:net and node:tls only; it checks every frame it receives and uses
 * nothing from lib/. The profiles are in peer.ts.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { RawChannel, type RawMessage, type Report, refuse } from './channel.js';
import { FrameReader, type Keyword, seq } from './frame.js';
import { OctetLog, visible } from './octet-log.js';
import { chop } from './segments.js';
import { type Engine, nodeClient, type TlsOptions } from './tls.js';
import type { Transport } from './websocket.js';
import { within } from './within.js';

export interface RawPeerOptions {
  readonly port: number;
  readonly host?: string;
  /** The loopback address to connect from. */
  readonly from?: string;
  /** For failure messages. */
  readonly name?: string;
  readonly deadlineMs?: number;
  /** Write in segments of so many octets; 0 as it comes. */
  readonly segment?: number;
  /** Told what the relay must not have done; without it that ends the session with an error. */
  readonly report?: Report;
  /** The session ends when so many octets were received. */
  readonly mostOctets?: number;
  /** The session ends when so many messages of one kind wait on a channel. */
  readonly mostWaiting?: number;
  /** How to get there; `tcp` unless given. */
  readonly transport?: Transport;
  /** The authority of the relay's certificate, for `wss`. */
  readonly authority?: Buffer | string;
  /** The name that the relay's certificate has to have, for `wss`; example.com unless given. */
  readonly site?: string;
  /** Of the messages written, and octets of their fragments, over WebSocket. */
  readonly type?: 'text' | 'binary';
  readonly fragment?: number;
  /** Where the WebSocket is. */
  readonly path?: string;
  /** More for the TLS of `wss`. */
  readonly tls?: ConnectionOptions;
}

export type { Engine, TlsOptions } from './tls.js';

export type Ending = 'fin' | 'reset';

/** The connection ended while something was waited for. */
export class EndedError extends Error {}

interface Waiter {
  readonly ready: () => boolean;
  readonly wake: () => void;
  readonly fail: (cause: Error) => void;
}

export class RawSession {
  readonly log = new OctetLog();
  readonly deadlineMs: number;
  readonly name: string;
  /** Called for each complete MSG instead of queueing it, if set. */
  onRequest: ((message: RawMessage) => void) | undefined;
  /** Called for each complete reply instead of queueing it, if set. */
  onReply: ((message: RawMessage) => void) | undefined;
  #stream: Duplex;
  #reader = new FrameReader();
  #channels = new Map<number, RawChannel>();
  #closedChannels = new Set<number>();
  #fault: Error | undefined;
  #ending: Ending | undefined;
  #waiters = new Set<Waiter>();
  /** Message number of a start -> the channel that a positive reply creates, at once: frames may be right behind. */
  readonly #starting = new Map<number, number>();
  #quiet = false;
  #unaccounted = false;
  #receivedOctets = 0;
  readonly #mostOctets: number;
  readonly #mostWaiting: number;
  readonly #report: Report;
  #segment: number;
  #writing: Promise<void> = Promise.resolve();

  constructor(stream: Duplex, options: RawPeerOptions) {
    this.#stream = stream;
    this.#segment = options.segment ?? 0;
    this.deadlineMs = options.deadlineMs ?? 8000;
    this.name = options.name ?? 'raw peer';
    const { report } = options;
    // What answers octets that nobody counted cannot be judged by counting.
    this.#report = report === undefined ? refuse : (rule, text) => this.#unaccounted || report(rule, text);
    this.#mostOctets = options.mostOctets ?? Number.POSITIVE_INFINITY;
    this.#mostWaiting = options.mostWaiting ?? Number.POSITIVE_INFINITY;
    if (stream instanceof Socket) stream.setNoDelay(true);
    this.open(0);
    this.#listen(stream);
  }

  /** Waits for the connection to be made. */
  protected async connected(socket: Socket): Promise<void> {
    const connected = new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    await within(this.deadlineMs, connected, `${this.name} connects`);
  }

  #listen(stream: Duplex): void {
    stream.on('data', (octets: Buffer) => this.#receive(octets));
    stream.on('end', () => this.#end('fin'));
    stream.on('error', () => this.#end('reset'));
    stream.on('close', () => this.#end('fin'));
  }

  #end(how: Ending): void {
    this.#ending ??= how;
    this.#wake();
  }

  #fail(cause: Error): void {
    this.#fault ??= cause;
    this.#stream.destroy();
    this.#wake();
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.ready()) waiter.wake();
      else if (this.#fault !== undefined) waiter.fail(this.#fault);
      else if (this.#ending !== undefined) waiter.fail(new EndedError(`the connection ended (${this.#ending})`));
    }
  }

  #receive(octets: Buffer): void {
    this.#receivedOctets += octets.length;
    if (this.#receivedOctets > this.#mostOctets) {
      this.#fail(new Error(`more than ${this.#mostOctets} octets came`));
      return;
    }
    this.log.add('L', octets);
    this.#reader.push(octets);
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        if (next.keyword === 'SEQ') this.#granted(next);
        else this.#frame(next);
      }
    } catch (cause) {
      this.#fail(cause instanceof Error ? cause : new Error(`${cause}`));
    }
    this.#wake();
  }

  #next(): ReturnType<FrameReader['next']> {
    try {
      return this.#reader.next();
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : `${cause}`;
      this.#report('grammar', text);
      // Nobody knows where the next frame begins.
      throw new Error(text, { cause });
    }
  }

  #granted(control: Parameters<RawChannel['granted']>[0]): void {
    const channel = this.#channels.get(control.channel);
    if (channel === undefined) {
      if (this.#closedChannels.has(control.channel)) return;
      this.#report('channel', `SEQ for channel ${control.channel}, which does not exist`);
      return;
    }
    if (!this.#unaccounted) channel.granted(control);
    this.#pump(channel);
  }

  #frame(data: Parameters<RawChannel['receive']>[0]): void {
    const channel = this.#channels.get(data.channel);
    if (channel === undefined) {
      this.#report('channel', `frame on channel ${data.channel}, which does not exist`);
      return;
    }
    const message = channel.receive(data);
    const grant = channel.grant();
    if (grant !== undefined && !this.#quiet) this.#put(seq(channel.number, grant.ackno, grant.window));
    if (message === undefined) return;
    const starting = message.channel === 0 ? this.#starting.get(message.msgno) : undefined;
    if (starting !== undefined && message.keyword === 'RPY') this.open(starting);
    const isRequest = message.keyword === 'MSG';
    const handler = isRequest ? this.onRequest : this.onReply;
    if (handler !== undefined && message.channel !== 0) handler(message);
    else this.#keep(isRequest ? channel.requests : channel.replies, message);
  }

  #keep(kept: RawMessage[], message: RawMessage): void {
    if (kept.length >= this.#mostWaiting) throw new Error(`more than ${this.#mostWaiting} messages came`);
    kept.push(message);
  }

  #put(octets: Buffer): void {
    this.log.add('I', octets);
    if (this.#segment === 0) {
      if (!this.#stream.destroyed) this.#stream.write(octets);
      return;
    }
    this.#writing = this.#writing.then(() => chop(this.#stream, octets, this.#segment));
  }

  #pump(channel: RawChannel): void {
    const octets = channel.transmit();
    if (octets.length > 0) this.#put(Buffer.concat(octets));
  }

  /** What went over the wire so far, for messages. */
  transcript(): string {
    return `\n${this.name}, the last octets (I: ours, L: the relay's):\n${this.log}`;
  }

  async #until(ready: () => boolean, what: string, deadlineMs = this.deadlineMs): Promise<void> {
    if (ready()) return;
    const waited = new Promise<void>((resolve, reject) => {
      const done = (settle: () => void) => {
        this.#waiters.delete(waiter);
        settle();
      };
      const waiter: Waiter = {
        ready,
        wake: () => done(resolve),
        fail: (cause) => done(() => reject(cause)),
      };
      this.#waiters.add(waiter);
      this.#wake();
    });
    try {
      await within(deadlineMs, waited, what);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : `${cause}`;
      throw new Error(`${this.name} waits for ${what}: ${reason}${this.transcript()}`, { cause });
    }
  }

  channel(number: number): RawChannel {
    const channel = this.#channels.get(number);
    if (channel === undefined) throw new Error(`${this.name} has no channel ${number}`);
    return channel;
  }

  /** Octets exactly as given, made by {@link RawChannel.build} or counted otherwise. */
  write(octets: Buffer | string): void {
    this.#put(Buffer.from(octets));
  }

  /** Octets that nobody counted: from now on acknowledgements of what was never sent are not checked. */
  inject(octets: Buffer | string): void {
    this.#unaccounted = true;
    this.write(octets);
  }

  /** Octets in two segments, the second sent only when the first has surely been read: a few milliseconds later. */
  async writeSplit(octets: Buffer, at: number, pauseMs = 2): Promise<void> {
    this.#put(octets.subarray(0, at));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    this.#put(octets.subarray(at));
  }

  /** Waits until the relay's window on a channel has room for so many octets. */
  async allowed(number: number, octets: number): Promise<void> {
    const channel = this.channel(number);
    await this.#until(() => channel.available >= octets, `a window of ${octets} octets on channel ${number}`);
  }

  /** Waits until a reply is there, and leaves it. */
  async arrived(number: number): Promise<void> {
    await this.#until(() => this.channel(number).replies.length > 0, `a reply on channel ${number}`);
  }

  /** Resolves when everything written so far was handed to the system. */
  async flushed(): Promise<void> {
    await this.#writing;
  }

  /** From now on offers that many octets of buffer on a channel, at once and by the rule of RFC 3081 §3.1.4. */
  window(number: number, octets: number): void {
    const channel = this.channel(number);
    channel.buffer = octets;
    const { ackno, window } = channel.regrant();
    this.#put(seq(number, ackno, window));
  }

  /** Counts a channel as created without asking for it. */
  open(number: number): RawChannel {
    const channel = new RawChannel(number, this.#report);
    this.#channels.set(number, channel);
    return channel;
  }

  /** Sends a MSG within the relay's window; returns its number. */
  msg(number: number, payload: Buffer | string): number {
    const channel = this.channel(number);
    const msgno = channel.allocate();
    this.#queue(channel, 'MSG', msgno, payload);
    return msgno;
  }

  /** Sends a start for a channel, which exists as soon as the reply is there; returns the reply. */
  async request(number: number, payload: string): Promise<RawMessage> {
    const msgno = this.msg(0, payload);
    this.#starting.set(msgno, number);
    return await this.nextReply(0);
  }

  reply(number: number, keyword: 'RPY' | 'ERR', msgno: number, payload: Buffer | string): void {
    this.#queue(this.channel(number), keyword, msgno, payload);
  }

  #queue(channel: RawChannel, keyword: Keyword, msgno: number, payload: Buffer | string): void {
    channel.queue(keyword, msgno, payload);
    this.#pump(channel);
  }

  async #take(number: number, kind: 'replies' | 'requests', what: string, deadlineMs?: number): Promise<RawMessage> {
    const channel = this.channel(number);
    await this.#until(() => channel[kind].length > 0, what, deadlineMs);
    const message = channel[kind].shift();
    if (message === undefined) throw new Error('two waited for one message');
    return message;
  }

  nextReply(number: number, deadlineMs?: number): Promise<RawMessage> {
    return this.#take(number, 'replies', `a reply on channel ${number}`, deadlineMs);
  }

  nextRequest(number: number, deadlineMs?: number): Promise<RawMessage> {
    return this.#take(number, 'requests', `a MSG on channel ${number}`, deadlineMs);
  }

  /** A MSG and the complete reply to it. */
  async ask(number: number, payload: Buffer | string, deadlineMs?: number): Promise<RawMessage> {
    const msgno = this.msg(number, payload);
    const reply = await this.nextReply(number, deadlineMs);
    if (reply.msgno !== msgno) throw new Error(`reply to ${reply.msgno}, not ${msgno}${this.transcript()}`);
    return reply;
  }

  /** From now on reads nothing and grants nothing; the connection stays. */
  deafen(): void {
    this.#quiet = true;
    this.#stream.removeAllListeners('data');
    this.#stream.pause();
  }

  /** From now on sends nothing by itself, SEQ least of all (RFC 3080 §3.1.3.1). */
  hush(): void {
    this.#quiet = true;
  }

  /** Makes the connection a TLS client's and forgets everything about the session before (RFC 3080 §3.1.3.2). */
  async handshake(options: TlsOptions): Promise<void> {
    const what = (): string => `TLS handshake of ${this.name}${this.transcript()}`;
    await this.secured(options.engine ?? nodeClient(options, this.#segment, this.deadlineMs, what));
  }

  /** Puts something under the session and begins it anew. */
  protected async secured(engine: Engine): Promise<void> {
    const early = this.#reader.rest;
    if (early.length > 0) throw new Error(`octets after proceed: ${visible(early)}${this.transcript()}`);
    await this.#writing;
    const plain = this.#stream as Socket;
    for (const event of ['data', 'end', 'error', 'close']) plain.removeAllListeners(event);
    this.#stream = await engine(plain);
    this.log.mark('TLS; a new session');
    this.#reader = new FrameReader();
    this.#channels = new Map();
    this.open(0);
    this.#quiet = false;
    this.#listen(this.#stream);
  }

  /** Forgets a channel that was closed. */
  forget(number: number): void {
    this.#channels.delete(number);
    this.#closedChannels.add(number);
  }

  /** Waits for the end of the connection. */
  async ended(deadlineMs = this.deadlineMs): Promise<Ending> {
    await this.#until(() => this.#ending !== undefined, 'the end of the connection', deadlineMs);
    if (this.#fault !== undefined) throw this.#fault;
    return this.#ending ?? 'fin';
  }

  /** Neither end has ended the connection. */
  get alive(): boolean {
    return this.#ending === undefined && this.#fault === undefined;
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
