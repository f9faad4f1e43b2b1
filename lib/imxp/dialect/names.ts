/** Names of services in each dialect (D-APEX-01): what begins with `imxp=` in one begins with `apex=` in the other. */
import type { Data } from '../operation.js';

/** Local parts of services, quoted or not. */
const RESERVED = /^("?)(?:imxp|apex)=/i;

/**
 * Returns a Data operation in which the names of services have the prefix of a dialect.
 *
 * @returns the same operation if they have it already
 */
export function renamed(data: Data, prefix: string): Data {
  const originator = withPrefix(data.originator, prefix);
  let same = originator === data.originator;
  for (const { identity } of data.recipients) {
    same &&= withPrefix(identity, prefix) === identity;
  }
  if (same) return data;
  const recipients = data.recipients.map(({ identity, options }) => {
    return { identity: withPrefix(identity, prefix), options };
  });
  return { ...data, originator, recipients };
}

/** Returns a name with the prefix of a dialect if it is that of a service. */
export function withPrefix(identity: string, prefix: string): string {
  // Most names are not those of services, and one letter tells.
  const first = identity.charCodeAt(0) | 0x20;
  if (first !== 0x69 && first !== 0x61 && first !== 0x22) return identity;
  return identity.replace(RESERVED, `$1${prefix}`);
}
