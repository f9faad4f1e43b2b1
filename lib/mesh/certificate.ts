/**
 * Names in a certificate as IMXP reads them: the relay and the endpoints that it proves (core-01 §4.5, D-TLS-02).
 * Pure; the chain must have been verified before.
 */
import { addressOfLiteral } from '../imxp/address.js';
import type { Identity } from '../imxp/identity.js';
import { canonicalAddress } from '../transport/network.js';
import {
  type CertificateNames,
  type CertificateSource,
  certificateNames,
  purposeFault,
  type ServerNaming,
} from '../transport/tls/certificate.js';

const MESH = /^(?:imxp|apex)=mesh@/i;

/** The domain an identity `imxp=mesh@domain` or `apex=mesh@domain` speaks for; the prefix in any case (D-CORE-01). */
function meshDomain(address: string): string | undefined {
  return MESH.test(address) ? address.slice(address.indexOf('@') + 1) : undefined;
}

/**
 * True when the names include the relay of `domain`: rfc822Name or URI `im:` `imxp=mesh@domain`, else a dNSName equal
 * to the domain (D-TLS-02). A domain literal is named by an iPAddress.
 */
export function namesRelay(names: CertificateNames, domain: string): boolean {
  const wanted = domain.toLowerCase();
  const literal = addressOfLiteral(wanted);
  if (literal !== undefined) return names.addresses.includes(canonicalAddress(literal));
  if (names.domains.includes(wanted)) return true;
  return [...names.mailboxes, ...names.instantInboxes].some((address) => meshDomain(address) === wanted);
}

/**
 * The identities a client's certificate proves, a relay's first; empty when it names none that is known here. Pure: the
 * chain must have been verified before, for what `initiatorPurpose` says. Strictness: the certificate makes a relay
 * only when it may be used by a server, which every relay is; one for clients only is a machine in the domain, whatever
 * it is called. It makes an endpoint only when it may be used by a client.
 * @param proof how it was proven, for policy and the log.
 * @throws RemoteProtocolError TLS_FAILED when the certificate is malformed.
 */
export function certificateIdentities(
  source: CertificateSource,
  proof: { readonly mechanism: string; readonly privacy: boolean } = { mechanism: 'EXTERNAL', privacy: true },
): Identity[] {
  const names = certificateNames(source);
  const addresses = [...new Set([...names.mailboxes, ...names.instantInboxes])];
  const meshes = addresses.flatMap((address) => meshDomain(address) ?? []);
  const domains = new Set(purposeFault(source, 'server') === undefined ? [...meshes, ...names.domains] : []);
  const identities: Identity[] = domains.size > 0 ? [{ kind: 'relay', domains: [...domains], proof }] : [];
  if (purposeFault(source, 'client') !== undefined) return identities;
  for (const address of addresses) {
    if (meshDomain(address) === undefined) identities.push({ kind: 'endpoint', address, proof });
  }
  return identities;
}

/** The relay of a domain is its server. */
export const MESH_NAMING: ServerNaming = {
  names: namesRelay,
  namesAny: ({ domains, mailboxes, instantInboxes }) =>
    domains.length > 0 || [...mailboxes, ...instantInboxes].some((address) => meshDomain(address) !== undefined),
};
