/**
 * Marker of gateways that a message has passed, by which a loop of gateways ends. In the mesh it is a field of an instant
 * message, elsewhere a header; each gateway adds its own name.
 */
import type { MessageField } from '../message/field.js';
import type { InstantMessage } from '../message/instant-message.js';

/** Name of the header in other systems. */
export const PASSED = 'X-IMXP-Gateway';
const PASSED_NAMESPACE = 'urn:x-imxp:gateway';
/** More gateways than that are a loop, whoever they are. */
const PASSED_MOST = 16;

/** Gateways that an instant message has passed. */
export function passedIn({ fields }: InstantMessage): string[] {
  return fields
    .filter(({ namespace, name }) => namespace === PASSED_NAMESPACE && name === 'passed')
    .map(({ value }) => value.trim());
}

export function passedField(value: string): MessageField {
  return { namespace: PASSED_NAMESPACE, name: 'passed', value, lang: undefined, seeNoEvil: true };
}

/** Whether a message comes back to a gateway, or has passed too many. */
export function isLoop(passed: readonly string[], gateway: string): boolean {
  return passed.length >= PASSED_MOST || passed.some((name) => name.toLowerCase() === gateway);
}
