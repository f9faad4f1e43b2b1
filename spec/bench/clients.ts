/** The sender and the recipient of a course, each in a process of its own. */
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from '../support/node-process.js';
import { RUN_SCRIPT } from '../support/script.js';
import type { ClientSettings } from './client.js';
import type { Order } from './client-process.js';
import type { Load } from './course.js';

const RUN = [...RUN_SCRIPT, fileURLToPath(new URL('./client-process.ts', import.meta.url))];
const READY_MS = 60_000;
const ORDER_MS = 600_000;

async function started(settings: ClientSettings): Promise<Command> {
  const command = new Command([JSON.stringify(settings)], tmpdir(), {}, RUN);
  const what = `${settings.protocol}: ready to ${settings.role}`;
  await command.seen((output) => (output.includes('ready\n') ? true : undefined), what, READY_MS);
  return command;
}

export class Clients {
  readonly #recipient: Command;
  readonly #sender: Command;

  private constructor(sender: Command, recipient: Command) {
    this.#sender = sender;
    this.#recipient = recipient;
  }

  /** The recipient first, so that the sender finds them. */
  static async start(sender: ClientSettings, recipient: ClientSettings): Promise<Clients> {
    const there = await started(recipient);
    try {
      return new Clients(await started(sender), there);
    } catch (error) {
      await there.kill();
      throw error;
    }
  }

  /** The sender and the recipient. */
  get pids(): readonly [number, number] {
    return [this.#sender.pid ?? 0, this.#recipient.pid ?? 0];
  }

  async send(load: Load): Promise<number> {
    const answer = await this.#order(load, `sends ${load.count} messages of ${load.octets} octets`);
    if (typeof answer !== 'number') throw new Error(`the sender said ${JSON.stringify(answer)}`);
    return answer;
  }

  async latencies(count: number, octets: number): Promise<readonly number[]> {
    const answer = await this.#order({ single: count, octets }, `sends ${count} messages one after the other`);
    if (!Array.isArray(answer)) throw new Error(`the sender said ${JSON.stringify(answer)}`);
    return answer.map(Number);
  }

  async #order(order: Order, what: string): Promise<unknown> {
    const before = this.#sender.output.length;
    this.#sender.type(`${JSON.stringify(order)}\n`);
    const line = (output: string): string | undefined =>
      output.indexOf('\n', before) < 0 ? undefined : output.slice(before);
    return JSON.parse(await this.#sender.seen(line, what, ORDER_MS));
  }

  async stop(): Promise<void> {
    await this.#sender.kill();
    await this.#recipient.kill();
  }
}
