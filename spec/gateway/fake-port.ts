/**
 * The IMXP side of a gateway without a mesh: what the gateway sends is kept and answered by a function; what the mesh would
 * deliver is handed in. `wait` is a clock that stands still until it is told to go on.
 */
import { RefusedError, type Reply } from '../../lib/errors.js';
import type { ImxpPort, PortDelivery, PortMessage } from '../../lib/gateway/port.js';
import { makeData } from '../../lib/imxp/content.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Data, Option } from '../../lib/imxp/operation.js';
import { writePresenceOperation } from '../../lib/imxp/vocabulary/presence.js';
import { writeServiceReply } from '../../lib/imxp/vocabulary/reply.js';
import { writeStatusResponse } from '../../lib/imxp/vocabulary/status.js';

const dialect = imxpDialect();

export class FakePort implements ImxpPort {
  readonly sent: PortMessage[] = [];
  /** What becomes of what is sent; may deliver something meanwhile. */
  answer: (message: PortMessage) => Promise<void> = async () => {};
  #handler: (delivery: PortDelivery) => void | Promise<void> = () => {};

  async send(message: PortMessage): Promise<void> {
    this.sent.push(message);
    await this.answer(message);
  }

  receive(handler: (delivery: PortDelivery) => void | Promise<void>): void {
    this.#handler = handler;
  }

  /** @returns what it was answered: 'ok' or the reply */
  async deliver(
    from: string,
    to: readonly string[],
    content: Parameters<typeof makeData>[0]['content'],
    options: readonly Option[] = [],
  ): Promise<'ok' | Reply> {
    const made = makeData({ originator: from, recipients: to, content, options });
    const payload = made.source?.payload ?? dialect.encodeData(made);
    const raw = dialect.decode(Buffer.isBuffer(payload) ? payload : Buffer.concat(payload)) as Data;
    let answered: 'ok' | Reply | undefined;
    await this.#handler({
      originator: from,
      recipients: to,
      raw,
      accept: () => {
        answered = 'ok';
      },
      refuse: (reply) => {
        answered = reply;
      },
    });
    return answered ?? { code: 0, text: 'no answer' };
  }

  async report(to: string, transID: number, code: number, by = 'imxp=report@example.com') {
    const reply = { code, text: '', lang: undefined };
    const xml = writeStatusResponse({ transID, destinations: [{ identity: 'fred@example.com', reply }] });
    return await this.deliver(by, [to], { xml });
  }

  async reply(to: string, transID: number, code: number): Promise<void> {
    await this.deliver('imxp=presence@example.com', [to], {
      xml: writeServiceReply({ transID, code, text: 'no', lang: undefined }),
    });
  }

  /** A publish for a subscriber. */
  async publish(to: string, transID: number, open: boolean, by = 'imxp=presence@example.com') {
    const presence = {
      publisher: 'fred@example.com',
      lastUpdate: 0,
      publisherInfo: '',
      tuples: [
        {
          destination: 'im:fred@example.com',
          availableUntil: open ? '31 Dec 9999 23:59:59 +0000' : '1 Jan 2000 00:00:00 +0000',
          tupleInfo: '',
          capabilities: [],
        },
      ],
    };
    const xml = writePresenceOperation({
      type: 'publish',
      publisher: 'fred@example.com',
      transID,
      timeStamp: 0,
      presence,
    });
    return await this.deliver(by, [to], { xml });
  }

  get last(): PortMessage {
    const message = this.sent.at(-1);
    if (message === undefined) throw new Error('nothing was sent');
    return message;
  }

  /** The XML sent last. */
  get xml(): string {
    const { content } = this.last;
    return Buffer.isBuffer(content) ? content.toString() : content.xml;
  }
}

export const transIdIn = (xml: string): number => Number(/transID='(\d+)'/.exec(xml)?.[1]);

export const refusal = (code: number): RefusedError => new RefusedError('REFUSED', { code, text: 'no' });

/** Waits that end when their signal is aborted, or all at once. */
export class StandingClock {
  ms = 1_000_000_000_000;
  readonly #waiting = new Set<() => void>();
  readonly now = (): number => this.ms;
  readonly wait = (ms: number, signal: AbortSignal): Promise<void> => {
    const until = this.ms + ms;
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.ms < until && !signal.aborted) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      signal.addEventListener('abort', look, { once: true });
      look();
    });
  };

  /** Time passes, and what follows from it happens. */
  async pass(ms: number): Promise<void> {
    this.ms += ms;
    for (const look of [...this.#waiting]) look();
    await settled();
  }
}

/** Everything that is due at once has happened. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
