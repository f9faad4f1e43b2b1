/**
 * A neighbour relay over real sockets, to which a node of ours opens links: it takes the session and as many channels as a
 * spec lets it, and then does with them what the spec says. Shares no code with lib/.
 */
import type { RawMessage } from './raw-channel.js';
import { close, errorIn, IMXP, OK } from './raw-documents.js';
import { type Asked, RawRelay, type RawRelaySession } from './raw-relay.js';
import { within } from './within.js';

export class RawNeighbour {
  readonly relay: RawRelay;

  private constructor(relay: RawRelay) {
    this.relay = relay;
  }

  static async listen(): Promise<RawNeighbour> {
    return new RawNeighbour(await RawRelay.listen());
  }

  get url(): string {
    return this.relay.url;
  }

  /** The next session, greeted, with the first starts not yet answered. */
  async greeted(): Promise<RawRelaySession> {
    const session = await this.relay.session();
    await session.greet(IMXP);
    return session;
  }

  /** The next session, with so many channels, each bound. */
  async linked(lanes: number): Promise<Linked> {
    const session = await this.greeted();
    const channels: number[] = [];
    for (let lane = 0; lane < lanes; lane += 1) channels.push(grant(session, await session.started()));
    return new Linked(session, channels);
  }

  close(): void {
    this.relay.close();
  }
}

/** A session with a node of ours, the channels bound on it, and the Data that come on any of them, in order. */
export class Linked {
  readonly session: RawRelaySession;
  readonly channels: readonly number[];
  readonly #arrived: RawMessage[] = [];
  readonly #waiting: ((message: RawMessage) => void)[] = [];

  constructor(session: RawRelaySession, channels: readonly number[]) {
    this.session = session;
    this.channels = channels;
    session.onRequest = (message) => {
      const taker = this.#waiting.shift();
      if (taker === undefined) this.#arrived.push(message);
      else taker(message);
    };
  }

  /** The next Data. */
  next(): Promise<RawMessage> {
    const arrived = this.#arrived.shift();
    return within(
      8000,
      arrived === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(arrived),
      () => `a Data${this.session.transcript()}`,
    );
  }
}

/** Creates the channel and accepts the bind that came with it. */
export function grant(session: RawRelaySession, asked: Asked): number {
  session.accept(asked, '<ok />');
  return asked.channel;
}

/** Closes a channel in order. */
export async function closeChannel(session: RawRelaySession, channel: number): Promise<void> {
  const reply = await session.ask(0, close(channel));
  if (reply.keyword !== 'RPY') throw new Error(`the channel is not closed: ${reply.payload}`);
  session.forget(channel);
}

/** Answers a Data with ok. */
export function accept(session: RawRelaySession, { channel, msgno }: RawMessage): void {
  session.reply(channel, 'RPY', msgno, OK);
}

/** The code a Data was answered with, 0 for ok. */
export function codeOf({ payload }: RawMessage): number {
  return errorIn(payload)?.code ?? 0;
}
