/**
 * Gateway between IMXP and CPIM (RFC 3860, RFC 3859; D-CPIM-01). Both sides are interfaces: an Endpoint on one and any
 * {@link CpimService} on the other. Content passes unread and unchanged. This file dispatches operations; messages and
 * presence have a file each.
 */
import { LocalError, type Reply } from '../errors.js';
import { contentOf } from '../imxp/content.js';
import type { Data } from '../imxp/operation.js';
import { looksLikeStatusResponse, readStatusResponse } from '../imxp/vocabulary/status.js';
import { events } from '../ops/events.js';
import { parseXml, type XmlElement } from '../xml/parse.js';
import { type AddressMapping, type GatewayContext, PLAIN_MAPPING } from './context.js';
import {
  type CpimResponse,
  type CpimService,
  type LinkSecurity,
  type MessageOperation,
  type NotifyOperation,
  responseTo,
  type SubscribeOperation,
} from './cpim-service.js';
import { MessageGateway } from './messages.js';
import type { ImxpPort, PortDelivery } from './port.js';
import { PresenceGateway, type SubscriptionStore } from './presence.js';

export interface GatewayOptions {
  readonly port: ImxpPort;
  readonly peer: CpimService;
  /** Security of the port's connection to its relay. */
  readonly security: LinkSecurity;
  /** Security that both sides must have; default: authenticated (REQ-CPIM-012). */
  readonly minimum?: Partial<LinkSecurity>;
  readonly mapping?: AddressMapping;
  /** Resolves after this time or as soon as the signal is aborted; this layer sets no timers itself. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Time limit for a report or an answer of a presence service. */
  readonly answerTimeoutMs?: number;
  /** Storage for subscriptions; without it they are lost when the process ends. */
  readonly subscriptions?: SubscriptionStore;
}

const ANSWER_TIMEOUT_MS = 60_000;
const NOT_ASKED: Reply = { code: 537, text: 'only the service that was asked may answer' };
const REPORT_SERVICE = /^(?:imxp|apex)=report@/i;
const PRESENCE_SERVICE = /^(?:imxp|apex)=presence@/i;

/**
 * The gateway as seen by its CPIM peer. On the IMXP side it handles what the port delivers.
 *
 * @example
 * const gateway = new Gateway({ port: endpoint, peer, security: { authenticated: true, confidential: true }, wait: pause });
 * await gateway.message({ type: 'message', source: 'im:mr.slate@slate.example', destination: 'im:fred@example.com', … });
 */
export class Gateway implements CpimService {
  readonly security: LinkSecurity;
  readonly #messages: MessageGateway;
  readonly #presence: PresenceGateway;
  readonly #leaving = new AbortController();

  /** @throws LocalError ARGUMENT when a side does not have the required security */
  constructor(options: GatewayOptions) {
    const { port, peer, security, minimum, mapping = PLAIN_MAPPING, now = Date.now, subscriptions } = options;
    const wanted: LinkSecurity = { authenticated: true, confidential: false, ...minimum };
    checkSecurity('the relay', security, wanted);
    checkSecurity('the CPIM peer', peer.security, wanted);
    this.security = security;
    const { signal } = this.#leaving;
    const wait = (ms: number, own: AbortSignal): Promise<void> => options.wait(ms, AbortSignal.any([own, signal]));
    const { answerTimeoutMs = ANSWER_TIMEOUT_MS } = options;
    const context: GatewayContext = { port, peer, mapping, now, wait, answerTimeoutMs };
    this.#messages = new MessageGateway(context);
    this.#presence = new PresenceGateway(context, signal, subscriptions);
    port.receive((delivery) => this.#deliver(delivery), { notifications: true });
  }

  /** Passes a message from CPIM to IMXP (RFC 3860 §3.4.1). */
  async message(operation: MessageOperation): Promise<CpimResponse> {
    if (this.#leaving.signal.aborted) return responseTo(operation, 'failure', 'the gateway is closed');
    return await this.#messages.fromPeer(operation);
  }

  /** Passes a subscription from CPIM to IMXP (RFC 3859 §3.4.1). */
  async subscribe(operation: SubscribeOperation): Promise<CpimResponse> {
    if (this.#leaving.signal.aborted) return responseTo(operation, 'failure', 'the gateway is closed');
    return await this.#presence.fromPeer(operation);
  }

  /** Passes a notification from CPIM to the subscriber in IMXP. */
  notify(operation: NotifyOperation): void {
    try {
      this.#presence.notified(operation);
    } catch (error) {
      // The peer is told nothing about notifications, and one that cannot be passed on must not end it.
      events.fault.publish({ session: 'gateway', error });
    }
  }

  /** Stops the gateway; subscriptions stay in their store. */
  close(): void {
    this.#leaving.abort();
  }

  async #deliver(delivery: PortDelivery): Promise<void> {
    const { originator, recipients, raw } = delivery;
    if (REPORT_SERVICE.test(originator)) {
      const element = elementIn(raw, looksLikeStatusResponse);
      const believed = element === undefined || this.#messages.reported(readStatusResponse(element), originator);
      settle(delivery, believed);
      return;
    }
    if (PRESENCE_SERVICE.test(originator)) {
      const element = elementIn(raw);
      settle(delivery, element === undefined || this.#presence.answered(element, originator));
      return;
    }
    const [service] = recipients.filter((recipient) => PRESENCE_SERVICE.test(recipient));
    if (service !== undefined) await this.#presence.asked(delivery, service, elementIn(raw));
    else await this.#messages.fromPort(delivery);
  }
}

/** RFC 2779 §5.3: what a service says about matters of another domain's service is refused, and reported. */
function settle(delivery: PortDelivery, believed: boolean): void {
  if (believed) {
    delivery.accept();
    return;
  }
  const { originator: subject } = delivery;
  delivery.refuse(NOT_ASKED);
  events.refused.publish({
    session: 'gateway',
    remote: '',
    what: 'service element',
    code: NOT_ASKED.code,
    reason: NOT_ASKED.text,
    subject,
  });
}

function checkSecurity(who: string, { authenticated, confidential }: LinkSecurity, wanted: LinkSecurity): void {
  if ((wanted.authenticated && !authenticated) || (wanted.confidential && !confidential)) {
    const what = wanted.confidential && !confidential ? 'confidential' : 'authenticated';
    throw new LocalError('ARGUMENT', `the connection to ${who} must be ${what}; secure it, or lower "minimum"`);
  }
}

/** The XML element in a message. @throws RemoteProtocolError as parsing does */
function elementIn(data: Data, like: (octets: Buffer) => boolean = () => true): XmlElement | undefined {
  const content = contentOf(data);
  const octets = content.kind === 'inline' ? content.inner : content.kind === 'part' ? content.body : undefined;
  return octets !== undefined && like(octets) ? parseXml(octets) : undefined;
}
