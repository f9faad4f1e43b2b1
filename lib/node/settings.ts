/** What the parts of a node are told of its configuration, each in the terms of the part. */
import { readFile } from 'node:fs/promises';
import { AcmeFiles } from '../acme/files.js';
import { acmeNames, acmePath } from '../config/acme.js';
import { describeFileError } from '../config/password-file.js';
import type { NodeConfig } from '../config/schema.js';
import { LocalError } from '../errors.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { dialectNamed } from '../imxp/dialect/named.js';
import { SUBSCRIBER_PROOF } from '../imxp/subscriber-proof.js';
import { MESH_NAMING } from '../mesh/certificate.js';
import { bindCheck, type DnsBindCheck } from '../mesh/dns/bind-check.js';
import type { Resolver } from '../mesh/dns/resolver.js';
import type { RelayLimits } from '../relay/context.js';
import { type OwnRates, Rates } from '../relay/rates.js';
import { registeredOptions } from '../relay/registered.js';
import type { TlsMaterial } from '../transport/tls/native.js';
import { RevocationList } from '../transport/tls/revocation.js';
import type { TlsServiceOptions } from '../transport/tls/service.js';

export function policyOf(config: NodeConfig) {
  const { policy, tls, mesh } = config;
  return {
    requireTls: tls.require,
    attach: policy.attach,
    originators: policy.originators,
    relays: policy.relays,
    trusted: mesh.trusted,
    services: policy.services,
    gateways: policy.gateways,
    anonymous: policy.anonymous,
    delivery: policy.delivery,
  };
}

/** Returns how the relay treats options. */
export function optionSettingsOf({ policy }: NodeConfig) {
  const { hopLimit, hold4Endpoint } = policy;
  const understood = registeredOptions(policy);
  // D-PRES-21: the presence service of the node passes it on.
  understood.add(SUBSCRIBER_PROOF, ['data']);
  return { understood, hopLimit, timedHoldsOnly: hold4Endpoint === 'timed' };
}

/** The dialects that the node speaks, the preferred one first. */
export function dialectsOf({ compatibility, limits }: NodeConfig): readonly Dialect[] {
  const { xml, data } = limits;
  return compatibility.dialects.map((name) => dialectNamed(name, { ...xml, recipients: data.recipients }));
}

export function bindCheckOf({ policy }: NodeConfig, resolver: Resolver): DnsBindCheck {
  const { bindCheck: mode, bindCheckAuthenticated: authenticated } = policy;
  return bindCheck({ mode, authenticated, resolver });
}

export function relayLimitsOf({ limits }: NodeConfig): RelayLimits {
  return { ...limits.data, attachmentsPerSession: limits.attachment.perSession };
}

export function ratesOf({ limits: { rate, anonymous } }: NodeConfig, own: (account: string) => OwnRates): Rates {
  const everybody = {
    data: { perSecond: rate.dataPerSecond, burst: rate.dataBurst },
    relayData: { perSecond: rate.relayDataPerSecond, burst: rate.relayDataBurst },
    octets: { perSecond: rate.dataOctetsPerSecond, burst: rate.dataOctetsBurst },
    attach: { perSecond: rate.attachPerSecond, burst: rate.attachBurst },
    anonymousData: { perSecond: anonymous.dataPerSecond, burst: anonymous.dataBurst },
    anonymousOctets: { perSecond: anonymous.dataOctetsPerSecond, burst: anonymous.dataOctetsBurst },
  };
  return new Rates(everybody, own);
}

/** Certificates and keys obtained by ACME, by server name. */
async function obtained(config: NodeConfig): Promise<ReadonlyMap<string, TlsMaterial>> {
  const found = new Map<string, TlsMaterial>();
  const path = acmePath(config);
  if (config.tls.acme === undefined || path === undefined) return found;
  const files = new AcmeFiles(path);
  for (const [domain, names] of acmeNames(config)) {
    const { certificate, key } = await files.read(domain);
    for (const name of names) found.set(name, { certificate: Buffer.from(certificate), key: Buffer.from(key) });
  }
  return found;
}

/**
 * Prepares the files of certificates that will be obtained by ACME.
 *
 * @throws LocalError CONFIGURATION when they cannot be written
 */
export async function prepareAcme(config: NodeConfig): Promise<void> {
  const path = acmePath(config);
  if (config.tls.acme === undefined || path === undefined) return;
  try {
    await new AcmeFiles(path).prepare(acmeNames(config).keys());
  } catch (cause) {
    throw new LocalError('CONFIGURATION', `${path}: cannot be written: ${describeFileError(cause)}`, { cause });
  }
}

export async function tlsOptions(config: NodeConfig): Promise<TlsServiceOptions> {
  const { certificate, key, authority, revoked, domains, legacyDsa } = config.tls;
  const ca = authority === undefined ? undefined : await readFile(authority);
  const material = async (certificatePath?: string, keyPath?: string): Promise<TlsMaterial> => ({
    ...(certificatePath === undefined ? {} : { certificate: await readFile(certificatePath) }),
    ...(keyPath === undefined ? {} : { key: await readFile(keyPath) }),
    ...(ca === undefined ? {} : { authority: ca }),
  });
  const single = new Map<string, TlsMaterial>();
  for (const [name, pair] of await obtained(config))
    single.set(name, ca === undefined ? pair : { ...pair, authority: ca });
  for (const [domain, pair] of Object.entries(domains)) {
    single.set(domain, await material(pair.certificate, pair.key));
  }
  return {
    common: await material(certificate, key),
    domains: single,
    revocations: revoked === undefined ? [] : RevocationList.read(await readFile(revoked)),
    timeoutMs: config.limits.session.tuningTimeoutMs,
    legacy: config.tls.legacy,
    ...(legacyDsa === undefined ? {} : { dss: await material(legacyDsa.certificate, legacyDsa.key) }),
    naming: MESH_NAMING,
  };
}
