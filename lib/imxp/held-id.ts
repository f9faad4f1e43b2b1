/**
 * Identity that a relay gives a Data it has held (RFC 3342 §3), so that the endpoint recognises the second delivery of the
 * same Data: the connection may be lost between the application's `ok` and its arrival at the relay, or the relay may die
 * before it has forgotten the Data. Two Data with the same content have different identities.
 */
import type { Data, Option } from './operation.js';
import { newTransId } from './trans-id.js';

/** Carries the identity; an option that whoever does not know it ignores. */
const HELD = 'urn:x-imxp:held';

const ELEMENT = /^<held id='([\w-]{1,64})' \/>$/;

/** The Data as it is delivered: what its sender may have written in the place of the identity is replaced. */
export function withHeldId(data: Data, id: string): Data {
  const option: Option = {
    internal: undefined,
    external: HELD,
    targetHop: 'final',
    seeNoEvil: true,
    transID: newTransId(),
    localize: 'i-default',
    inner: Buffer.from(`<held id='${id}' />`),
  };
  return { ...data, options: [...data.options.filter(({ external }) => external !== HELD), option] };
}

/** The identity of a Data that a relay has held; undefined for any other. */
export function heldIdOf({ options }: Data): string | undefined {
  if (options.length === 0) return undefined;
  const found = options.find(({ external }) => external === HELD);
  return found === undefined ? undefined : ELEMENT.exec(found.inner.toString('latin1'))?.[1];
}
