/**
 * Webhook of an account: keeps the account attached, and posts what arrives to its URL. Each message waits for the answer
 * of the target: 2xx accepts it, 4xx refuses it, and anything else is tried again until its time is over.
 */
import { randomUUID } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Limits } from '../config/limits.js';
import type { Delivery } from '../endpoint/delivery.js';
import { ImxpError, type Reply } from '../errors.js';
import { events } from '../ops/events.js';
import { Backoff, pause } from '../transport/backoff.js';
import type { AccountEndpoints, Lease } from './account-endpoints.js';
import { describedDelivery } from './described.js';
import { HttpFault } from './http-fault.js';
import { postWebhook, type WebhookOutcome } from './webhook-request.js';

export interface WebhookSettings {
  readonly account: string;
  readonly url: string;
  /** Key of the signatures. */
  readonly key: Buffer;
  /** PEM of trusted CAs; undefined for Node's bundled list. */
  readonly authority: string | undefined;
}

export interface WebhookContext {
  readonly endpoints: AccountEndpoints;
  readonly limits: Limits['webhook'];
  /** Why an account may not be used at present. */
  readonly obstacle: (account: string) => Promise<string | undefined>;
}

const ATTACHING = { firstMs: 500, longestMs: 30_000 };
const RETRYING = { firstMs: 250, longestMs: 5000 };

const BUSY: Reply = { code: 450, text: "too many messages wait for the recipient's program; try again later" };
const UNREACHED: Reply = { code: 450, text: "the recipient's program could not be reached in time; try again later" };
const UNKNOWN: Reply = { code: 451, text: "the recipient's program did not say whether it took the message" };

export class Webhook {
  readonly settings: WebhookSettings;
  readonly #context: WebhookContext;
  readonly #url: URL;
  readonly #agent: HttpsAgent;
  readonly #ending = new AbortController();
  readonly #waiting: Delivery[] = [];
  readonly #posting = new Set<Promise<void>>();
  #running: Promise<void> = Promise.resolve();
  #failing = false;

  constructor(settings: WebhookSettings, context: WebhookContext) {
    this.settings = settings;
    this.#context = context;
    this.#url = new URL(settings.url);
    const { concurrent } = context.limits;
    const sockets = { keepAlive: true, maxSockets: concurrent, maxFreeSockets: 1 };
    const { authority } = settings;
    this.#agent =
      this.#url.protocol === 'https:'
        ? new HttpsAgent({ ...sockets, ...(authority === undefined ? {} : { ca: authority }) })
        : (new HttpAgent(sockets) as HttpsAgent);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Ends it. What is not answered yet is refused. */
  async stop(): Promise<void> {
    this.#ending.abort();
    for (const delivery of this.#waiting.splice(0)) delivery.refuse(UNREACHED);
    await this.#running;
    await Promise.all(this.#posting);
    this.#agent.destroy();
  }

  /** Attaches, again and again. */
  async #run(): Promise<void> {
    const { signal } = this.#ending;
    const backoff = new Backoff(ATTACHING);
    while (!signal.aborted) {
      try {
        const lease = await this.#attached();
        backoff.connected();
        this.#tell('attached');
        await this.#closed(lease);
        if (!signal.aborted) this.#tell('detached');
        lease.release();
      } catch (error) {
        if (error instanceof ImxpError || error instanceof HttpFault) this.#tell('not attached', error.message);
        else events.fault.publish({ session: 'webhook', error });
      }
      await backoff.wait(signal);
    }
  }

  async #attached(): Promise<Lease> {
    const { account } = this.settings;
    const obstacle = await this.#context.obstacle(account);
    if (obstacle !== undefined) throw new HttpFault(403, obstacle);
    return await this.#context.endpoints.lease(account, (delivery) => this.#take(delivery));
  }

  /** Resolves when the endpoint has closed, or the webhook ends. */
  #closed({ endpoint }: Lease): Promise<void> {
    const { signal } = this.#ending;
    return new Promise((resolve) => {
      endpoint.once('close', () => resolve());
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  #take(delivery: Delivery): void {
    const { concurrent, waiting } = this.#context.limits;
    if (this.#waiting.length >= waiting || this.#ending.signal.aborted) {
      delivery.refuse(BUSY);
      return;
    }
    this.#waiting.push(delivery);
    if (this.#posting.size < concurrent) this.#postNext();
  }

  #postNext(): void {
    const delivery = this.#waiting.shift();
    if (delivery === undefined) return;
    const posting = this.#post(delivery)
      .catch((error: unknown) => {
        // Content that cannot be read is the sender's fault.
        if (error instanceof ImxpError) delivery.refuse({ code: 501, text: error.message });
        else {
          events.fault.publish({ session: 'webhook', error });
          delivery.refuse(UNKNOWN);
        }
      })
      .then(() => {
        this.#posting.delete(posting);
        this.#postNext();
      });
    this.#posting.add(posting);
  }

  /** Posts one message until it is answered, or its time is over. */
  async #post(delivery: Delivery): Promise<void> {
    const { timeoutMs, giveUpMs } = this.#context.limits;
    const { signal } = this.#ending;
    const id = `msg_${randomUUID()}`;
    const body = Buffer.from(JSON.stringify({ id, ...describedDelivery(delivery) }));
    const { key } = this.settings;
    const backoff = new Backoff(RETRYING);
    const end = performance.now() + giveUpMs;
    let certain = true;
    while (delivery.pending) {
      const left = Math.ceil(end - performance.now());
      const common = { url: this.#url, key, id, body, agent: this.#agent, signal };
      const outcome = await postWebhook({ ...common, timeoutMs: Math.max(1, Math.min(timeoutMs, left)) });
      if (outcome.kind !== 'failed') {
        this.#answer(delivery, outcome);
        return;
      }
      certain &&= outcome.certain;
      this.#failed(outcome.reason);
      const wait = Math.max(backoff.next(), outcome.afterMs ?? 0);
      if (signal.aborted || performance.now() + wait >= end) break;
      await pause(wait, signal);
    }
    delivery.refuse(certain ? UNREACHED : UNKNOWN);
  }

  #answer(delivery: Delivery, outcome: Exclude<WebhookOutcome, { readonly kind: 'failed' }>): void {
    if (outcome.kind === 'taken') delivery.accept();
    else delivery.refuse(outcome.reply);
    if (!this.#failing) return;
    this.#failing = false;
    this.#tell('answers again');
  }

  #failed(reason: string): void {
    if (this.#ending.signal.aborted) return;
    this.#failing = true;
    this.#tell('failed', reason);
  }

  #tell(state: string, reason?: string): void {
    const { account } = this.settings;
    // Paths and queries of such URLs are often secrets.
    const target = this.#url.origin;
    events.webhook.publish({ account, target, state, ...(reason === undefined ? {} : { reason }) });
  }
}
