/** Honest traffic: endpoints of both domains that send to each other all the time, each message in the ledger. */
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { ImxpError } from '../../lib/errors.js';
import type { Kind, Ledger } from './ledger.js';
import type { Stage } from './stage.js';

/** Sender and recipient, across the mesh and within a domain. */
const PAIRS = [
  ['fred@example.com', 'barney@rubble.com'],
  ['betty@rubble.com', 'wilma@example.com'],
  ['fred@example.com', 'wilma@example.com'],
] as const;
/** Whoever is not attached, so that messages for them are held until the end. */
const HELD = [['betty@rubble.com', 'bamm@rubble.com']] as const;
const HOSTILE = 'dino@hostile.example';

/** Messages of one pair that wait for their answers. */
const WINDOW = 4;
const PAUSE_MS = 15;
const BULK_OCTETS = 100_000;

export const RECIPIENTS = [...new Set(PAIRS.map(([, to]) => to))];
export const AWAY = HELD.map(([, to]) => to);

export class Traffic {
  readonly #stage: Stage;
  readonly #ledger: Ledger;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #loops: Promise<void>[] = [];
  /** Answers to messages for the hostile neighbour, which may be anything but must come. */
  readonly hostile: { sent: number; readonly answers: Map<string, number> } = { sent: 0, answers: new Map() };
  #over = false;

  constructor(stage: Stage, ledger: Ledger) {
    this.#stage = stage;
    this.#ledger = ledger;
  }

  async begin(): Promise<void> {
    await Promise.all(RECIPIENTS.map((address) => this.#stage.receive(address)));
    const senders = new Set([...PAIRS, ...HELD].map(([from]) => from));
    for (const address of senders) {
      // Not as the address itself, which receives in a process of its own.
      const own = address.replace('@', '/sender@');
      const endpoint = await Endpoint.connect({ ...this.#stage.options(own) });
      endpoint.once('close', (error) => {
        if (error !== undefined) this.#stage.given.push(`${own} has closed for good: ${error.code} ${error.message}`);
      });
      this.#endpoints.set(address, endpoint);
    }
    for (const [from, to] of PAIRS) for (let lane = 0; lane < WINDOW; lane += 1) this.#loop(from, to, 'live');
    for (const [from, to] of HELD) this.#loop(from, to, 'held');
    this.#loops.push(this.#tease());
  }

  /** No more messages; resolves when each has its answer, or after the limit. */
  async end(limitMs: number): Promise<void> {
    this.#over = true;
    const late = new Promise<void>((resolve) => setTimeout(resolve, limitMs).unref());
    await Promise.race([Promise.all(this.#loops), late]);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#endpoints.values()].map((endpoint) => endpoint.close()));
  }

  #loop(from: string, to: string, kind: Kind): void {
    this.#loops.push(
      (async () => {
        for (let round = 0; !this.#over; round += 1) {
          const id = this.#ledger.enter(kind);
          const answer = await this.#send(from, to, id, kind === 'held', round % 50 === 0);
          this.#ledger.answered(id, answer);
          await pause(answer === 'ok' ? PAUSE_MS : 10 * PAUSE_MS);
        }
      })(),
    );
  }

  async #send(from: string, to: string, id: string, hold: boolean, bulky: boolean): Promise<string> {
    const endpoint = this.#endpoints.get(from);
    if (endpoint === undefined) throw new Error(`${from} is not there`);
    // The first line is what counts; the rest makes it large.
    const content = bulky && !hold ? `${id}\n${'x'.repeat(BULK_OCTETS)}` : id;
    try {
      await endpoint.send({ to, content, ...(hold ? { options: [{ internal: 'hold4Endpoint' }] } : {}) });
      return 'ok';
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
      return error.reply === undefined ? error.code : String(error.reply.code);
    }
  }

  /** Messages to the neighbour that misbehaves: each must have an answer, whatever it says. */
  async #tease(): Promise<void> {
    while (!this.#over) {
      this.hostile.sent += 1;
      const answer = await this.#send('fred@example.com', HOSTILE, 'Good dog', false, false);
      this.hostile.answers.set(answer, (this.hostile.answers.get(answer) ?? 0) + 1);
      await pause(100);
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
