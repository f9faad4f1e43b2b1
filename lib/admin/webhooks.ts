/**
 * Webhooks of a node: those of its configuration, which a reload may change. What makes requests is loaded with the first,
 * because most nodes have none.
 */
import { readFile } from 'node:fs/promises';
import { describeFileError, readPasswordFile } from '../config/password-file.js';
import { LocalError } from '../errors.js';
import type { Webhook, WebhookContext, WebhookSettings } from './webhook.js';

/** As in the configuration. */
export interface ConfiguredWebhook {
  readonly account: string;
  readonly url: string;
  readonly secret: string;
  readonly authority?: string | undefined;
}

/** A key that cannot be guessed: Standard Webhooks demands so many octets. */
const KEY_OCTETS = 24;

/** Reads the files that webhooks name. @throws LocalError CONFIGURATION */
export function readWebhooks(configured: readonly ConfiguredWebhook[]): Promise<readonly WebhookSettings[]> {
  return Promise.all(configured.map(readWebhook));
}

async function readWebhook({ account, url, secret, authority }: ConfiguredWebhook): Promise<WebhookSettings> {
  const { keyOfSecret } = await import('./webhook-request.js');
  const key = keyOfSecret(await readPasswordFile(secret));
  if (key.length < KEY_OCTETS) {
    const why = `secret of a webhook, ${secret}: shorter than ${KEY_OCTETS} octets; openssl rand -hex 32 makes one`;
    throw new LocalError('CONFIGURATION', why);
  }
  return { account, url, key, authority: authority === undefined ? undefined : await read(authority) };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new LocalError('CONFIGURATION', `authority of a webhook, ${path}: ${describeFileError(cause)}`, { cause });
  }
}

export class Webhooks {
  readonly #context: WebhookContext;
  #webhooks: readonly Webhook[] = [];

  constructor(context: WebhookContext) {
    this.#context = context;
  }

  /** Runs those webhooks from now on; the ones that are not among them end, and the same ones go on. */
  async replace(wanted: readonly WebhookSettings[]): Promise<void> {
    const make = wanted.length === 0 ? undefined : await this.#maker();
    const kept = this.#webhooks.filter(({ settings }) => wanted.some((one) => isSame(one, settings)));
    const ending = this.#webhooks.filter((one) => !kept.includes(one));
    const added = wanted
      .filter((one) => !kept.some(({ settings }) => isSame(one, settings)))
      .flatMap((settings) => make?.(settings) ?? []);
    this.#webhooks = [...kept, ...added];
    await Promise.all(ending.map((one) => one.stop()));
    for (const one of added) one.start();
  }

  async #maker(): Promise<(settings: WebhookSettings) => Webhook> {
    const { Webhook } = await import('./webhook.js');
    return (settings) => new Webhook(settings, this.#context);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#webhooks.map((one) => one.stop()));
  }
}

function isSame(one: WebhookSettings, other: WebhookSettings): boolean {
  return (
    one.account === other.account &&
    one.url === other.url &&
    one.authority === other.authority &&
    one.key.equals(other.key)
  );
}
