/** Nodes of a cluster over a PostgreSQL server, in this process or in processes of their own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../lib/config/parse.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { EndpointOptions } from '../../lib/endpoint/options.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { TestAuthority } from './certificates.js';
import { freePort } from './free-port.js';

export const PASSWORD = 'yabba';
export const LEASE_MS = 5000;

type ClusterInput = NonNullable<NodeConfigInput['cluster']>;
export interface MoreConfig extends Partial<Omit<NodeConfigInput, 'cluster'>> {
  readonly cluster?: Partial<ClusterInput>;
}

export class ClusterFixture {
  readonly directory: string;
  readonly #url: string;
  readonly #endpoints: Endpoint[] = [];
  readonly #nodes = new Set<Node>();

  private constructor(directory: string, url: string) {
    this.directory = directory;
    this.#url = url;
  }

  /** @param url of the database */
  static async open(url: string): Promise<ClusterFixture> {
    const directory = await mkdtemp(join(tmpdir(), 'imxp-cluster-'));
    const authority = new TestAuthority();
    const { certificate, key } = authority.issue({ domains: ['example.com'] });
    await writeFile(join(directory, 'node.crt'), certificate);
    await writeFile(join(directory, 'node.key'), key, { mode: 0o600 });
    await writeFile(join(directory, 'ca.crt'), authority.certificate);
    return new ClusterFixture(directory, url);
  }

  /** Writes the URL of the database by a proxy to a file of a node. @returns path of the file */
  async databaseUrl(node: string, port: number): Promise<string> {
    const path = join(this.directory, `${node}.url`);
    await writeFile(path, `postgres://imxp@127.0.0.1:${port}/postgres`, { mode: 0o600 });
    return path;
  }

  /**
   * Configuration of a node.
   *
   * @param database URL by which this node reaches the database, or path of a file with it
   */
  async config(name: string, more: MoreConfig = {}, database = this.#url): Promise<object> {
    const files = { certificate: 'node.crt', key: 'node.key', authority: 'ca.crt' };
    const limits = { connectTimeoutMs: 1000, queryTimeoutMs: 2000 };
    return {
      domains: ['example.com'],
      listen: [{ port: await freePort() }],
      sasl: { mechanisms: ['DIGEST-MD5'] },
      store: {
        type: 'postgres',
        ...(database.startsWith('/') ? { urlFile: database } : { url: database }),
        path: `var-${name}`,
        schema: 'mesh',
        ...limits,
      },
      mesh: { dns: { enabled: false } },
      admin: { port: 0 },
      ...more,
      cluster: { node: name, port: await freePort(), ...files, leaseMs: LEASE_MS, ...more.cluster },
    };
  }

  /** Starts a node in this process. */
  async start(name: string, more: MoreConfig = {}, database = this.#url): Promise<Node> {
    const node = await startNode(parseConfig(await this.config(name, more, database), this.directory));
    this.#nodes.add(node);
    return node;
  }

  async stop(node: Node): Promise<void> {
    this.#nodes.delete(node);
    await node.stop();
  }

  async accounts(node: Node, addresses: readonly string[]): Promise<void> {
    for (const address of addresses) {
      await node.accounts.add(await makeVerifier(address, PASSWORD, { realms: ['example.com'] }));
    }
  }

  async attach(address: string, node: Node, more: Partial<EndpointOptions> = {}): Promise<Endpoint> {
    return await this.attachAt(address, `tcp://127.0.0.1:${node.listening[0]?.port ?? 0}`, more);
  }

  async attachAt(address: string, relay: string, more: Partial<EndpointOptions> = {}): Promise<Endpoint> {
    const endpoint = await Endpoint.connect({ address, relay, password: PASSWORD, ...more });
    this.#endpoints.push(endpoint);
    return endpoint;
  }

  async detachAll(): Promise<void> {
    await Promise.all(this.#endpoints.splice(0).map((endpoint) => endpoint.close()));
  }

  async close(): Promise<void> {
    await this.detachAll();
    for (const node of [...this.#nodes]) await this.stop(node);
    await rm(this.directory, { recursive: true, force: true });
  }
}
