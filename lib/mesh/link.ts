/**
 * Link to one neighbour relay: one session with several channels (lanes), dialled when needed and again after a loss,
 * with exponential backoff and jitter.
 *
 * ```
 *   idle ──connect──> connecting ──bound──> ready ──lost, or no lane is open──> backoff ──time──> connecting
 *                          └──failed──> backoff ──long after the loss──> idle
 * ```
 * Every state but idle ends by time: each step of connecting has a limit (dialer, start, bind), a session that does not
 * answer is cut off, and a backoff ends by itself.
 */
import { ImxpError, LocalError, RefusedError, type Reply, TransportError } from '../errors.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { newTransId } from '../imxp/trans-id.js';
import { events } from '../ops/events.js';
import type { LinkFailure } from '../ops/status.js';
import { REFUSED_MS } from '../relay/lanes.js';
import { ask } from '../transport/ask.js';
import { Backoff } from '../transport/backoff.js';
import type { ChannelHandler } from '../transport/channel.js';
import type { Connection, ConnectionOwner } from '../transport/connection.js';
import type { NetworkAddress } from '../transport/network.js';
import { RelayChannel } from './channel.js';
import { LaneWatch, WatchedLane } from './lane-watch.js';
import { meshErrors } from './profile.js';

export interface LinkOptions {
  /** The neighbour, for logs: its domain, or a name for a default route. */
  readonly name: string;
  /** Opens an authenticated session, trying the alternatives in order. RefusedError NO_RELAY: there is no such neighbour. */
  connect(): Promise<Connection>;
  /**
   * The session is lost.
   *
   * @returns whether there is another relay to continue with: Data then wait for it and do not fail
   */
  readonly lost?: () => boolean;
  /** Whether a link that never was up is dialled again by itself, too; otherwise only when it is needed. Default true. */
  readonly insist?: boolean;
  /** Asked when a session is there: those that may be spoken with that relay, the preferred first. */
  dialects(): readonly Dialect[];
  /** The local domains to bind for; the first must be accepted. */
  readonly domains: readonly string[];
  readonly lanes: number;
  /** How long Data may wait while a session is being made; after that they fail at once until it is there. */
  readonly dataWaitMs: number;
  /** Receives what the neighbour sends on a lane. */
  accept(channel: RelayChannel): ChannelHandler;
  /** The neighbour accepted a bind on a lane. */
  bound(channel: RelayChannel, transID: number): void;
  /** The lanes may be used from now on, until {@link LinkOptions.down}. */
  up(lanes: readonly RelayChannel[]): void;
  /** Lanes in all; as many as it begins with unless given. */
  readonly maximumLanes?: number;
  /** What came of {@link Link.openLane}: the lane, or undefined when the neighbour refuses it. */
  opened?(lane: RelayChannel | undefined): void;
  /**
   * Opens a session with a relay that is preferred to that of the present one, and returns what to call when it is
   * used; undefined when there is no such relay. Without it the link stays where it is until it is lost.
   */
  readonly connectPreferred?: () => Promise<{ readonly connection: Connection; taken(): void } | undefined>;
  /** After how long it is asked, more or less by chance; 0 never. */
  readonly returnMs?: number;
  /** Whether anything is under way: the link moves only when nothing is, so that nothing overtakes. */
  readonly busy?: () => boolean;
  /** The likely cause of an error, for the operator. */
  readonly suspect?: (error: ImxpError) => string | undefined;
  /** The link cannot be used; senders are told `obstacle`, or may make it dial again when there is none. */
  down(obstacle: Reply | undefined): void;
}

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 30_000;
/** A link that was up for so long and is lost is dialled again at once, where there are alternatives. */
const STEADY_MS = 1000;
/** A link that was lost is dialled again by itself for this long; after that when it is needed. */
const INTEREST_MS = 300_000;

/** How often, and how many times, a moment without anything under way is looked for. */
const QUIET_MS = 20;
const QUIET_LOOKS = 500;

const UNAVAILABLE: Reply = { code: 450, text: 'relay unavailable' };
const CLOSED: Reply = { code: 421, text: 'this relay is shutting down' };

