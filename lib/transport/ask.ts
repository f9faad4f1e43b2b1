/** Sends one request on a channel and returns its reply as a promise. The hot path uses sinks instead. */

import { TransportError } from '../errors.js';
import type { Payload } from '../mime/payload.js';
import type { ChannelHandle } from './channel.js';

export interface Answer {
  readonly kind: 'RPY' | 'ERR';
  readonly payload: Buffer;
}

/**
 * Sends a MSG and waits for its reply.
 *
 * @throws TransportError TIMED_OUT, or CONNECTION_LOST when the channel ends first
 */
export function ask(channel: Pick<ChannelHandle, 'request'>, payload: Payload): Promise<Answer> {
  return new Promise((resolve, reject) => {
    channel.request(payload, {
      replied: (kind, answer) => resolve({ kind, payload: answer }),
      failed: (reason) =>
        reject(
          reason === 'timeout'
            ? new TransportError('TIMED_OUT', 'no answer within the time limit')
            : new TransportError('CONNECTION_LOST', 'the channel ended before the answer came'),
        ),
    });
  });
}
