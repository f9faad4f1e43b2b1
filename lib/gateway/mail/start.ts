/** Starts a gateway between the mesh and mail on an endpoint: server, client, peer and gateway, and ends them in order. */
import { isThisMachine, type MailGatewayConfig } from '../../config/mail-gateway.js';
import { pause } from '../../transport/backoff.js';
import type { LinkSecurity } from '../cpim-service.js';
import type { Gateway } from '../gateway.js';
import { openGateway } from '../open.js';
import type { ImxpPort } from '../port.js';
import { MailAddresses } from './addresses.js';
import { mailClient } from './client.js';
import { MailPeer } from './peer.js';
import { type RunningServer, startMailServer } from './server.js';

/** The endpoint of the gateway. */
export interface MailGatewayPort extends ImxpPort {
  attach(address: string): Promise<unknown>;
}

export interface MailGatewayOptions {
  /** Security of the endpoint's connection to its relay. */
  readonly security: LinkSecurity;
}

/** Security that is needed on both sides: the relay knows the account, and the mail server is one of those listed. */
const MINIMUM: LinkSecurity = { authenticated: true, confidential: false };

export class MailGateway {
  readonly #gateway: Gateway;
  readonly #server: RunningServer;

  private constructor(gateway: Gateway, server: RunningServer) {
    this.#gateway = gateway;
    this.#server = server;
  }

  /** The port on which mail comes in. */
  get port(): number {
    return this.#server.port;
  }

  /**
   * Attaches first and listens then: mail that is too early would come from nobody that the relay knows.
   *
   * @throws TransportError LISTEN_FAILED; as `attach` of the port
   */
  static async start(
    config: MailGatewayConfig,
    port: MailGatewayPort,
    { security }: MailGatewayOptions,
  ): Promise<MailGateway> {
    const { users, domains, sourceRouted, listen, smtp, messages } = config;
    const hostname = config.hostname ?? users[0]?.mail ?? '';
    const addresses = new MailAddresses({ users, domains, sourceRouted });
    const { ok: confirmation, timeoutMs, octets, outstanding, outstandingPerUser } = messages;
    const peer = new MailPeer({
      addresses,
      hostname,
      security: { authenticated: true, confidential: isThisMachine(listen.host) && isThisMachine(smtp.host) },
      confirmation,
      timeoutMs,
      octets,
      outstanding,
      outstandingPerUser,
      send: await mailClient(smtp, hostname, timeoutMs),
      gateway: () => gateway,
      wait: pause,
      now: Date.now,
    });
    const gateway = openGateway(port, peer, { security, minimum: MINIMUM });
    try {
      for (const domain of addresses.served) await port.attach(`*@${domain}`);
      return new MailGateway(gateway, await startMailServer(config, hostname, peer));
    } catch (error) {
      gateway.close();
      throw error;
    }
  }

  /** Takes no more mail, and ends when what was taken is answered. The port is its owner's to close. */
  async close(): Promise<void> {
    await this.#server.close();
    this.#gateway.close();
  }
}
