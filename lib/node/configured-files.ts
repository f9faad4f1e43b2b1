/**
 * Checks the files that a configuration names: whether they exist, match each other, and are closed to other users.
 * Returns only the problems, never contents.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readTokens } from '../admin/tokens.js';
import { readWebhooks } from '../admin/webhooks.js';
import { directoryObstacle } from '../config/directory.js';
import { describeFileError, openToOthers, readPasswordFile } from '../config/password-file.js';
import { pemFlaw } from '../config/pem-text.js';
import { parsePostgresUrl } from '../config/postgres-url.js';
import type { Finding, KeyPath } from '../config/problem.js';
import type { NodeConfig, PostgresConfig } from '../config/schema.js';
import { LocalError } from '../errors.js';
import { addressOfLiteral } from '../imxp/address.js';
import { MESH_NAMING } from '../mesh/certificate.js';
import { certificateNames, purposeFault, verifyChain } from '../transport/tls/certificate.js';
import { inspectAcme } from './acme-check.js';

const DAY_MS = 86_400_000;
/** Time enough to renew on a working day. */
const RENEW_WITHIN_DAYS = 14;

/** OpenSSL reads the older labels as well. */
const PEM = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const CERTIFICATE_LABEL = /^(?:X509 |TRUSTED )?CERTIFICATE$/;
const KEY_LABEL = /PRIVATE KEY$/;
const CRL_LABEL = /^X509 CRL$/;

class Inspection {
  readonly findings: Finding[] = [];
  readonly #config: NodeConfig;
  readonly #now: number;

  constructor(config: NodeConfig, now: number) {
    this.#config = config;
    this.#now = now;
  }

