/**
 * The gateway to XMPP: how many messages a second go either way, and what each costs the gateway, the XMPP server and the
 * relay in CPU time, beside the floor: the same messages and receipts between two components of the server.
 */
import { ComponentLink } from '../../lib/gateway/xmpp/component.js';
import { childOf, stanza, type XmppElement, xmppElement } from '../../lib/gateway/xmpp/element.js';
import { pause } from '../../lib/transport/backoff.js';
import { atServer, COMPONENT_DOMAIN, COMPONENT_SECRET, prosody, type XmppServer } from '../interop/xmpp-peers.js';
import { missingPackages } from '../support/debian.js';
import { GatewayStage } from '../support/gateway-stage.js';
import { cpuSeconds, median, seconds } from './measure.js';

export interface GatewayResult {
  readonly what: string;
  readonly perSecond: number;
  /** Microseconds of CPU for each message: of the gateway, the XMPP server and the relay. */
  readonly gatewayMicroseconds: number;
  readonly serverMicroseconds: number;
  readonly relayMicroseconds: number;
}

const MESH_DOMAIN = 'xmpp.example';
const PEER_DOMAIN = 'peer.example';
const FLOOR_DOMAIN = 'floor.example';
const FRED = `fred@${COMPONENT_DOMAIN}`;
const RECEIPTS = 'urn:xmpp:receipts';
const NAMESPACE = 'jabber:component:accept';
/** Messages without an answer. */
const OUTSTANDING = 32;
const ROUNDS = 3;
const TEXT = 'Tonight at eight? '.repeat(6);

/** A component that acknowledges what it gets, and counts what it is acknowledged. */
class Acknowledging {
  readonly #link: ComponentLink;
  readonly #waiting = new Map<string, () => void>();

  private constructor(domain: string, port: number) {
    this.#link = new ComponentLink(
      {
        domain,
        host: '127.0.0.1',
        port,
        secret: async () => COMPONENT_SECRET,
        attemptTimeoutMs: 30_000,
        backoff: { firstMs: 100, longestMs: 1000 },
        wait: pause,
      },
      (element) => this.#heard(element),
      () => {},
    );
  }

  static async start(domain: string, port: number): Promise<Acknowledging> {
    const made = new Acknowledging(domain, port);
    await made.#link.start();
    return made;
  }

  /** Sends a message. Resolves with its receipt. */
  async send(from: string, to: string, id: string): Promise<void> {
    const acknowledged = new Promise<void>((resolve) => this.#waiting.set(id, resolve));
    const body = xmppElement('body', NAMESPACE, {}, TEXT);
    await this.#link.send(stanza('message', { from, to, id, type: 'chat' }, body, xmppElement('request', RECEIPTS)));
    await acknowledged;
  }

  async close(): Promise<void> {
    await this.#link.close();
  }

  #heard(element: XmppElement): void {
    const { id = '', from, to, type } = element.attributes;
    if (type === 'error') throw new Error(`the server answered ${JSON.stringify(element)}`);
    const receipt = childOf(element, 'received', RECEIPTS)?.attributes['id'];
    if (receipt !== undefined) {
      this.#waiting.get(receipt)?.();
      this.#waiting.delete(receipt);
    } else if (element.name === 'message')
      void this.#link.send(
        stanza('message', { from: to, to: from, id: `r${id}` }, xmppElement('received', RECEIPTS, { id })),
      );
  }
}

/** @returns nothing where Prosody cannot be installed, which is said */
export async function gateway(count: number, say: (text: string) => void): Promise<readonly GatewayResult[]> {
  say(`  gateway to XMPP: ${ROUNDS} rounds of ${count} messages each way, ${OUTSTANDING} outstanding`);
  const missing = missingPackages(['prosody']);
  if (missing !== undefined) {
    say(`  SKIPPED, nothing was measured with Prosody: ${missing}`);
    return [];
  }
  const stage = await GatewayStage.open({
    domains: [COMPONENT_DOMAIN],
    served: [MESH_DOMAIN],
    users: [FRED],
    secret: COMPONENT_SECRET,
  });
  let server: XmppServer | undefined;
  const closing: (() => Promise<unknown>)[] = [];
  try {
    server = await prosody(await stage.directory('server'), [COMPONENT_DOMAIN, PEER_DOMAIN, FLOOR_DOMAIN]);
    await server.start();
    const running = await stage.gateway('xmpp', MESH_DOMAIN, {
      xmpp: atServer(server),
      domains: [{ mesh: MESH_DOMAIN, xmpp: PEER_DOMAIN }],
    });
    const peer = await Acknowledging.start(PEER_DOMAIN, server.componentPort);
    closing.push(() => peer.close());
    const floor = await Acknowledging.start(FLOOR_DOMAIN, server.componentPort);
    closing.push(() => floor.close());
    const fred = await stage.connect(FRED);
    closing.push(() => fred.close());
    fred.receive(() => {});
    let number = 0;
    const id = (): string => {
      number += 1;
      return `m${number}`;
    };
    const ways: Readonly<Record<string, () => Promise<void>>> = {
      'floor: component to component': () => floor.send(`romeo@${FLOOR_DOMAIN}`, `juliet@${PEER_DOMAIN}`, id()),
      'mesh to XMPP, receipt to ok': () => fred.send({ to: `romeo@${MESH_DOMAIN}`, content: TEXT }),
      'XMPP to mesh, ok to receipt': () => peer.send(`romeo@${PEER_DOMAIN}`, FRED, id()),
    };
    const pids = [running.pid ?? 0, server.pid ?? 0, stage.relay.command.pid ?? 0];
    const used = (): number[] => pids.map(cpuSeconds);
    const rounds = new Map<string, number[][]>(Object.keys(ways).map((what) => [what, []]));
    for (let round = -1; round < ROUNDS; round += 1)
      for (const [what, send] of Object.entries(ways)) {
        const before = used();
        const took = await seconds(() => many(count, send));
        const costs = used().map((now, index) => ((now - (before[index] ?? 0)) / count) * 1_000_000);
        // The first is for the compilers.
        if (round >= 0) rounds.get(what)?.push([count / took, ...costs]);
      }
    return [...rounds].map(([what, values]) => {
      const middle = (column: number): number => median(values.map((row) => row[column] ?? Number.NaN));
      return {
        what,
        perSecond: middle(0),
        gatewayMicroseconds: middle(1),
        serverMicroseconds: middle(2),
        relayMicroseconds: middle(3),
      };
    });
  } finally {
    for (const close of closing.reverse()) await close();
    await stage.close();
    await server?.stop();
  }
}

async function many(count: number, send: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await send();
    }
  };
  await Promise.all(Array.from({ length: OUTSTANDING }, worker));
}
