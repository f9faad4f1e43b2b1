/** Relays of one domain, tried in order until one answers. */
import { ImxpError, LocalError } from '../errors.js';
import type { Connection } from './connection.js';
import type { RecentFailures } from './recent-failures.js';

export interface Alternatives<Relay extends { readonly url: string }> {
  /** Tried in this order, but for those that failed recently. */
  readonly relays: readonly Relay[];
  readonly failures?: RecentFailures | undefined;
  /** Told which relay it was in the end. */
  readonly chosen?: ((relay: Relay) => void) | undefined;
}

/**
 * Dials one relay after the other. A refused password ends it: another relay of the same domain knows the same ones.
 *
 * @throws the error of the last relay that was tried; LocalError ARGUMENT without any
 */
export async function dialAlternatives<Relay extends { readonly url: string }>(
  { relays, failures, chosen }: Alternatives<Relay>,
  dialOne: (relay: Relay, last: boolean) => Promise<Connection>,
): Promise<Connection> {
  const ordered = failures?.sort(relays) ?? relays;
  let reason: ImxpError = new LocalError('ARGUMENT', 'no relay to connect to');
  for (const relay of ordered) {
    try {
      const connection = await dialOne(relay, relay === ordered.at(-1));
      failures?.worked(relay.url);
      chosen?.(relay);
      return connection;
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
      failures?.failed(relay.url);
      reason = error;
      if (error.code === 'SASL_REFUSED' || error.code === 'SASL_NO_MECHANISM') break;
    }
  }
  throw reason;
}
