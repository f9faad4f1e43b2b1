/**
 * Files of the certificates that are obtained by ACME: the account key, and for each domain its certificate, chain and
 * key in one file, so that they are replaced together. Only their owner can read them.
 */
import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalError } from '../errors.js';
import { createWhole, replaceWhole } from '../ops/whole-file.js';
import type { IssuedCertificate } from './challenge.js';
import { newAcmeKey } from './client.js';

/** A certificate with what is known of its issue. */
export interface StoredCertificate extends IssuedCertificate {
  /** The ACME directory that it was obtained from; undefined for a temporary certificate, which nobody trusts. */
  readonly directory: string | undefined;
  readonly leaf: X509Certificate;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----\n?/g;
const ISSUED = /^Issued through (\S+)$/m;
/** Nothing depends on the validity of a certificate that nobody trusts. */
const TEMPORARY_DAYS = 365;

export class AcmeFiles {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Path of the certificate and key of a domain. */
  fileOf(domain: string): string {
    return join(this.path, `${domain}.pem`);
  }

  /** Returns the key of the account; makes one if there is none. @throws Error of the system */
  async accountKey(): Promise<string> {
    await this.#makeDirectory();
    const path = join(this.path, 'account.key');
    const key = await contentOf(path);
    if (key !== undefined) return key;
    createWhole(path, await newAcmeKey());
    return await readFile(path, 'utf8');
  }

  /**
   * Makes a temporary certificate for each of the domains that has none, so that the node can start and offer TLS before
   * the authority has answered. Peers that verify it refuse it.
   *
   * @throws Error of the system
   */
  async prepare(domains: Iterable<string>): Promise<void> {
    await this.#makeDirectory();
    for (const domain of domains) {
      if ((await contentOf(this.fileOf(domain))) !== undefined) continue;
      // Few relays ever need the code that issues certificates.
      const { issue, makeAuthority, periodOf } = await import('../certs/issue.js');
      const period = periodOf(TEMPORARY_DAYS);
      const authority = await makeAuthority(period);
      const { certificate, key } = await issue(authority, { kind: 'relay', domain }, period);
      createWhole(this.fileOf(domain), `Temporary, until one is issued\n${certificate}${key}`);
    }
  }

  /** @throws Error of the system; LocalError CONFIGURATION if the file contains no certificate and key */
  async read(domain: string): Promise<StoredCertificate> {
    const text = await readFile(this.fileOf(domain), 'utf8');
    const blocks = [...text.matchAll(BLOCK)].map(([block, label = '']) => ({ block, label }));
    const chain = blocks.filter(({ label }) => label === 'CERTIFICATE').map(({ block }) => block.replaceAll('\r', ''));
    const key = blocks.find(({ label }) => label.endsWith('PRIVATE KEY'))?.block;
    const [first] = chain;
    if (first === undefined || key === undefined)
      throw new LocalError(
        'CONFIGURATION',
        `${this.fileOf(domain)} contains no certificate with its key; remove it to obtain a new one`,
      );
    return { certificate: chain.join(''), key, directory: ISSUED.exec(text)?.[1], leaf: new X509Certificate(first) };
  }

  /** Replaces the certificate and key of a domain. @throws Error of the system */
  async write(domain: string, directory: string, { certificate, key }: IssuedCertificate): Promise<void> {
    await replaceWhole(this.fileOf(domain), `Issued through ${directory}\n${certificate.trim()}\n${key}`, 0o600);
    await rm(this.#failureFile(domain), { force: true });
  }

  /** The last failure of an order since a certificate of the domain was issued, with its time. @throws Error of the system */
  async failure(domain: string): Promise<string | undefined> {
    return (await contentOf(this.#failureFile(domain)))?.trim();
  }

  /** Keeps a failure for those who look at the files. @throws Error of the system */
  async fail(domain: string, reason: string): Promise<void> {
    await replaceWhole(this.#failureFile(domain), `${new Date().toISOString()} ${reason}\n`, 0o600);
  }

  #failureFile(domain: string): string {
    return join(this.path, `${domain}.failure`);
  }

  async #makeDirectory(): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
