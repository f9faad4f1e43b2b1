/**
 * Identity that a relay gives a message it has held (RFC 3342 §3), so that the endpoint recognizes a second delivery:
 * the connection may be lost between the application's `ok` and its arrival at the relay, or the relay may be killed
 * before it has dropped the message. Two messages with the same content have different identities.
 */
import type { Data, Option } from './operation.js';
import { newTransId } from './trans-id.js';

/** Option that carries the identity; peers that do not know it ignore it. */
const HELD = 'urn:x-imxp:held';

const ELEMENT = /^<held id='([\w-]{1,64})' \/>$/;

/** Returns the Data operation as it is delivered; an identity written by the sender is replaced. */
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

/** Returns the identity of a message that a relay has held; undefined for any other. */
export function heldIdOf({ options }: Data): string | undefined {
  if (options.length === 0) return undefined;
  const found = options.find(({ external }) => external === HELD);
  return found === undefined ? undefined : ELEMENT.exec(found.inner.toString('latin1'))?.[1];
}
