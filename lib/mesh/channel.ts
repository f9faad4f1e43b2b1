/** Channel of a BEEP session as the relay sees it: the same channel, with the identity of its peer on the mesh. */

import type { Identity } from '../imxp/identity.js';
import type { Payload } from '../mime/payload.js';
import type { MeshChannel, ReplySink } from '../relay/channel.js';
import type { ChannelHandle } from '../transport/channel.js';
import type { NetworkAddress } from '../transport/network.js';
import { identityOf } from './identity.js';

export class RelayChannel implements MeshChannel {
  readonly #handle: ChannelHandle;

  constructor(handle: ChannelHandle) {
    this.#handle = handle;
  }

  get id(): string {
    return this.#handle.id;
  }

  get session(): string {
    return this.#handle.session;
  }

  get profile(): string {
    return this.#handle.profile;
  }

  get identity(): Identity {
    return identityOf(this.#handle.identity);
  }

  get privacy(): boolean {
    return this.#handle.privacy;
  }

  get remote(): NetworkAddress {
    return this.#handle.remote;
  }

  get initiator(): boolean {
    return this.#handle.initiator;
  }

  get outstanding(): number {
    return this.#handle.outstanding;
  }

  get outstandingOctets(): number {
    return this.#handle.outstandingOctets;
  }

  get open(): boolean {
    return this.#handle.open;
  }

  request(payload: Payload, sink: ReplySink): void {
    this.#handle.request(payload, sink);
  }

  recall(picked: (sink: ReplySink) => boolean): ReplySink[] {
    return this.#handle.recall(picked);
  }

  reply(msgno: number, kind: 'RPY' | 'ERR', payload: Payload): void {
    this.#handle.reply(msgno, kind, payload);
  }

  consume(octets: number): void {
    this.#handle.consume(octets);
  }

  close(code: number, text: string): void {
    this.#handle.close(code, text);
  }

  /** Ends the whole session in order (RFC 3080 §2.4). */
  endSession(text: string): void {
    this.#handle.endSession(text);
  }
}