  async run(): Promise<readonly Finding[]> {
    await this.#tls();
    this.findings.push(...(await inspectAcme(this.#config, this.#now)));
    const { mesh } = this.#config;
    for (const section of ['routes', 'siblings'] as const) {
      for (const [index, { credentials }] of mesh[section].entries()) {
        const { passwordFile } = credentials ?? {};
        if (passwordFile === undefined) continue;
        await this.#password(['mesh', section, index, 'credentials', 'passwordFile'], passwordFile);
      }
    }
    const { passwordFile } = this.#config.mesh.dns.credentials ?? {};
    if (passwordFile !== undefined) await this.#password(['mesh', 'dns', 'credentials', 'passwordFile'], passwordFile);
    await this.#apiTokens();
    await this.#webhooks();
    await this.store();
    return this.findings;
  }

  async #apiTokens(): Promise<void> {
    const { tokens } = this.#config.admin?.api ?? {};
    if (tokens === undefined) return;
    try {
      await readTokens(tokens);
    } catch (error) {
      if (!(error instanceof LocalError)) throw error;
      this.#error(['admin', 'api', 'tokens'], error.message);
    }
  }

  async #webhooks(): Promise<void> {
    for (const [index, webhook] of this.#config.webhooks.entries()) {
      const at = ['webhooks', index];
      try {
        await readWebhooks([webhook]);
        if (await openToOthers(webhook.secret))
          this.#warn([...at, 'secret'], `${webhook.secret}: other users of this machine can read it; chmod 600`);
      } catch (error) {
        this.#error(at, error instanceof Error ? error.message : String(error));
      }
      if (webhook.authority !== undefined) await this.#certificates([...at, 'authority'], webhook.authority);
    }
  }

  /** Checks only the directory of the store. */
  async store(): Promise<readonly Finding[]> {
    const { store } = this.#config;
    const obstacle = store.type === 'memory' ? undefined : await directoryObstacle(store.path);
    // A full disk is not a fault of the configuration: the relay reports it when it starts, and can be started again.
    if (obstacle?.transient === true) this.#warn(['store', 'path'], obstacle.text);
    else if (obstacle !== undefined) this.#error(['store', 'path'], obstacle.text);
    if (store.type === 'postgres') await this.#database(store);
    return this.findings;
  }

  async #database({ urlFile, tls: { authority, certificate, key } }: PostgresConfig): Promise<void> {
    if (urlFile !== undefined) {
      try {
        const { password } = parsePostgresUrl(await readPasswordFile(urlFile));
        if (password !== undefined && (await openToOthers(urlFile)))
          this.#error(
            ['store', 'urlFile'],
            `${urlFile}: other users of this machine can read this password; chmod 600`,
          );
      } catch (error) {
        this.#error(['store', 'urlFile'], describeFileError(error));
      }
    }
    if (authority !== undefined) await this.#certificates(['store', 'tls', 'authority'], authority);
    if (certificate !== undefined) await this.#certificates(['store', 'tls', 'certificate'], certificate);
    if (key !== undefined) await this.#key(['store', 'tls', 'key'], key);
  }

  #error(keys: KeyPath, message: string): void {
    this.findings.push({ severity: 'error', keys, message });
  }

  #warn(keys: KeyPath, message: string): void {
    this.findings.push({ severity: 'warning', keys, message });
  }

  async #read(keys: KeyPath, path: string): Promise<Buffer | undefined> {
    try {
      return await readFile(path);
    } catch (error) {
      this.#error(keys, `${path}: ${describeFileError(error)}`);
      return undefined;
    }
  }

  async #tls(): Promise<void> {
    const { tls, domains } = this.#config;
    const authorities = tls.authority === undefined ? undefined : await this.#authorities(tls.authority);
    if (tls.revoked !== undefined) await this.#revoked(tls.revoked);
    const single = Object.entries(tls.domains);
    if (tls.certificate !== undefined && tls.key !== undefined) {
      const others = domains.filter((domain) => tls.domains[domain] === undefined);
      await this.#pair(['tls'], tls.certificate, tls.key, others, authorities);
    }
    for (const [domain, { certificate, key }] of single) {
      await this.#pair(['tls', 'domains', domain], certificate, key, [domain], authorities);
    }
    const { legacyDsa } = tls;
    if (legacyDsa !== undefined) {
      await this.#pair(['tls', 'legacyDsa'], legacyDsa.certificate, legacyDsa.key, domains, authorities);
    }
  }

  async #authorities(path: string): Promise<X509Certificate[] | undefined> {
    const keys = ['tls', 'authority'];
    const found = await this.#certificates(keys, path);
    for (const authority of found ?? []) {
      this.#dates(keys, path, authority);
      if (!authority.ca) this.#error(keys, `${path}: ${nameOf(authority)} is not the certificate of an authority`);
    }
    return found;
  }

  async #revoked(path: string): Promise<void> {
    const keys = ['tls', 'revoked'];
    const octets = await this.#read(keys, path);
    // DER begins with a SEQUENCE, 0x30.
    if (octets !== undefined && !octets.includes('-----BEGIN X509 CRL-----') && octets[0] !== 0x30) {
      this.#error(keys, `${path}: contains no revocation list: ${pemFlaw(octets, CRL_LABEL)}`);
    }
  }

  async #certificates(keys: KeyPath, path: string): Promise<X509Certificate[] | undefined> {
    const octets = await this.#read(keys, path);
    if (octets === undefined) return undefined;
    const blocks = octets.toString('latin1').match(PEM);
    if (blocks === null) {
      this.#error(keys, `${path}: contains no certificate in PEM format: ${pemFlaw(octets, CERTIFICATE_LABEL)}`);
      return undefined;
    }
    try {
      const found = blocks.map((block) => new X509Certificate(block));
      // Read as in a handshake, so that an unreadable certificate is found now.
      for (const certificate of found) certificateNames(certificate);
      return found;
    } catch {
      this.#error(keys, `${path}: the certificate cannot be read: ${pemFlaw(octets, CERTIFICATE_LABEL)}`);
      return undefined;
    }
  }

  async #pair(
    keys: KeyPath,
    certificatePath: string,
    keyPath: string,
    domains: readonly string[],
    authorities: readonly X509Certificate[] | undefined,
  ): Promise<void> {
    const at = [...keys, 'certificate'];
    const chain = await this.#certificates(at, certificatePath);
    const key = await this.#key([...keys, 'key'], keyPath);
    const leaf = chain?.[0];
    if (chain === undefined || leaf === undefined) return;
    this.#dates(at, certificatePath, leaf);
    if (key !== undefined && !leaf.checkPrivateKey(key)) {
      const other = chain.findIndex((certificate) => certificate.checkPrivateKey(key));
      const order =
        other < 0 ? '' : `, whose first certificate must be that of this relay; the key is that of number ${other + 1}`;
      this.#error([...keys, 'key'], `${keyPath}: is not the key of ${certificatePath}${order}`);
    }
    for (const domain of domains) this.#covers(at, certificatePath, leaf, domain);
    const purpose = purposeFault(leaf, 'server');
    if (purpose !== undefined) {
      this.#error(at, `${certificatePath}: ${purpose}; a relay's needs serverAuth in its extended key usage`);
    } else if (authorities !== undefined) this.#chain(at, certificatePath, chain, authorities);
  }

  /** Verifies a certificate as other relays will. Problems that depend on the date were reported before. */
  #chain(
    keys: KeyPath,
    path: string,
    [leaf, ...others]: readonly X509Certificate[],
    authorities: readonly X509Certificate[],
  ): void {
    if (leaf === undefined) return;
    const ders = [leaf, ...others].map(({ raw }) => raw);
    const nowMs = Math.min(Math.max(this.#now, Date.parse(leaf.validFrom)), Date.parse(leaf.validTo));
    const found = verifyChain(ders, { authorities, purpose: 'server', nowMs, sha1: this.#config.tls.legacy });
    if (typeof found === 'string') {
      this.#warn(keys, `${path}: ${found}; relays that trust only tls.authority will refuse this node`);
    }
  }

  /** Checks the rule by which relays judge each other (D-TLS-02). */
  #covers(keys: KeyPath, path: string, certificate: X509Certificate, domain: string): void {
    const names = certificateNames(certificate);
    if (!MESH_NAMING.names(names, domain)) {
      const named = certificate.subjectAltName ?? `${nameOf(certificate)} and has no subjectAltName`;
      const loosely =
        certificate.subjectAltName?.includes('*') !== false ? '; wildcards and common names do not count' : '';
      this.#error(keys, `${path}: is not for ${domain}; it names ${named}${loosely}`);
    } else if (!names.domains.includes(domain) && addressOfLiteral(domain) === undefined) {
      this.#warn(keys, `${path}: names imxp=mesh@${domain} but not ${domain}; other implementations may refuse it`);
    }
  }

  #dates(keys: KeyPath, path: string, certificate: X509Certificate): void {
    const from = Date.parse(certificate.validFrom);
    const to = Date.parse(certificate.validTo);
    if (this.#now < from) this.#error(keys, `${path}: is not valid before ${certificate.validFrom}`);
    else if (this.#now > to) this.#error(keys, `${path}: expired on ${certificate.validTo}; renew it`);
    else if (to - this.#now < RENEW_WITHIN_DAYS * DAY_MS) {
      this.#warn(keys, `${path}: expires on ${certificate.validTo}; renew it`);
    }
  }

  async #key(keys: KeyPath, path: string): Promise<KeyObject | undefined> {
    const octets = await this.#read(keys, path);
    if (octets === undefined) return undefined;
    if (await openToOthers(path)) this.#warn(keys, `${path}: other users of this machine can read this key; chmod 600`);
    try {
      return createPrivateKey(octets);
    } catch {
      const why = octets.includes('ENCRYPTED')
        ? 'is protected by a passphrase, which is not supported'
        : `contains no private key: ${pemFlaw(octets, KEY_LABEL)}`;
      this.#error(keys, `${path}: ${why}`);
      return undefined;
    }
  }

  async #password(keys: KeyPath, path: string): Promise<void> {
    try {
      await readPasswordFile(path);
      if (await openToOthers(path))
        this.#warn(keys, `${path}: other users of this machine can read this password; chmod 600`);
    } catch (error) {
      this.#error(keys, error instanceof Error ? error.message : String(error));
    }
  }
}

function nameOf(certificate: X509Certificate): string {
  return certificate.subject.replaceAll('\n', ', ');
}

/** Finds the problems of the files that a configuration names, at a time in milliseconds since 1970. */
export function inspectFiles(config: NodeConfig, now: number = Date.now()): Promise<readonly Finding[]> {
  return new Inspection(config, now).run();
}

/** Finds the problems of the directory of its store. */
export function inspectStore(config: NodeConfig): Promise<readonly Finding[]> {
  return new Inspection(config, Date.now()).store();
}
