/**
 * Two real nodes in this process, over real sockets on the loopback interface: example.com, which has a route to the
 * other, and rubble.com. The stores are temporary, the passwords are invented. With IMXP_WORKERS=2 example.com has two
 * workers: the specs that use these nodes hold there as well.
 */
import { parseConfig } from '../../lib/config/parse.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { EndpointOptions } from '../../lib/endpoint/options.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { TestAuthority } from './certificates.js';
import type { SomeLimits } from './limits.js';
import { temporaryFile } from './temporary-file.js';

const ACCOUNTS: Readonly<Record<string, readonly string[]>> = {
  'example.com': ['fred@example.com', 'wilma@example.com'],
  'rubble.com': ['barney@rubble.com', 'betty@rubble.com', 'imxp=mesh@example.com'],
};

/** An endpoint's, which its subaddresses log in with, too. */
export const passwordOf = (address: string): string => `rock ${address.replace(/\/[^@]*/, '')}`;

export interface LocalMeshOptions {
  readonly limits?: SomeLimits;
  /** Relays and endpoints use TLS. */
  readonly tls?: boolean;
  /** How they come to the relays, and these to each other; `tcp` unless given. `wss` wants `tls`. */
  readonly transport?: 'tcp' | 'ws' | 'wss';
  /** Spoken between the two; what they agree on unless given. */
  readonly dialect?: 'imxp' | 'apex';
  /** Path of the chat page at both nodes; needs `ws` or `wss`. None unless given. */
  readonly page?: string;
  /** What is different in the configuration of both nodes. */
  readonly config?: Partial<NodeConfigInput>;
}

export class LocalMesh {
  readonly #options: LocalMeshOptions;
  readonly #nodes = new Map<string, Node>();
  readonly #ports = new Map<string, number>();
  readonly #stores = new Map<string, string>();
  readonly #endpoints: Endpoint[] = [];
  #authority: TestAuthority | undefined;

  private constructor(options: LocalMeshOptions) {
    this.#options = options;
  }

  /** The authority of all certificates. Its key takes a while, so it is made only where it is needed. */
  get authority(): TestAuthority {
    this.#authority ??= new TestAuthority();
    return this.#authority;
  }

  static async start(options: LocalMeshOptions = {}): Promise<LocalMesh> {
    const mesh = new LocalMesh(options);
    await mesh.startNode('rubble.com');
    await mesh.startNode('example.com');
    return mesh;
  }

  /** Starts a node, on the port it had before. */
  async startNode(domain: string): Promise<Node> {
    const node = await startNode(parseConfig(await this.#config(domain), '/'));
    for (const address of ACCOUNTS[domain] ?? []) {
      await node.accounts.add(await makeVerifier(address, passwordOf(address), { realms: [domain] }));
    }
    this.#nodes.set(domain, node);
    this.#ports.set(domain, node.listening[0]?.port ?? 0);
    return node;
  }

  async stopNode(domain: string): Promise<void> {
    await this.#nodes.get(domain)?.stop();
    this.#nodes.delete(domain);
  }

  /** A further account, which has to log in with {@link passwordOf}. */
  async account(address: string): Promise<void> {
    const domain = address.slice(address.lastIndexOf('@') + 1);
    const verifier = await makeVerifier(address, passwordOf(address), { realms: [domain] });
    await this.#nodes.get(domain)?.accounts.add(verifier);
  }

  url(domain: string): string {
    return `${this.#options.transport ?? 'tcp'}://127.0.0.1:${this.#ports.get(domain) ?? 0}`;
  }

  options(address: string, more: Partial<EndpointOptions> = {}): EndpointOptions {
    return {
      address,
      relay: this.url(address.slice(address.lastIndexOf('@') + 1)),
      password: passwordOf(address),
      ...(this.#options.tls === true ? { ca: this.authority.certificate } : {}),
      ...more,
    };
  }

  async attach(address: string, more: Partial<EndpointOptions> = {}): Promise<Endpoint> {
    const endpoint = await Endpoint.connect(this.options(address, more));
    this.#endpoints.push(endpoint);
    return endpoint;
  }

  /** Closes what was attached here. */
  async leave(): Promise<void> {
    await Promise.all(this.#endpoints.splice(0).map((endpoint) => endpoint.close()));
  }

  async close(): Promise<void> {
    await this.leave();
    await Promise.all([...this.#nodes.keys()].map((domain) => this.stopNode(domain)));
  }

  async #config(domain: string): Promise<NodeConfigInput> {
    const { dialect } = this.#options;
    const tls = this.#options.tls === true;
    const password = await temporaryFile(`${passwordOf('imxp=mesh@example.com')}\n`);
    const route = {
      domain: 'rubble.com',
      relays: [this.url('rubble.com')],
      tls: tls ? ('require' as const) : ('off' as const),
      credentials: { username: `${dialect ?? 'imxp'}=mesh@example.com`, passwordFile: password },
      ...(dialect === undefined ? {} : { dialect }),
    };
    return {
      domains: [domain],
      listen: [
        {
          transport: this.#options.transport ?? 'tcp',
          host: '127.0.0.1',
          port: this.#ports.get(domain) ?? 0,
          ...(this.#options.page === undefined ? {} : { web: { path: this.#options.page } }),
        },
      ],
      sasl: { mechanisms: ['DIGEST-MD5'] },
      store: { type: 'lmdb', path: await this.#store(domain) },
      mesh: { routes: domain === 'example.com' ? [route] : [], dns: { enabled: false } },
      limits: this.#options.limits ?? {},
      workers: domain === 'example.com' ? Number(process.env['IMXP_WORKERS'] ?? 1) : 1,
      ...(tls ? { tls: await this.#tls(domain) } : {}),
      ...this.#options.config,
    };
  }

  /** Accounts survive a restart: who comes back before they were made again would be refused for good. */
  async #store(domain: string): Promise<string> {
    const path = this.#stores.get(domain) ?? `${await temporaryFile('')}.store`;
    this.#stores.set(domain, path);
    return path;
  }

  async #tls(domain: string): Promise<NonNullable<NodeConfigInput['tls']>> {
    const { certificate, key } = this.authority.issue({ domains: [domain], mailboxes: [`imxp=mesh@${domain}`] });
    return {
      certificate: await temporaryFile(certificate),
      key: await temporaryFile(key),
      authority: await temporaryFile(this.authority.certificate),
      require: 'always',
    };
  }
}
