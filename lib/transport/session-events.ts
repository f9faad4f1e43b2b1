/** Acts on the events of a BEEP session: requests of the peer on channel 0, and messages on the other channels. */
import type { CloseEvent, SessionEvent, StartEvent } from '../beep/event.js';
import { type ImxpError, RefusedError, type Reply } from '../errors.js';
import { events } from '../ops/events.js';
import type { ConnectionPhase } from './connection-phase.js';
import type { NetworkAddress } from './network.js';
import type { OpenChannels } from './open-channels.js';
import type { SessionIo } from './session-io.js';

/** The connection that the session is on. */
interface SessionEventsOwner {
  readonly id: string;
  readonly remote: NetworkAddress;
  /** Ends the session in order; `error` is undefined after a release. */
  end(error: ImxpError | undefined): void;
}

export class SessionEvents {
  readonly #owner: SessionEventsOwner;
  readonly #io: SessionIo;
  readonly #channels: OpenChannels;
  readonly #phase: ConnectionPhase;

  constructor(owner: SessionEventsOwner, io: SessionIo, channels: OpenChannels, phase: ConnectionPhase) {
    this.#owner = owner;
    this.#io = io;
    this.#channels = channels;
    this.#phase = phase;
  }

  handle(event: SessionEvent): void {
    const { session } = this.#io;
    switch (event.type) {
      case 'greeting':
        this.#phase.ready();
        this.#channels.greeted(event.greeting);
        return;
      case 'unavailable':
        this.#unavailable(event.reply);
        return;
      case 'start':
        this.#startRequested(event);
        return;
      case 'close':
        this.#closeRequested(event);
        return;
      case 'closed':
        this.#channels.closed(event.channel);
        if (event.channel === 0) this.#owner.end(undefined);
        return;
      case 'released':
        this.#owner.end(undefined);
        return;
      case 'reply':
        this.#io.paused = this.#channels.tunes(event.channel);
        this.#channels.handle(session, event);
        return;
      case 'started':
        this.#channels.handle(session, event);
        this.#io.paused = this.#channels.tunes(event.channel);
        return;
      default:
        this.#channels.handle(session, event);
    }
  }

  /** Refuses to create the channel that the peer asked for. */
  refuseStart(event: StartEvent, reply: Reply): void {
    this.#io.session.refuseStart(event, reply);
    this.#publishRefusal('start', reply);
    this.#io.touch();
  }

  #unavailable(reply: Reply): void {
    // RFC 3080 §2.4: both sides close and should log it.
    this.#publishRefusal('session', reply);
    const text = `the listener is not available: ${reply.code} ${reply.text}`;
    this.#owner.end(new RefusedError('BEEP_UNAVAILABLE', reply, text));
  }

  #startRequested(event: StartEvent): void {
    const refusal = this.#channels.requested(event);
    if (refusal !== undefined) this.refuseStart(event, refusal);
  }

  #closeRequested({ channel: number, code, text }: CloseEvent): void {
    const refusal = this.#channels.refusal(number, code, text);
    if (refusal !== undefined) {
      this.#io.session.refuseClose(number, refusal);
      this.#io.touch();
      return;
    }
    if (number === 0 && this.#phase.current === 'ready') this.#phase.releaseGranted();
    this.#channels.closeRequested(number);
    this.#io.session.acceptClose(number);
    this.#io.touch();
  }

  #publishRefusal(what: 'session' | 'start', { code, text }: Reply): void {
    const { id, remote } = this.#owner;
    events.refused.publish({ session: id, remote: remote.address, what, code, reason: text });
  }
}
