/** An XMPP server, a mesh and a clock for the parts of the gateway to XMPP: they answer when they are told to. */
import {
  type CpimResponse,
  type MessageOperation,
  type NotifyOperation,
  responseTo,
  type SubscribeOperation,
} from '../../../lib/gateway/cpim-service.js';
import { LocalPeer } from '../../../lib/gateway/local-peer.js';
import { XmppAddresses } from '../../../lib/gateway/xmpp/addresses.js';
import type { XmppElement } from '../../../lib/gateway/xmpp/element.js';
import type { XmppLink } from '../../../lib/gateway/xmpp/link.js';
import type { XmppContext } from '../../../lib/gateway/xmpp/messages.js';
import { tellVia } from '../../../lib/gateway/xmpp/presence.js';
import type { XmppPresenceOptions } from '../../../lib/gateway/xmpp/subscriptions.js';

export const PRESENCE: XmppPresenceOptions = {
  durationSeconds: 1000,
  answerTimeoutMs: 5000,
  keepMs: 86_400_000,
  retryMs: 300_000,
  pendingMs: 900_000,
  subscriptions: 3,
  subscriptionsPerUser: 2,
};

export class FakeLink implements XmppLink {
  readonly domain = 'example.com';
  readonly sent: XmppElement[] = [];
  controller: AbortController | undefined = new AbortController();
  /** What the server does with a stanza. */
  answer: (stanza: XmppElement) => void = () => {};

  get online(): AbortSignal | undefined {
    return this.controller?.signal;
  }

  async send(one: XmppElement): Promise<void> {
    this.sent.push(one);
    this.answer(one);
  }
}

export class FakeMesh extends LocalPeer {
  readonly taken: MessageOperation[] = [];
  readonly asked: SubscribeOperation[] = [];
  readonly told: NotifyOperation[] = [];
  answer: (operation: MessageOperation) => Promise<CpimResponse> = async (one) => responseTo(one, 'success');
  permit: (operation: SubscribeOperation) => CpimResponse = (one) => responseTo(one, 'success');

  override async message(operation: MessageOperation): Promise<CpimResponse> {
    this.taken.push(operation);
    return await this.answer(operation);
  }

  override async subscribe(operation: SubscribeOperation): Promise<CpimResponse> {
    this.asked.push(operation);
    return this.permit(operation);
  }

  override notify(operation: NotifyOperation): void {
    this.told.push(operation);
  }
}

/** Time that passes when the spec says so. */
export class Clock {
  #now = 1_000_000;
  readonly #alarms = new Set<{ readonly at: number; ring(): void }>();

  readonly now = (): number => this.#now;

  readonly wait = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const alarm = { at: this.#now + ms, ring: () => resolve() };
      if (signal.aborted) return resolve();
      this.#alarms.add(alarm);
      signal.addEventListener('abort', () => {
        this.#alarms.delete(alarm);
        resolve();
      });
    });

  async pass(ms: number): Promise<void> {
    await turn();
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#alarms].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at);
      if (next === undefined) break;
      this.#alarms.delete(next);
      this.#now = next.at;
      next.ring();
      await turn();
    }
    this.#now = end;
  }
}

/** What is ready to happen happens. */
export async function turn(): Promise<void> {
  for (let count = 0; count < 5; count += 1) await new Promise((resolve) => setImmediate(resolve));
}

export interface Fakes {
  readonly link: FakeLink;
  readonly mesh: FakeMesh;
  readonly clock: Clock;
  readonly context: XmppContext;
}

export function fakes(): Fakes {
  const [link, mesh, clock] = [new FakeLink(), new FakeMesh(), new Clock()];
  const addresses = new XmppAddresses({
    users: [{ mesh: 'xmpp.example', xmpp: 'slate.example' }],
    components: [{ mesh: 'example.com', xmpp: 'example.com' }],
  });
  const linkOf = (domain: string) => (domain === link.domain ? link : undefined);
  const { wait, now } = clock;
  return { link, mesh, clock, context: { addresses, linkOf, gateway: () => mesh, wait, now, tell: tellVia(linkOf) } };
}
