/** Channel binding data of a TLS session, by type (RFC 5929, RFC 9266). */
import type { SecuredStream } from './secured-stream.js';

/**
 * `tls-exporter` where the session is TLS 1.3; in earlier versions it is not unique without extended master secret, and
 * is left out.
 */
export function channelBindings(security: SecuredStream): ReadonlyMap<string, Buffer> {
  const bindings = new Map<string, Buffer>();
  if (security.protocol === 'TLSv1.3' && security.exporter !== undefined) {
    // RFC 9266 §4: this label, no context, 32 octets.
    bindings.set('tls-exporter', security.exporter('EXPORTER-Channel-Binding', 32));
  }
  return bindings;
}
