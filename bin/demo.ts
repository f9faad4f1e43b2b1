/**
 * `imxp demo`: runs two domains on this machine and sends messages between them. All figures are measured in this run.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import type { Delivery } from '../lib/endpoint/delivery.js';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import { paint } from '../lib/ops/terminal.js';
import { BARNEY, DemoMesh, FRED, HERE, MESH, THERE } from './support/demo-mesh.js';
import { demonstrate, type Services } from './support/demo-services.js';
import { CommandError, EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
import { print, printJson, table } from './support/output.js';
import type { LogRecord, RelayProcess } from './support/relay-process.js';

const TEXT = 'Yabba dabba doo! Bowling tonight?';
const FILE_OCTETS = 4 * 1_048_576;
/** Time limit for log lines, which arrive through a pipe a little late. */
const LOG_MS = 5000;

/** How long one party on the path waited for the answer of those after it. */
interface Hop {
  readonly name: string;
  readonly ms: number;
}

interface Crossing {
  readonly title: string;
  readonly type: string;
  readonly octets: number;
  readonly sha256Sent: string;
  readonly sha256Received: string;
  readonly equal: boolean;
  readonly hops: readonly Hop[];
  /** What arrived, if it is a short text. */
  readonly text?: string;
}

/** How a session between two neighbours on the path is protected. */
interface Leg {
  readonly from: string;
  readonly to: string;
  readonly tls: string;
  readonly login: string;
}

interface Mesh {
  readonly here: RelayProcess;
  readonly there: RelayProcess;
  readonly fred: Endpoint;
  readonly barney: Endpoint;
}

/** All results. */
interface Shown {
  readonly legs: readonly Leg[];
  readonly crossings: readonly Crossing[];
  readonly services: Services;
}

/** Whether everything went as expected. */
function asExpected({ crossings, services }: Shown): boolean {
  const { message, trace, access, presence } = services;
  return (
    crossings.every(({ equal }) => equal) &&
    message.equal &&
    trace.length === 2 &&
    trace.every(({ code }) => code === 250) &&
    access.map(({ code }) => code).join() === '250,537,250' &&
    presence.seen.join() === 'false,true'
  );
}

const digest = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

/** Rounds milliseconds to microseconds. */
const micros = (ms: number): number => Math.round(ms * 1000) / 1000;

class Demo {
  readonly #mesh: DemoMesh;
  readonly #quiet: boolean;
  #crossings = 0;

  constructor(mesh: DemoMesh, quiet: boolean) {
    this.#mesh = mesh;
    this.#quiet = quiet;
  }

