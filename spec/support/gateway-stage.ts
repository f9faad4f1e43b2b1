/**
 * A relay and the gateways beside it as operators run them: processes in a directory of their own, with accounts and
 * secrets.
 */
import { mkdir } from 'node:fs/promises';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { freePort } from './free-port.js';
import { type Command, lonely, type NodeProcess, Workshop } from './node-process.js';
import { within } from './within.js';

/** Of every account. */
export const STAGE_PASSWORD = 'rock';
/** File with the secret of a gateway's components. */
export const SECRET_FILE = 'secret';
const READY_MS = 60_000;
const DELIVERY_MS = 60_000;

export interface GatewayStageOptions {
  /** Domains whose users attach by themselves. */
  readonly domains: readonly string[];
  /** Domains that belong to a gateway each. */
  readonly served: readonly string[];
  /** Further domains, and the served one whose gateway they belong to. */
  readonly more?: Readonly<Record<string, string>>;
  readonly users: readonly string[];
  /** Of the components. */
  readonly secret?: string;
}

/** The account of the gateway that serves a domain. */
export const gatewayAccount = (served: string): string => `imxp=gateway@${served}`;

export class GatewayStage {
  readonly workshop: Workshop;
  readonly relay: NodeProcess;
  /** Of the relay. */
  readonly url: string;

  private constructor(workshop: Workshop, relay: NodeProcess) {
    this.workshop = workshop;
    this.relay = relay;
    this.url = `tcp://127.0.0.1:${relay.port}`;
  }

  /** Starts the relay, with accounts for the users and the gateways. */
  static async open({ domains, served, more = {}, users, secret }: GatewayStageOptions): Promise<GatewayStage> {
    const owners = new Map([...served.map((domain) => [domain, domain] as const), ...Object.entries(more)]);
    const workshop = await Workshop.open();
    const relay = await workshop.node(
      'relay',
      lonely({
        domains: [...domains, ...owners.keys()],
        policy: { gateways: Object.fromEntries([...owners].map(([domain, owner]) => [domain, gatewayAccount(owner)])) },
      }),
      await freePort(),
    );
    for (const address of [...users, ...served.map(gatewayAccount)])
      await workshop.account(relay, address, STAGE_PASSWORD);
    await relay.start();
    await workshop.file('password', `${STAGE_PASSWORD}\n`);
    if (secret !== undefined) await workshop.file(SECRET_FILE, `${secret}\n`);
    return new GatewayStage(workshop, relay);
  }

  /** With the password of every account. */
  get passwordFile(): string {
    return this.workshop.path('password');
  }

  /** Makes a directory. @returns its path */
  async directory(name: string): Promise<string> {
    const path = this.workshop.path(name);
    await mkdir(path);
    return path;
  }

  /**
   * Configures the gateway of a served domain, and starts it.
   *
   * @param config what it has beside `mesh`
   */
  async gateway(kind: 'xmpp' | 'mail', served: string, config: object): Promise<Command> {
    const mesh = { address: gatewayAccount(served), passwordFile: 'password', relay: this.url };
    await this.workshop.file(fileOf(served), JSON.stringify({ mesh, ...config }));
    return await this.startGateway(kind, served);
  }

  /** Starts a gateway that was configured, once more. Resolves when it is ready. */
  async startGateway(kind: 'xmpp' | 'mail', served: string): Promise<Command> {
    const gateway = this.workshop.command(['gateway', kind, '--config', fileOf(served)]);
    await gateway.seen((output) => (output.includes('"ready"') ? true : undefined), 'ready', READY_MS);
    return gateway;
  }

  async connect(address: string): Promise<Endpoint> {
    return await Endpoint.connect({ address, relay: this.url, password: STAGE_PASSWORD, reconnect: true });
  }

  async close(): Promise<void> {
    await this.workshop.close();
  }
}

const fileOf = (served: string): string => `${served}.gateway.json`;

/** Keeps what an endpoint is sent until it is asked for. */
export class Inbox {
  readonly #arrived: Delivery[] = [];
  #tell = (): void => {};

  constructor(endpoint: Endpoint) {
    endpoint.receive((delivery) => {
      this.#arrived.push(delivery);
      this.#tell();
    });
  }

  /** How many messages nobody has asked for yet. */
  get waiting(): number {
    return this.#arrived.length;
  }

  /** The next message. @param said what is shown when none comes */
  async next(said: () => string = () => ''): Promise<Delivery> {
    const next = async (): Promise<Delivery> => {
      for (;;) {
        const delivery = this.#arrived.shift();
        if (delivery !== undefined) return delivery;
        await new Promise<void>((resolve) => {
          this.#tell = resolve;
        });
      }
    };
    return await within(DELIVERY_MS, next(), () => `a message: ${said()}`);
  }
}
