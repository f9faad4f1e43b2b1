/** Profile URIs of SASL mechanisms (RFC 3080 §4.1) and their alias in the drafts. */

/** RFC 3080 §4.1: followed by the mechanism's name as registered with IANA. */
export const SASL_URI = 'http://iana.org/beep/SASL/';
/** draft-ietf-beep-framework-02; accepted, and offered only when configured. */
export const SASL_DRAFT_URI = 'http://xml.resource.org/profiles/sasl/';

/** The GSSAPI and digest-uri service name of BEEP (RFC 3080 §4.1). */
export const SASL_SERVICE = 'beep';

/** @param draft true for the alias */
export function mechanismUri(name: string, draft = false): string {
  return (draft ? SASL_DRAFT_URI : SASL_URI) + name;
}

/** The mechanism a profile URI names, or `undefined` for another profile. */
export function mechanismOf(uri: string): string | undefined {
  const prefix = [SASL_URI, SASL_DRAFT_URI].find((each) => uri.startsWith(each));
  const name = prefix === undefined ? '' : uri.slice(prefix.length);
  return /^[A-Z0-9_-]{1,20}$/.test(name) ? name : undefined;
}
