/** Nodes in this process, over real sockets on loopback, with stores in memory; ended together. */
import { parseConfig } from '../../lib/config/parse.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';

export class Nodes {
  #running: Node[] = [];

  /** Starts a node on a free port, with accounts for these addresses and passwords. */
  async start(config: Partial<NodeConfigInput>, accounts: Readonly<Record<string, string>> = {}): Promise<Node> {
    const domains = config.domains ?? ['example.com'];
    const complete = {
      listen: [{ port: 0 }],
      store: { type: 'memory' },
      ...config,
      mesh: { dns: { enabled: false }, ...config.mesh },
      domains,
    };
    const node = await startNode(parseConfig(complete, '/'));
    this.#running.push(node);
    for (const [address, password] of Object.entries(accounts)) {
      await node.accounts.add(await makeVerifier(address, password, { realms: [...domains], scramIterations: 4096 }));
    }
    return node;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((node) => node.stop()));
  }
}

/** The port of a node's first listener. */
export function portOf(node: Node): number {
  return node.listening[0]?.port ?? 0;
}
