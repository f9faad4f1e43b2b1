/**
 * Data operations of one channel whose dialect has them answered before they are processed (RFC 3340 §4.4.4.1). Their
 * results go to reports, if requested, and to the log. Answers do not slow the sender down, so the number of operations
 * in progress is limited here, and octets are given back only after processing.
 */

import type { Reply } from '../errors.js';
import type { Data } from '../imxp/operation.js';
import type { Payload } from '../mime/payload.js';
import type { Traffic } from '../ops/traffic.js';
import type { MeshChannel } from './channel.js';
import type { Context } from './context.js';
import { nonsense } from './delivery-options.js';
import { refused } from './events.js';
import type { GateControl } from './gate.js';
import { examineOptions } from './options.js';
import { crosses, isDirect } from './route.js';
import type { DataOrigin } from './transfer.js';
import type { View } from './view.js';

export class ImmediateReplies implements DataOrigin {
  readonly id: string;
  readonly traffic: Traffic | undefined;
  readonly repliesImmediately = true;
  readonly #channel: MeshChannel;
  readonly #context: Context;
  readonly #gate: GateControl;
  /** At this number the channel is no longer read, until half of the operations have finished. */
  readonly #most: number;
  #unfinished = 0;
  #open: (() => void) | undefined;

  constructor(channel: MeshChannel, context: Context, gate: GateControl) {
    this.id = channel.id;
    this.traffic = context.traffic;
    this.#channel = channel;
    this.#context = context;
    this.#gate = gate;
    // One sender alone must not use up what all senders may have outstanding at a target.
    this.#most = Math.max(1, context.limits.outstanding >> 1);
  }

  /** RFC 3340 §4.4.4.1 step 2: returns the refusal for the only options whose failure the sender is told at once. */
  refusal(data: Data, view: View): Reply | undefined {
    const { options, recipients } = data;
    if (options.length === 0) return undefined;
    const direct = recipients.every(({ identity }) => isDirect(identity, view));
    return (
      examineOptions(options, 'data', direct, view.options, crosses(data, view)) ?? nonsense(options, view.options)
    );
  }

  /** Counts a Data operation that was answered `ok`. */
  began(): void {
    this.#context.began();
    this.#unfinished += 1;
    if (this.#unfinished < this.#most || this.#open !== undefined) return;
    this.#gate.shutUntil(
      new Promise((resolve) => {
        this.#open = resolve;
      }),
    );
  }

  encode(data: Data, profile: string): Payload {
    return this.#context.encode(data, profile);
  }

  settled(_msgno: number, octets: number, data: Data, reply: Reply | undefined): void {
    if (reply !== undefined) refused(this.#channel, 'data after ok', data.originator, reply, reply.text);
    this.#channel.consume(octets);
    this.#context.ended();
    this.#unfinished -= 1;
    if (this.#open === undefined || this.#unfinished > this.#most >> 1) return;
    const open = this.#open;
    this.#open = undefined;
    open();
  }
}