  async run(): Promise<Shown> {
    this.#say(`${paint('bold', 'imxp demo')}: two domains on this machine, and messages between them
`);
    const mesh = await this.#start();
    const texts = await this.#cross(
      mesh,
      'A text. The relays connect and log in first',
      'text/plain; charset=UTF-8',
      TEXT,
    );
    const legs = await this.#legs(mesh);
    this.#showLegs(legs);
    this.#show(texts);
    const again = await this.#cross(
      mesh,
      'The same again. The relays reuse their session',
      'text/plain; charset=UTF-8',
      TEXT,
    );
    this.#show(again);
    const octets = randomBytes(FILE_OCTETS);
    const file = await this.#cross(
      mesh,
      `A file of ${FILE_OCTETS / 1_048_576} MiB`,
      'application/octet-stream',
      octets,
    );
    this.#show(file);
    const services = await demonstrate(mesh.fred, mesh.barney);
    this.#showServices(services);
    return { legs, crossings: [texts, again, file], services };
  }

  #say(text: string): void {
    if (!this.#quiet) print(text);
  }

  async #step<T>(what: string, work: () => Promise<T>, result: (value: T) => string = () => ''): Promise<T> {
    const begin = performance.now();
    const value = await work();
    const ms = `${Math.round(performance.now() - begin)} ms`;
    this.#say(`  ${what.padEnd(52)} ${paint('dim', ms.padStart(8))}  ${result(value)}`);
    return value;
  }

  async #start(): Promise<Mesh> {
    const url = ({ url: text }: RelayProcess): string => text;
    await this.#step('made certificates, accounts and passwords', () => this.#mesh.prepare());
    const there = await this.#step(`started the relay of ${THERE}`, () => this.#mesh.startThere(), url);
    const here = await this.#step(`started the relay of ${HERE}`, () => this.#mesh.startHere(there), url);
    const fred = await this.#step(`${FRED} attached`, () => this.#mesh.attach(FRED, here));
    const barney = await this.#step(`${BARNEY} attached`, () => this.#mesh.attach(BARNEY, there));
    return { here, there, fred, barney };
  }

  /** Sends content from fred to barney and measures its path. */
  async #cross(mesh: Mesh, title: string, type: string, content: string | Buffer): Promise<Crossing> {
    const octets = Buffer.from(content);
    let received: Buffer | undefined;
    let barneyMs = 0;
    mesh.barney.receive((delivery: Delivery) => {
      const begin = performance.now();
      const arrived = delivery.content;
      if (arrived.kind === 'part') received = Buffer.from(arrived.body);
      delivery.accept();
      barneyMs = performance.now() - begin;
    });
    const begin = performance.now();
    await mesh.fred.send({ to: BARNEY, content: octets, type });
    const ms = performance.now() - begin;
    this.#crossings += 1;
    const relays = await Promise.all([this.#forwarded(mesh.here), this.#forwarded(mesh.there)]);
    if (received === undefined)
      throw new CommandError(EXIT.FAILED, 'the message was accepted but did not arrive; please report this');
    return {
      title,
      type,
      octets: octets.length,
      sha256Sent: digest(octets),
      sha256Received: digest(received),
      equal: received.equals(octets),
      hops: [
        { name: FRED, ms: micros(ms) },
        { name: `relay of ${HERE}`, ms: micros(relays[0]) },
        { name: `relay of ${THERE}`, ms: micros(relays[1]) },
        { name: BARNEY, ms: micros(barneyMs) },
      ],
      ...(received.length <= 200 ? { text: received.toString() } : {}),
    };
  }

  /** How long a relay waited for the answer to the newest message, according to its log. */
  async #forwarded(relay: RelayProcess): Promise<number> {
    const mine = ({ msg, originator }: LogRecord): boolean => msg === 'data forwarded' && originator === FRED;
    const record = await relay.record(mine, LOG_MS, this.#crossings);
    if (typeof record?.['ms'] !== 'number')
      throw new CommandError(
        EXIT.FAILED,
        'a relay did not log the forwarded message in time; the machine may be overloaded, try again',
      );
    return record['ms'];
  }

  async #legs({ here, there }: Mesh): Promise<readonly Leg[]> {
    return [
      await leg(FRED, `relay of ${HERE}`, here, FRED),
      await leg(`relay of ${HERE}`, `relay of ${THERE}`, there, MESH),
      await leg(`relay of ${THERE}`, BARNEY, there, BARNEY),
    ];
  }

  #showLegs(legs: readonly Leg[]): void {
    this.#say(`\n${paint('bold', 'The path')}`);
    this.#say(table(legs.map(({ from, to, tls, login }) => [`  ${from}`, '──', to, paint('dim', `${tls}, ${login}`)])));
  }

  #showServices({ message, trace, access, presence }: Services): void {
    this.#say(`\n${paint('bold', 'An instant message with a subject (message/RFC822+XML)')}`);
    this.#say(`  ${BARNEY} received: ${paint('cyan', message.subject)}\n    ${paint('cyan', message.text)}`);
    this.#say(`\n${paint('bold', `A trace to ${BARNEY}: what each relay reports`)}`);
    this.#say(
      table(trace.map(({ relay, code, ms }) => [`  ${relay}`, String(code), `${ms.toFixed(2)} ms`.padStart(10)])),
    );
    this.#say(`\n${paint('bold', `${BARNEY} decides who may send messages`)}`);
    this.#say(table(access.map(({ when, code, text }) => [`  ${when}`, `${code} ${text}`])));
    this.#say(`\n${paint('bold', `${BARNEY} publishes presence, ${FRED} subscribes`)}`);
    const [before, after] = presence.seen.map((open) => (open ? 'present' : 'away'));
    this.#say(`  ${FRED} saw: ${before}, then ${after}, ${presence.ms.toFixed(2)} ms after it was published`);
    this.#say(`  ${BARNEY} watched the subscribers: ${presence.watcher}`);
  }

  #show({ title, octets, sha256Sent, sha256Received, equal, hops, text }: Crossing): void {
    this.#say(`\n${paint('bold', title)}`);
    if (text === undefined) {
      this.#say(`  SHA-256 sent      ${sha256Sent}  ${paint('dim', `${octets} octets`)}`);
      this.#say(
        `  SHA-256 received  ${sha256Received}  ${equal ? paint('green', 'identical') : paint('red', 'DIFFERENT')}`,
      );
    } else {
      this.#say(`  ${BARNEY} received: ${paint('cyan', text)}`);
    }
    const verb = (depth: number): string => {
      if (depth === 0) return 'sends it, receives ok after';
      return depth === hops.length - 1 ? 'answers ok after' : 'forwards it, receives ok after';
    };
    const indent = (depth: number): string => (depth === 0 ? '' : `${'  '.repeat(depth - 1)}└ `);
    const rows = hops.map(({ name, ms }, depth) => [
      `  ${indent(depth)}${name}`,
      paint('dim', verb(depth).padStart(33)),
      `${ms.toFixed(2)} ms`.padStart(10),
    ]);
    this.#say(table(rows));
  }
}

/** Reads how a session is protected from the log of the relay that accepted it. */
async function leg(from: string, to: string, relay: RelayProcess, identity: string): Promise<Leg> {
  const login = await relay.record(
    (line) => line['msg'] === 'peer authenticated' && String(line['identity']).includes(nameOf(identity)),
    LOG_MS,
  );
  const session = login?.['session'];
  const tls = await relay.record(
    (line) => String(line['msg']).startsWith('session tuned') && line['session'] === session,
    LOG_MS,
  );
  return {
    from,
    to,
    tls: `${tls?.['protocol'] ?? 'no TLS'}`,
    login: `${login?.['mechanism'] ?? 'no login'} as ${identity}`,
  };
}

/** The name of an identity in the log: relays are logged by their domains. */
function nameOf(identity: string): string {
  return identity.replace(/^imxp=mesh@/, '');
}

async function demo({ json = false }: { readonly json?: boolean }): Promise<void> {
  const begin = performance.now();
  const mesh = await DemoMesh.open();
  let interrupt = (): void => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    interrupt = () => reject(new CommandError(EXIT.FAILED, 'interrupted; the demo left nothing behind'));
  });
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  let closing: Promise<void> | undefined;
  try {
    const shown = await Promise.race([new Demo(mesh, json).run(), interrupted]);
    closing = mesh.close();
    await closing;
    const ok = asExpected(shown);
    const ms = Math.round(performance.now() - begin);
    if (json) printJson({ ok, ms, legs: shown.legs, messages: shown.crossings, ...shown.services });
    else if (ok)
      print(`
${paint('green', 'Everything arrived as sent.')} Cleaned up; ${(ms / 1000).toFixed(1)} s in total.`);
    if (!ok)
      throw new CommandError(
        EXIT.FAILED,
        'what arrived is not what was sent; please report this with the output above',
      );
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    await (closing ?? mesh.close());
  }
}

export function register(command: Command): void {
  command.option('--json', 'print the result as JSON').action(demo);
  explain(command, {
    about: `Starts two relays as separate processes, with new certificates and accounts in a temporary directory, and sends a text
and a file from ${FRED} to ${BARNEY}, with TLS and DIGEST-MD5 on the whole path. Then demonstrates the services:
an instant message, a trace, access denied and allowed, and presence seen from the other domain. Removes everything at the
end.`,
    exits: { 0: 'everything arrived as sent', 1: 'something did not' },
    examples: ['imxp demo', 'imxp demo --json | jq .ok'],
    see: ['imxp relay', 'docs/guide/quick-start.md'],
  });
}
