/** Starts a gateway between the mesh and XMPP on an endpoint: components, peer and gateway, and ends them in order. */
import type { XmppGatewayConfig } from '../../config/gateway.js';
import { readPasswordFile } from '../../config/password-file.js';
import { openStore } from '../../store/open.js';
import { pause } from '../../transport/backoff.js';
import type { LinkSecurity } from '../cpim-service.js';
import type { Gateway } from '../gateway.js';
import { openGateway } from '../open.js';
import type { ImxpPort } from '../port.js';
import { XmppAddresses } from './addresses.js';
import { ComponentLink } from './component.js';
import { XmppPeer } from './peer.js';
import { tellVia, XmppPresence } from './presence.js';
import { GatewayState } from './state.js';

/** The endpoint of the gateway. */
export interface XmppGatewayPort extends ImxpPort {
  attach(address: string): Promise<unknown>;
  /** Calls the listener whenever it is attached again after it has lost its relay. */
  on(event: 'connect', listener: () => void): unknown;
}

export interface XmppGatewayOptions {
  /** Security of the endpoint's connection to its relay. */
  readonly security: LinkSecurity;
}

/** Time for one attempt to connect to a server on this machine, which may be starting. */
const ATTEMPT_MS = 30_000;
const BACKOFF = { firstMs: 500, longestMs: 30_000 };

/** Security that is needed on the side of the mesh: the relay knows the account. */
const MINIMUM: LinkSecurity = { authenticated: true, confidential: false };

export class XmppGateway {
  readonly #links: readonly ComponentLink[];
  readonly #gateway: Gateway;
  readonly #presence: XmppPresence;
  readonly #state: GatewayState;
  readonly #leaving: AbortController;

  private constructor(
    links: readonly ComponentLink[],
    gateway: Gateway,
    presence: XmppPresence,
    state: GatewayState,
    leaving: AbortController,
  ) {
    this.#links = links;
    this.#gateway = gateway;
    this.#presence = presence;
    this.#state = state;
    this.#leaving = leaving;
  }

  /**
   * Attaches first and connects the components then: a message of the mesh that is too early is answered 450, to be tried
   * again, while one of XMPP would come from nobody that the relay knows.
   *
   * @throws TransportError CONNECT_FAILED when the XMPP server does not take a component; LocalError STORE_FAILED; as
   *   `attach` of the port
   */
  static async start(
    config: XmppGatewayConfig,
    port: XmppGatewayPort,
    { security }: XmppGatewayOptions,
  ): Promise<XmppGateway> {
    const { xmpp, domains, sourceRouted, messages, presence: presenceConfig } = config;
    const components = xmpp.components.map(({ domain, mesh = domain }) => ({ mesh, xmpp: domain }));
    const addresses = new XmppAddresses({ users: domains, components, sourceRouted });
    const links: ComponentLink[] = [];
    const linkOf = (domain: string) => links.find((link) => link.domain === domain);
    const state = await GatewayState.open(await openStore(config.store));
    const leaving = new AbortController();
    const gateway = (): Gateway => made;
    const context = { addresses, linkOf, gateway, wait: pause, now: Date.now, tell: tellVia(linkOf) };
    const presence = new XmppPresence(context, presenceConfig, leaving.signal, state.xmpp);
    const { ok: confirmation, timeoutMs: confirmationTimeoutMs, ...limits } = messages;
    const peer = new XmppPeer(context, { confirmation, confirmationTimeoutMs, ...limits }, presence);
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
          (online) => (online ? presence.connected(domain) : presence.disconnected(domain)),
        ),
      );
    }
    const { subscriptions } = state;
    const made = openGateway(port, peer, { security, minimum: MINIMUM, subscriptions });
    const started = new XmppGateway(links, made, presence, state, leaving);
    try {
      for (const domain of addresses.served) await port.attach(`*@${domain}`);
      for (const link of links) await link.start();
    } catch (error) {
      await started.close();
      throw error;
    }
    port.on('connect', () => presence.attached());
    presence.attached();
    return started;
  }

  /**
   * Stops passing on: tells those who watch somebody on the other side that they cannot be seen any more, and ends the
   * components. Subscriptions stay. The port is its owner's to close.
   */
  async close(): Promise<void> {
    this.#presence.close(this.#links.map(({ domain }) => domain));
    this.#leaving.abort();
    this.#gateway.close();
    await Promise.all(this.#links.map((link) => link.close()));
    await this.#state.close();
  }
}
