/**
 * Probes: Data operations that only ask whether they arrive. The recipient's endpoint library answers by itself, as a
 * kernel answers pings; other implementations receive a message without content.
 */
import type { Data } from './operation.js';

/** Option that marks a probe; peers that do not know it ignore it. */
export const PROBE = 'urn:x-imxp:probe';

/**
 * Whether a Data operation is a probe. One with content is a message, however it is marked, so that nothing gets lost.
 */
export function isProbe({ options, dataContent }: Data): boolean {
  if (options.length === 0 || dataContent === undefined || dataContent.inner.length > 0) return false;
  return options.some(({ external }) => external === PROBE);
}
