/** Starts a gateway between the mesh and XMPP on an endpoint: components, peer and gateway, and ends them in order. */
import type { XmppGatewayConfig } from '../../config/gateway.js';
import { readPasswordFile } from '../../config/password-file.js';
import { pause } from '../../transport/backoff.js';
import type { LinkSecurity } from '../cpim-service.js';
import type { Gateway } from '../gateway.js';
import { openGateway } from '../open.js';
import type { ImxpPort } from '../port.js';
import { XmppAddresses } from './addresses.js';
import { ComponentLink } from './component.js';
import { XmppPeer } from './peer.js';

/** The endpoint of the gateway. */
export interface XmppGatewayPort extends ImxpPort {
  attach(address: string): Promise<unknown>;
}

export interface XmppGatewayOptions {
  /** Security of the endpoint's connection to its relay. */
  readonly security: LinkSecurity;
}

/** Time for one attempt to connect to a server on this machine, which may be starting. */
const ATTEMPT_MS = 10_000;
const BACKOFF = { firstMs: 500, longestMs: 30_000 };

/** Security that is needed on the side of the mesh: the relay knows the account. */
const MINIMUM: LinkSecurity = { authenticated: true, confidential: false };

export class XmppGateway {
  readonly #links: readonly ComponentLink[];
  readonly #gateway: Gateway;

  private constructor(links: readonly ComponentLink[], gateway: Gateway) {
    this.#links = links;
    this.#gateway = gateway;
  }

  /**
   * Connects the components first and attaches then, so that nothing arrives for which there is no way on.
   *
   * @throws TransportError CONNECT_FAILED when the XMPP server does not take a component; as `attach` of the port
   */
  static async start(
    config: XmppGatewayConfig,
    port: XmppGatewayPort,
    { security }: XmppGatewayOptions,
  ): Promise<XmppGateway> {
    const { xmpp, domains, sourceRouted, messages } = config;
    const components = xmpp.components.map(({ domain, mesh = domain }) => ({ mesh, xmpp: domain }));
    const addresses = new XmppAddresses({ users: domains, components, sourceRouted });
    const links: ComponentLink[] = [];
    const peer = new XmppPeer(
      {
        addresses,
        linkOf: (domain) => links.find((link) => link.domain === domain),
        gateway: () => gateway,
        wait: pause,
        now: Date.now,
      },
      {
        confirmation: messages.ok,
        confirmationTimeoutMs: messages.timeoutMs,
        stanzaOctets: messages.stanzaOctets,
        outstanding: messages.outstanding,
        outstandingPerUser: messages.outstandingPerUser,
      },
    );
    for (const { domain, secretFile } of xmpp.components) {
      const { host, port: xmppPort } = xmpp;
      links.push(
        new ComponentLink(
          {
            domain,
            host,
            port: xmppPort,
            secret: () => readPasswordFile(secretFile),
            attemptTimeoutMs: ATTEMPT_MS,
            backoff: BACKOFF,
            wait: pause,
          },
          (stanza, link) => peer.received(stanza, link),
          () => {},
        ),
      );
    }
    const gateway = openGateway(port, peer, { security, minimum: MINIMUM });
    const started = new XmppGateway(links, gateway);
    try {
      for (const link of links) await link.start();
      for (const domain of addresses.served) await port.attach(`*@${domain}`);
    } catch (error) {
      await started.close();
      throw error;
    }
    return started;
  }

  /** Stops passing on, and ends the components. The port is its owner's to close. */
  async close(): Promise<void> {
    this.#gateway.close();
    await Promise.all(this.#links.map((link) => link.close()));
  }
}
