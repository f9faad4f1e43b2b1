/**
 * Profile of IMXP and APEX on the listener's side: gives each new channel, and the attach or bind that came with its
 * start, to the relay.
 */
import type { Proposal, StartEvent } from '../beep/event.js';
import { ImxpError } from '../errors.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { events } from '../ops/events.js';
import type { MeshChannel, MeshHandler } from '../relay/channel.js';
import { ChannelHandle, type ErrorCodec } from '../transport/channel.js';
import type { ChannelCondition, ProfileConnection, ServedProfile } from '../transport/profile.js';
import { RelayChannel } from './channel.js';

/** Takes the channels that peers open. */
export interface MeshAcceptor {
  accept(channel: MeshChannel): MeshHandler;
  /** Processes piggybacked content; the reply's content. */
  initial(channel: MeshChannel, content: Buffer): string | Promise<string>;
}

export class MeshProfile implements ServedProfile {
  readonly uris: readonly string[];
  readonly offered: readonly string[];
  readonly tuning = false;
  readonly needs: readonly ChannelCondition[];
  readonly forbids: readonly ChannelCondition[] = [];
  readonly #errors: ErrorCodec;
  readonly #acceptor: MeshAcceptor;

  constructor(dialect: Dialect, acceptor: MeshAcceptor, needs: readonly ChannelCondition[] = []) {
    this.uris = [dialect.profile];
    this.offered = this.uris;
    this.needs = needs;
    this.#errors = meshErrors(dialect);
    this.#acceptor = acceptor;
  }

  start(connection: ProfileConnection, event: StartEvent, proposal: Proposal): void {
    // Our own words for it: the peer's would keep the document they came in, as long as the channel lasts.
    const uri = this.uris.find((own) => own === proposal.uri) ?? proposal.uri;
    const handle = new ChannelHandle(connection, event.channel, uri, this.#errors);
    const channel = new RelayChannel(handle);
    handle.handler = this.#acceptor.accept(channel);
    if (proposal.content === undefined || proposal.content.length === 0) {
      connection.accept(event, uri, undefined, handle);
      return;
    }
    const answer = this.#acceptor.initial(channel, proposal.content);
    if (typeof answer === 'string') {
      connection.accept(event, uri, answer, handle);
      return;
    }
    answer.then(
      (content) => connection.accept(event, uri, content, handle),
      (error: unknown) => {
        events.fault.publish({ session: connection.id, error });
        connection.refuse(event, error instanceof ImxpError && error.reply ? error.reply : INTERNAL);
      },
    );
  }
}

const INTERNAL = { code: 451, text: 'local processing error' };

/** Writes errors on channels of a dialect. */
export function meshErrors(dialect: Dialect): ErrorCodec {
  return {
    encodeError: (reply) => dialect.encodeReply({ type: 'error', code: reply.code, text: reply.text, lang: undefined }),
  };
}
