/**
 * The mesh of `imxp demo`: two domains with a relay each, with new certificates, accounts and passwords, in a temporary
 * directory. Prints nothing.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateDirectory } from '../../lib/certs/directory.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { Accounts } from '../../lib/store/accounts.js';
import { openStore } from '../../lib/store/open.js';
import { RelayProcess } from './relay-process.js';

export const HERE = 'example.com';
export const THERE = 'rubble.com';
export const FRED = `fred@${HERE}`;
export const BARNEY = `barney@${THERE}`;
/** The account of the relay of example.com at the relay of rubble.com. */
export const MESH = `imxp=mesh@${HERE}`;

export class DemoMesh {
  readonly directory: string;
  readonly #passwords = new Map<string, string>();
  readonly #relays: RelayProcess[] = [];
  readonly #endpoints: Endpoint[] = [];
  /** Starts in progress, which must be awaited before everything is stopped. */
  readonly #pending = new Set<Promise<unknown>>();
  #authority = '';

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(): Promise<DemoMesh> {
    return new DemoMesh(await mkdtemp(join(tmpdir(), 'imxp-demo-')));
  }

  /** Makes a CA, a certificate for each relay, and the accounts with random passwords. */
  prepare(): Promise<void> {
    return this.#track(this.#prepare());
  }

  async #prepare(): Promise<void> {
    const certificates = await CertificateDirectory.open(this.#path('certs'));
    this.#authority = certificates.authorityFile;
    for (const domain of [HERE, THERE]) await certificates.make({ kind: 'relay', domain });
    await this.#accounts(HERE, [FRED]);
    await this.#accounts(THERE, [BARNEY, MESH]);
  }

  /** Starts the relay of rubble.com on a free port. */
  startThere(): Promise<RelayProcess> {
    return this.#track(this.#start(THERE, []));
  }

  /** Starts the relay of example.com, with a route to the other one. */
  async startHere(there: RelayProcess): Promise<RelayProcess> {
    const passwordFile = this.#path('password');
    await writeFile(passwordFile, `${this.#password(MESH)}\n`, { mode: 0o600 });
    const route = { domain: THERE, relays: [there.url], tls: 'require' as const };
    return this.#track(this.#start(HERE, [{ ...route, credentials: { username: MESH, passwordFile } }]));
  }

  /** Attaches as an endpoint, over TLS and with a password. */
  attach(address: string, relay: RelayProcess): Promise<Endpoint> {
    return this.#track(this.#attach(address, relay));
  }

  async #attach(address: string, relay: RelayProcess): Promise<Endpoint> {
    const password = this.#password(address);
    const endpoint = await Endpoint.connect({
      address,
      relay: relay.url,
      password,
      tls: 'require',
      ca: this.#authority,
    });
    this.#endpoints.push(endpoint);
    return endpoint;
  }

  /** Stops everything in order and removes the directory. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#pending);
    await Promise.all(this.#endpoints.map((endpoint) => endpoint.close()));
    await Promise.all(this.#relays.map((relay) => relay.stop()));
    await rm(this.directory, { recursive: true, force: true });
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work);
    const done = (): void => void this.#pending.delete(work);
    work.then(done, done);
    return work;
  }

  #path(name: string): string {
    return join(this.directory, name);
  }

  #password(address: string): string {
    let password = this.#passwords.get(address);
    if (password === undefined) {
      password = randomBytes(16).toString('base64url');
      this.#passwords.set(address, password);
    }
    return password;
  }

  async #accounts(domain: string, addresses: readonly string[]): Promise<void> {
    const path = this.#path(`store-${domain}`);
    await mkdir(path, { mode: 0o700 });
    const store = await openStore({ type: 'lmdb', path });
    try {
      const accounts = new Accounts(store);
      for (const address of addresses) {
        await accounts.add(await makeVerifier(address, this.#password(address), { realms: [domain] }));
      }
    } finally {
      await store.close();
    }
  }

  async #start(domain: string, routes: NonNullable<NodeConfigInput['mesh']>['routes'] & object): Promise<RelayProcess> {
    const config: NodeConfigInput = {
      domains: [domain],
      listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }],
      tls: {
        certificate: `certs/${domain}.crt`,
        key: `certs/${domain}.key`,
        authority: 'certs/ca.crt',
        require: 'always',
      },
      sasl: { mechanisms: ['DIGEST-MD5'] },
      store: { type: 'lmdb', path: `store-${domain}` },
      mesh: { routes, dns: { enabled: false } },
      log: { level: 'debug' },
    };
    const file = this.#path(`${domain}.json`);
    await writeFile(file, JSON.stringify(config, null, 2));
    const relay = await RelayProcess.start(file);
    this.#relays.push(relay);
    return relay;
  }
}
