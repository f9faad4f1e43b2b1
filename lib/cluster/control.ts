/**
 * Channel on which a node of a cluster says who it is, and over which the center and the nodes tell each other what
 * concerns all of them: a profile of its own, whose messages are JSON.
 */
import * as z from 'zod';
import type { Proposal, StartEvent } from '../beep/event.js';
import { RefusedError, type Reply } from '../errors.js';
import { contiguous, type Payload } from '../mime/payload.js';
import { events } from '../ops/events.js';
import { ChannelHandle, type ChannelHandler, type ErrorCodec } from '../transport/channel.js';
import type { Connection } from '../transport/connection.js';
import type { ChannelCondition, ProfileConnection, ServedProfile } from '../transport/profile.js';
import type { DirectoryChange } from './messages.js';
import { nodeIdentity } from './node-socket.js';

const PROFILE = 'urn:imxp:cluster';
const HEAD = 'Content-Type: application/json\r\n\r\n';

const hello = z.strictObject({
  from: z.string(),
  /** Names the run of the node. */
  incarnation: z.string(),
  /** Of the center that is meant, or that speaks. */
  epoch: z.int(),
  /** Where the other nodes reach it. */
  path: z.string(),
  /** Whether claims are made on the session. */
  claims: z.boolean(),
});

/** How a node says who it is. */
export type Hello = z.output<typeof hello>;

const login = z.strictObject({ address: z.string(), account: z.string().optional(), succeeded: z.boolean() });
const change: z.ZodType<DirectoryChange, DirectoryChange> = z.strictObject({
  placed: z.array(z.tuple([z.string(), z.string().nullable(), z.int()])).optional(),
  bound: z.array(z.tuple([z.string(), z.string().nullable()])).optional(),
  members: z.array(z.strictObject({ name: z.string(), path: z.string() })).optional(),
});

const message = z.discriminatedUnion('type', [
  /** The node has claimed what is attached there, and says which foreign domains are bound there. */
  z.strictObject({ type: z.literal('claimed'), bound: z.array(z.string()).readonly() }),
  z.strictObject({ type: z.literal('bound'), domain: z.string(), here: z.boolean() }),
  z.strictObject({ type: z.literal('login'), note: login }),
  /** All nodes have claimed what is attached there, and this is the directory: the node may claim more from now on. */
  z.strictObject({ type: z.literal('welcome'), directory: change }),
  z.strictObject({ type: z.literal('changed'), change }),
  /**
   * Sent every second.
   *
   * @see goOnMs how long the node may keep its endpoints without a renewed lease, from when it answered the last one
   */
  z.strictObject({ type: z.literal('beat'), goOnMs: z.number() }),
]);

export type ControlMessage = z.output<typeof message>;

/** Answer to a beat. */
const pulse = z.strictObject({
  /** Whether the node takes over the lease of the center not before a lease has passed from now on. */
  pledge: z.boolean(),
});
export type Pulse = z.output<typeof pulse>;

const REFUSED: Reply = { code: 500, text: 'this is no message of a node' };

const errors: ErrorCodec = { encodeError: ({ code, text }) => written({ code, text }) };

export interface ControlUser {
  received(message: ControlMessage): Pulse | undefined;
  closed(): void;
}

export class ControlChannel implements ChannelHandler {
  readonly #handle: ChannelHandle;
  user: ControlUser | undefined;

  constructor(handle: ChannelHandle) {
    this.#handle = handle;
  }

  /** Of the BEEP session. */
  get session(): string {
    return this.#handle.session;
  }

  tell(told: ControlMessage): void {
    if (this.#handle.open) this.#handle.request(written(told), { replied: () => {}, failed: () => {} });
  }

  /** Sends a beat. @param answered called with its answer, if there is one */
  beat(goOnMs: number, answered: (pulse: Pulse) => void): void {
    if (!this.#handle.open) return;
    this.#handle.request(written({ type: 'beat', goOnMs }), {
      replied: (_kind, payload) => {
        const read = pulse.safeParse(parsed(payload));
        if (read.success) answered(read.data);
      },
      failed: () => {},
    });
  }

  message(msgno: number, payload: Payload): void {
    const read = message.safeParse(parsed(contiguous(payload)));
    if (read.success) this.#handle.reply(msgno, 'RPY', written(this.user?.received(read.data) ?? {}));
    else {
      events.fault.publish({ session: this.#handle.id, error: read.error });
      this.#handle.reply(msgno, 'ERR', errors.encodeError(REFUSED));
    }
    this.#handle.consume(contiguous(payload).length);
  }

  closed(): void {
    this.user?.closed();
  }
}

/** Takes the channels that other nodes open. */
export class ControlProfile implements ServedProfile {
  readonly uris = [PROFILE];
  readonly offered = [PROFILE];
  readonly tuning = false;
  readonly needs: readonly ChannelCondition[] = [];
  readonly forbids: readonly ChannelCondition[] = [];
  readonly #domain: string;
  readonly #admit: (hello: Hello, control: ControlChannel) => Reply | undefined;

  /** @param admit told of a node that has connected; returns why it is refused, if it is */
  constructor(domain: string, admit: (hello: Hello, control: ControlChannel) => Reply | undefined) {
    this.#domain = domain;
    this.#admit = admit;
  }

  start(connection: ProfileConnection, event: StartEvent, { content }: Proposal): void {
    const read = hello.safeParse(content === undefined ? undefined : jsonOf(content.toString()));
    if (!read.success) {
      connection.refuse(event, REFUSED);
      return;
    }
    const handle = new ChannelHandle(connection, event.channel, PROFILE, errors);
    const control = new ControlChannel(handle);
    handle.handler = control;
    // Before the node is admitted, because it may be told something at once.
    connection.identity = nodeIdentity(this.#domain, read.data.from);
    const refused = this.#admit(read.data, control);
    if (refused === undefined) connection.accept(event, PROFILE, undefined, handle);
    else connection.refuse(event, refused);
  }
}

/**
 * Says on a new session who this node is.
 *
 * @throws RefusedError | TransportError
 */
export async function introduce(connection: Connection, own: Hello): Promise<ControlChannel> {
  const made: { control?: ControlChannel } = {};
  await connection.start(
    { profiles: [{ uri: PROFILE, content: JSON.stringify(own) }] },
    {
      codec: errors,
      handler: (handle) => {
        made.control = new ControlChannel(handle);
        return made.control;
      },
    },
  );
  if (made.control === undefined) throw new RefusedError('REFUSED', REFUSED);
  return made.control;
}

function written(value: object): Buffer {
  return Buffer.from(HEAD + JSON.stringify(value));
}

function parsed(payload: Buffer): unknown {
  const text = payload.toString();
  return jsonOf(text.slice(text.indexOf('\r\n\r\n') + 4));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
