/**
 * Content-IDs and the `cid:` URLs that refer to them (RFC 2392).
 */
import { newToken } from './token.js';

const SCHEME = /^cid:/i;

/** Makes a new, globally unique Content-ID without brackets; `domain` is that of the sender. */
export function newContentId(domain: string): string {
  return `${newToken()}@${domain}`;
}

/** @returns the `cid:` URL of a Content-ID. */
export function cidUrl(id: string): string {
  return `cid:${encodeURIComponent(id).replaceAll('%40', '@')}`;
}

/**
 * @returns the Content-ID a `cid:` URL names, percent-decoded and without a fragment; undefined when it is not a valid
 *   `cid:` URL.
 */
export function idOfCid(url: string): string | undefined {
  if (!SCHEME.test(url)) {
    return undefined;
  }
  const [encoded = ''] = url.slice('cid:'.length).split('#', 1);
  try {
    return encoded === '' ? undefined : decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
