/**
 * Probes: Data that only ask whether they arrive. The recipient's endpoint library answers by itself, as a kernel answers
 * pings; an application of another making gets a message without content.
 */
import type { Data } from './operation.js';

/** Marks a probe; an option that whoever does not know it ignores. */
export const PROBE = 'urn:x-imxp:probe';

/** Whether a Data is a probe. One with content is a message, whatever it is marked as: nothing must get lost. */
export function isProbe({ options, dataContent }: Data): boolean {
  if (options.length === 0 || dataContent === undefined || dataContent.inner.length > 0) return false;
  return options.some(({ external }) => external === PROBE);
}
