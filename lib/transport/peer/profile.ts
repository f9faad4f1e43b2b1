/** BEEP profile as an application writes it, and its adapter to the profiles that a connection serves. */
import type { Proposal, StartEvent } from '../../beep/event.js';
import { ImxpError, LocalError } from '../../errors.js';
import { ChannelHandle, type ErrorCodec } from '../channel.js';
import type { ChannelCondition, ProfileConnection, ServedProfile } from '../profile.js';
import { BEEP_ERRORS, BeepChannel, type ChannelUser, handlerFor, renew, replyFor } from './channel.js';

export interface BeepProfile {
  readonly uri: string;
  /** Further URIs that it answers to and does not offer. */
  readonly aliases?: readonly string[];
  /** What a session must have for the profile to be offered on it: TLS, an authenticated peer, a trusted certificate. */
  readonly needs?: readonly ChannelCondition[];
  /** What a session must not have. */
  readonly forbids?: readonly ChannelCondition[];
  /** Whether it changes the transport: one channel of such a profile may exist at a time (RFC 3080 §2). */
  readonly tuning?: boolean;
  /** How errors are written on its channels; as the `error` element of BEEP unless given. */
  readonly errors?: ErrorCodec;
  /**
   * The peer asks for a channel.
   *
   * @param content the message that came with it, which {@link ChannelUser.content} answers
   * @returns what is done with the channel
   * @throws RefusedError to refuse it, with the code and text of its reply
   */
  start(channel: BeepChannel, content: Buffer | undefined): ChannelUser | Promise<ChannelUser>;
}

export class ApplicationProfile implements ServedProfile {
  readonly uris: readonly string[];
  readonly offered: readonly string[];
  readonly tuning: boolean;
  readonly needs: readonly ChannelCondition[];
  readonly forbids: readonly ChannelCondition[];
  readonly #profile: BeepProfile;

  constructor(profile: BeepProfile) {
    const { uri, aliases = [], needs = [], forbids = [], tuning = false } = profile;
    this.uris = [uri, ...aliases];
    this.offered = [uri];
    this.tuning = tuning;
    this.needs = needs;
    this.forbids = forbids;
    this.#profile = profile;
  }

  start(connection: ProfileConnection, event: StartEvent, proposal: Proposal): void {
    const { errors = BEEP_ERRORS } = this.#profile;
    const handle = new ChannelHandle(connection, event.channel, proposal.uri, errors);
    this.#start(connection, event, proposal, handle).catch((error: unknown) => {
      connection.refuse(event, replyFor(error, connection.id));
    });
  }

  async #start(
    connection: ProfileConnection,
    event: StartEvent,
    { uri, content }: Proposal,
    handle: ChannelHandle,
  ): Promise<void> {
    const channel = new BeepChannel(handle, connection, event.serverName);
    const user = await this.#profile.start(channel, content);
    if (connection.ended) return;
    handle.handler = handlerFor(handle, channel, user);
    const { content: answer, tuned } = user;
    const accept = (): void => {
      connection.accept(event, uri, answer, handle);
      channel.created();
    };
    if (tuned === undefined) return accept();
    const handed = await connection.handOver(1, accept);
    // The start is answered: what goes wrong from here on ends the session.
    try {
      await renew(connection, handed, tuned);
    } catch (error) {
      connection.destroy(
        error instanceof ImxpError ? error : new LocalError('CLOSED', String(error), { cause: error }),
      );
    }
  }
}