export class Link implements ConnectionOwner {
  readonly #options: LinkOptions;
  #state: 'idle' | 'connecting' | 'ready' | 'backoff' | 'closed' = 'idle';
  #connection: Connection | undefined;
  readonly #backoff = new Backoff({ firstMs: FIRST_BACKOFF_MS, longestMs: LONGEST_BACKOFF_MS });
  #lanes: readonly RelayChannel[] = [];
  /** Lanes of the present session that were asked for and are not there yet. */
  #opening = 0;
  /** Also of a session that is being left. */
  readonly #watched = new Map<WatchedLane, Connection>();
  readonly #laneWatch = new LaneWatch({
    lanes: () => this.#present,
    full: () => this.#full,
    open: () => this.openLane(),
  });
  #lostAt = 0;
  #readyAt = 0;
  #failure: LinkFailure | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get state(): string {
    return this.#state;
  }

  /** Why it failed or was lost most recently; undefined while it is up. */
  get failure(): LinkFailure | undefined {
    return this.#failure;
  }

  /** Dials now, unless that is done, under way or due soon. */
  connect(): void {
    if (this.#state === 'idle') this.#connect();
  }

  /** Opens one more lane beside the existing ones; {@link LinkOptions.opened} is told the result. */
  openLane(): void {
    const connection = this.#connection;
    this.#openFurther(connection).then(
      (lane) => {
        if (connection === this.#connection) this.#options.opened?.(lane);
      },
      (error: unknown) => {
        const { code, message } = asError(error);
        events.link.publish({ link: this.name, state: 'no further lane', error: code, reason: message });
        if (connection !== this.#connection) return;
        this.#laneWatch.refused(REFUSED_MS);
        this.#options.opened?.(undefined);
      },
    );
  }

  /** The lanes of the session that is in use. */
  get #present(): readonly WatchedLane[] {
    if (this.#state !== 'ready') return [];
    const connection = this.#connection;
    return [...this.#watched].flatMap(([lane, its]) => (its === connection ? [lane] : []));
  }

  async #openFurther(connection: Connection | undefined): Promise<RelayChannel> {
    if (this.#state !== 'ready' || connection === undefined) throw new LocalError('CLOSED', 'the link is not up');
    if (this.#full) throw new LocalError('BUSY', 'the link has as many lanes as it may have');
    this.#opening += 1;
    let lane: RelayChannel;
    try {
      lane = await this.#open(connection, this.#dialectFor(connection));
    } finally {
      if (connection === this.#connection) this.#opening -= 1;
    }
    if (connection !== this.#connection) throw new LocalError('CLOSED', 'the link has another session now');
    this.#lanes = [...this.#lanes.filter(({ open }) => open), lane];
    return lane;
  }

  /** Whether the link has as many lanes as it may have, those that were asked for included. */
  get #full(): boolean {
    const { lanes, maximumLanes = lanes } = this.#options;
    return this.#lanes.filter(({ open }) => open).length + this.#opening >= maximumLanes;
  }

  /** Ends the link in order, within `limitMs` or `closeTimeoutMs`, and keeps it closed. */
  async close(limitMs?: number): Promise<void> {
    clearTimeout(this.#timer);
    this.#state = 'closed';
    this.#options.down(CLOSED);
    await this.#connection?.release('', limitMs);
  }

  ended(connection: Connection, error: ImxpError | undefined): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    if (this.#state !== 'ready') return;
    this.#report('down', error);
    this.#lostAt = performance.now();
    const others = this.#options.lost?.() === true;
    // Once, or two relays that fail in turn would be dialled without a pause.
    if (others && this.#lostAt - this.#readyAt >= STEADY_MS && this.#backoff.attempts === 0) {
      this.#backoff.next();
      this.#options.down(undefined);
      this.#connect();
    } else this.#backOff();
  }

  /** The neighbour has closed a lane. A session without one is left: nothing could be sent on it. */
  #laneClosed(connection: Connection): void {
    if (this.#state !== 'ready' || connection !== this.#connection || connection.ended) return;
    if (this.#lanes.some(({ open }) => open)) return;
    const error = new TransportError('CONNECTION_LOST', 'the neighbour closed all channels of the link');
    this.ended(connection, error);
    void connection.release('no channel of the link is open');
  }

  /** Where the peer of the present session is. */
  get remote(): NetworkAddress | undefined {
    return this.#state === 'ready' ? this.#connection?.remote : undefined;
  }

  /** The session in use or being made ready. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Leaves the present session in order; the next Data makes another. For a link on which nothing is under way. */
  async renew(): Promise<void> {
    const connection = this.#connection;
    if (this.#state !== 'ready' || connection === undefined) return;
    this.#connection = undefined;
    clearTimeout(this.#timer);
    this.#rest();
    await connection.release();
  }

  #connect(): void {
    this.#state = 'connecting';
    if (this.#lostAt === 0) this.#lostAt = performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#late(), this.#options.dataWaitMs);
    this.#timer.unref();
    this.#dial().catch((error: unknown) => this.#failed(asError(error)));
  }

  /** Dialling continues over all alternatives, but nothing waits for it any longer. */
  #late(): void {
    if (this.#state !== 'connecting') return;
    events.link.publish({ link: this.name, state: 'slow', ms: this.#options.dataWaitMs });
    this.#options.down(UNAVAILABLE);
  }

  async #dial(): Promise<void> {
    const connection = await this.#options.connect();
    if (this.#state !== 'connecting') {
      await connection.release();
      return;
    }
    this.#connection = connection;
    connection.owner = this;
    if (connection.ended) throw new TransportError('CONNECTION_LOST', 'the session ended before it was bound');
    try {
      const lanes = await this.#openAll(connection);
      // While the last promise was settled the session may have ended, or a lane closed.
      if (this.#connection !== connection || !usable(connection, lanes)) {
        throw new TransportError('CONNECTION_LOST', 'the session ended as soon as it was bound');
      }
      this.#ready(lanes);
    } catch (error) {
      this.#connection = undefined;
      await connection.release();
      throw error;
    }
  }

  #openAll(connection: Connection): Promise<RelayChannel[]> {
    const dialect = this.#dialectFor(connection);
    return Promise.all(Array.from({ length: this.#options.lanes }, () => this.#open(connection, dialect)));
  }

  /** The first that the relay offers. Some offer nothing before it is asked for: then the first of all is tried. */
  #dialectFor(connection: Connection): Dialect {
    const dialects = this.#options.dialects();
    const offered = connection.peer?.profiles ?? [];
    const dialect = dialects.find(({ profile }) => offered.includes(profile)) ?? dialects[0];
    if (dialect === undefined) throw new LocalError('ARGUMENT', 'no dialect is configured for this relay');
    return dialect;
  }

  /** Opens a lane and binds on it for the local domains. */
  async #open(connection: Connection, dialect: Dialect): Promise<RelayChannel> {
    const { domains, accept, bound } = this.#options;
    const [first = '', ...others] = domains;
    const transID = newTransId();
    const bind = dialect.encodeInitial({ type: 'bind', relay: first, transID, options: [] });
    const made: { lane?: RelayChannel } = {};
    const { content } = await connection.start(
      { profiles: [{ uri: dialect.profile, content: bind }] },
      {
        codec: meshErrors(dialect),
        handler: (handle) => {
          made.lane = new RelayChannel(handle);
          return this.#watch(connection, handle.number, accept(made.lane));
        },
      },
    );
    const { lane } = made;
    if (lane === undefined || content === undefined)
      throw new RefusedError('REFUSED', { code: 501, text: 'no answer to bind' });
    const answer = dialect.decodeInitialReply(content);
    if (answer.type === 'error')
      throw new RefusedError('REFUSED', answer, `bind for ${first}: ${answer.code} ${answer.text}`);
    bound(lane, transID);
    for (const domain of others) await this.#bindFurther(lane, dialect, domain);
    return lane;
  }

  #watch(connection: Connection, number: number, handler: ChannelHandler): ChannelHandler {
    const lane = new WatchedLane(() => connection.channelInfo(number)?.owed ?? 0);
    this.#watched.set(lane, connection);
    return {
      message: (msgno, payload) => {
        this.#laneWatch.received(lane);
        handler.message(msgno, payload);
      },
      closed: () => {
        handler.closed();
        this.#watched.delete(lane);
        this.#laneClosed(connection);
      },
    };
  }

  /** A further local domain may be refused: then its Data is, by the neighbour, and the log says why. */
  async #bindFurther(lane: RelayChannel, dialect: Dialect, domain: string): Promise<void> {
    const { name, bound } = this.#options;
    const transID = newTransId();
    const { payload } = await ask(lane, dialect.encode({ type: 'bind', relay: domain, transID, options: [] }));
    const answer = dialect.decodeReply(payload);
    if (answer.type === 'ok') bound(lane, transID);
    else events.link.publish({ link: name, state: 'bind refused', domain, code: answer.code, reason: answer.text });
  }

  #ready(lanes: readonly RelayChannel[]): void {
    clearTimeout(this.#timer);
    this.#state = 'ready';
    this.#failure = undefined;
    this.#lanes = lanes;
    this.#opening = 0;
    this.#laneWatch.allowed();
    this.#backoff.connected();
    this.#readyAt = performance.now();
    events.link.publish({ link: this.name, state: 'up', lanes: lanes.length, session: this.#connection?.id ?? '' });
    this.#options.up(lanes);
    this.#seekLater();
  }

  /** Relays that lost the same neighbour do not come back to it together. */
  #seekLater(): void {
    const { connectPreferred, returnMs = 0 } = this.#options;
    if (connectPreferred === undefined || returnMs === 0) return;
    this.#timer = setTimeout(() => void this.#seek(), returnMs * (0.5 + Math.random()));
    this.#timer.unref();
  }

  /** Moves to a preferred relay where one answers; what does not work out is tried again later. */
  async #seek(): Promise<void> {
    const present = this.#connection;
    if (this.#state !== 'ready') return;
    let found: Awaited<ReturnType<NonNullable<LinkOptions['connectPreferred']>>>;
    try {
      found = await this.#options.connectPreferred?.();
      if (found !== undefined && (await this.#move(present, found.connection))) {
        found.taken();
        return;
      }
    } catch (error) {
      const { code, message } = asError(error);
      events.link.publish({ link: this.name, state: 'preferred relay failed', error: code, reason: message });
    }
    await found?.connection.release();
    if (this.#state === 'ready' && this.#connection === present) this.#seekLater();
  }

  /** @returns false when it is too late for that, or too much is going on */
  async #move(present: Connection | undefined, connection: Connection): Promise<boolean> {
    const lanes = await this.#openAll(connection);
    for (let looks = 0; looks < QUIET_LOOKS && this.#options.busy?.() === true; looks += 1) {
      await new Promise<void>((resolve) => setTimeout(resolve, QUIET_MS).unref());
    }
    if (this.#state !== 'ready' || this.#connection !== present || !usable(connection, lanes)) return false;
    if (this.#options.busy?.() === true) return false;
    this.#connection = connection;
    connection.owner = this;
    events.link.publish({ link: this.name, state: 'moved', lanes: lanes.length, session: connection.id });
    this.#ready(lanes);
    void present?.release();
    return true;
  }

  #failed(error: ImxpError): void {
    if (this.#state === 'closed') return;
    this.#report('failed', error);
    if (error instanceof RefusedError && error.code === 'NO_RELAY') {
      // There is nothing to return to; the look-up remembers for how long.
      this.#options.down(error.reply);
      this.#rest();
    } else this.#backOff();
  }

  #report(state: 'failed' | 'down', error: ImxpError | undefined): void {
    const suspect = error === undefined ? undefined : this.#options.suspect?.(error);
    const known = suspect === undefined ? {} : { suspect };
    const told = { error: error?.code ?? '', reason: error?.message ?? 'released', ...known };
    this.#failure = { at: new Date().toISOString(), ...told };
    events.link.publish({ link: this.name, state, ...told });
  }

  #backOff(): void {
    clearTimeout(this.#timer);
    this.#state = 'backoff';
    this.#options.down(UNAVAILABLE);
    this.#timer = setTimeout(() => this.#again(), this.#backoff.next());
    this.#timer.unref();
  }

  #again(): void {
    if (this.#state !== 'backoff') return;
    if (this.#readyAt === 0 && this.#options.insist === false) {
      this.#state = 'idle';
      this.#options.down(undefined);
      return;
    }
    if (performance.now() - this.#lostAt < INTEREST_MS) {
      this.#connect();
      return;
    }
    this.#rest();
  }

  #rest(): void {
    this.#state = 'idle';
    this.#backoff.reset();
    this.#lostAt = 0;
    this.#options.down(undefined);
  }
}

/** Whether a session is there, with a channel to send on. */
function usable(connection: Connection, lanes: readonly RelayChannel[]): boolean {
  return !connection.ended && lanes.some(({ open }) => open);
}

function asError(error: unknown): ImxpError {
  return error instanceof ImxpError ? error : new LocalError('CONNECT_FAILED', String(error), { cause: error });
}
