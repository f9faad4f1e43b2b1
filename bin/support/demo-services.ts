/**
 * Second half of `imxp demo`: the services of a domain, used through the endpoint library as by any program. Returns
 * what happened; prints nothing.
 */
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Feed } from '../../lib/endpoint/presence-feed.js';
import { RefusedError } from '../../lib/errors.js';
import { CommandError, EXIT } from './exit.js';

const SUBJECT = 'Kegeln am Freitag? ボウリング';
const TEXT = 'Wilma kommt auch. Betty bringt Kekse mit — Dino bleibt zu Hause.';
const HOUR_MS = 3_600_000;
const PATIENCE_MS = 10_000;

/** An instant message as it was received. */
export interface Noted {
  readonly subject: string;
  readonly text: string;
  readonly equal: boolean;
}

/** A relay on the path, as reported in the trace. */
export interface Traced {
  readonly relay: string;
  readonly code: number;
  readonly ms: number;
}

export interface Services {
  readonly message: Noted;
  readonly trace: readonly Traced[];
  /** The answers before and after the recipient denied and allowed messages; 250 is `ok`. */
  readonly access: readonly { readonly when: string; readonly code: number; readonly text: string }[];
  readonly presence: {
    /** Whether the publisher was present, as the subscriber in the other domain saw it. */
    readonly seen: readonly boolean[];
    /** The subscriber that the watcher was notified of. */
    readonly watcher: string;
    /** Milliseconds from publishing to the subscriber's notification. */
    readonly ms: number;
  };
}

/** @param fred in one domain, barney in another */
export async function demonstrate(fred: Endpoint, barney: Endpoint): Promise<Services> {
  const [sender = '', recipient = ''] = [fred.addresses[0], barney.addresses[0]];
  const message = await noted(fred, barney, recipient);
  const { reports } = await fred.trace(recipient);
  const trace = reports.map(({ relay, recipients, ms }) => ({ relay, code: recipients[0]?.code ?? 0, ms }));
  const access = await permissions(fred, barney, sender, recipient);
  return { message, trace, access, presence: await presence(fred, barney, sender, recipient) };
}

/** Sends a message/RFC822+XML with a subject, in three scripts. */
async function noted(fred: Endpoint, barney: Endpoint, recipient: string): Promise<Noted> {
  let arrived: { readonly subject: string | undefined; readonly text: string } | undefined;
  barney.receive((delivery: Delivery) => {
    arrived = { subject: delivery.message?.subject, text: delivery.text() };
    delivery.accept();
  });
  await fred.send({ to: recipient, content: { message: { subject: SUBJECT, text: TEXT, lang: 'de' } } });
  const { subject = '', text = '' } = arrived ?? {};
  return { subject, text, equal: subject === SUBJECT && text === TEXT };
}

async function permissions(fred: Endpoint, barney: Endpoint, sender: string, recipient: string) {
  const attempt = async (when: string) => ({ when, ...(await answer(fred, recipient)) });
  const before = await attempt('before');
  await barney.access.deny(sender, ['core:data']);
  const denied = await attempt('denied');
  await barney.access.allow(sender, ['core:data']);
  return [before, denied, await attempt('allowed')];
}

async function answer(fred: Endpoint, to: string): Promise<{ readonly code: number; readonly text: string }> {
  try {
    await fred.send({ to, content: 'Knock, knock.' });
    return { code: 250, text: 'ok' };
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return error.reply;
  }
}

async function presence(
  fred: Endpoint,
  barney: Endpoint,
  sender: string,
  recipient: string,
): Promise<Services['presence']> {
  await barney.access.allow(sender, ['presence:subscribe']);
  const watch = await barney.presence.watch(recipient);
  const feed = await fred.presence.subscribe(recipient);
  try {
    const watcher = await until(
      watch,
      (subscriber) => subscriber === sender,
      'the watcher is notified of the subscriber',
    );
    const present = await until(feed, () => true, 'the present state');
    const begin = performance.now();
    await barney.presence.publish({
      tuples: [{ destination: `im:${recipient}`, availableUntil: new Date(Date.now() + HOUR_MS) }],
    });
    const changed = await until(feed, ({ open }) => open, 'the subscriber sees the change');
    return { seen: [present.open, changed.open], watcher, ms: performance.now() - begin };
  } finally {
    await Promise.all([feed.end(), watch.end()]);
  }
}

/** Waits for the first item that fits. */
async function until<Item>(feed: Feed<Item>, fits: (item: Item) => boolean, what: string): Promise<Item> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new CommandError(EXIT.FAILED, `not within ${PATIENCE_MS} ms: ${what}`)),
      PATIENCE_MS,
    );
  });
  const items = feed[Symbol.asyncIterator]();
  const found = async (): Promise<Item> => {
    for (;;) {
      const { done, value } = await items.next();
      if (done === true) throw new CommandError(EXIT.FAILED, `it ended before ${what}`);
      if (fits(value)) return value;
    }
  };
  try {
    return await Promise.race([found(), late]);
  } finally {
    clearTimeout(timer);
  }
}
