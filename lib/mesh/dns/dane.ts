/**
 * Finds what proves a relay without an authority (RFC 7673): the TLSA records of its port, where DNSSEC has validated them
 * and all that led to them.
 */
import { TransportError } from '../../errors.js';
import { type DaneProof, isUsable } from '../../transport/tls/dane.js';
import type { Resolver } from './resolver.js';
import type { SrvRecord } from './srv.js';

/**
 * `opportunistic`: a relay that has usable TLSA records is proven by them and by nothing else, any other by an authority;
 * `required`: a relay without such records is not used.
 */
export type DaneMode = 'off' | 'opportunistic' | 'required';

/**
 * What proves the target of a record.
 *
 * @param secure whether the records that led to it are validated; RFC 7673 §3.1
 * @returns undefined where an authority has to prove it
 * @throws TransportError LOOKUP_FAILED when the target cannot be used: its records cannot be had, or are wrong (RFC 7673
 *   §3.3), or are required and not there
 */
export async function daneProofOf(
  { target, port }: Pick<SrvRecord, 'target' | 'port'>,
  secure: boolean,
  mode: DaneMode,
  resolver: Resolver,
): Promise<DaneProof | undefined> {
  if (mode === 'off') return undefined;
  const name = tlsaName(target, port);
  const missing = (why: string): undefined => {
    if (mode === 'required') throw unproven(name, why);
  };
  if (!secure) return missing('the SRV record is not validated by DNSSEC');
  const host = await resolver.host(target);
  if (!host.secure) return missing('the address of the target is not validated by DNSSEC');
  // RFC 7671 §7: where the target is an alias, the records of the name that it leads to come first.
  for (const base of new Set([host.name, target])) {
    const answer = await resolver.tlsa(tlsaName(base, port));
    if (!answer.secure) continue;
    const records = answer.records.filter(isUsable);
    if (records.length > 0) return { name: tlsaName(base, port), hosts: [...new Set([target, base])], records };
    if (answer.records.length > 0) return missing('it has none of the usages 2 (DANE-TA) and 3 (DANE-EE)');
  }
  return missing('there is none that DNSSEC has validated');
}

export function tlsaName(host: string, port: number): string {
  return `_${port}._tcp.${host}`;
}

function unproven(name: string, why: string): TransportError {
  return new TransportError('LOOKUP_FAILED', `TLSA ${name} is required (mesh.dns.dane), and ${why}`);
}
