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

/**
 * Marker of a gateway that passes a message out of the mesh, with its own ID of the message: by that it recognises the
 * message when it comes back.
 */
export function passageOf(gateway: string, id: string): string {
  return `${gateway};id=${id}`;
}

/** Whether a message comes back to a gateway, or has passed too many. */
export function isLoop(passed: readonly string[], gateway: string): boolean {
  return passed.length >= PASSED_MOST || passed.some((one) => nameIn(one) === gateway.toLowerCase());
}

/**
 * The IDs of a message at the gateway that it comes back to. The first pass waits for an answer that can depend on the last
 * one, while answers within a channel leave in order (RFC 3080 §2.6.1): it has to be answered before the last one can be.
 */
export function returnedIds(passed: readonly string[], gateway: string): string[] {
  return passed
    .filter((one) => nameIn(one) === gateway.toLowerCase())
    .map((one) => /;id=([0-9a-z]+)$/i.exec(one)?.[1])
    .filter((id) => id !== undefined);
}

function nameIn(one: string): string {
  return one.replace(/;.*$/, '').trim().toLowerCase();
}
