/** `imxp listen`: what arrives for an endpoint, printed or stored. A message is accepted once it has been written. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Delivery } from '../lib/endpoint/delivery.js';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import { RemoteProtocolError } from '../lib/errors.js';
import { harmless, paint } from '../lib/ops/terminal.js';
import { type OpenedContent, openDelivery } from './support/content.js';
import {
  addressArgument,
  attach,
  countArgument,
  type EndpointCommandOptions,
  endpointOptions,
  withEndpoint,
} from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { note } from './support/output.js';
import {
  protectionJson,
  protectionText,
  type SecureCommandOptions,
  secureFiles,
  withIdentity,
} from './support/secure.js';

interface ListenOptions extends EndpointCommandOptions, SecureCommandOptions {
  readonly json?: boolean;
  readonly raw?: boolean;
  readonly override?: boolean;
  readonly count?: number;
  readonly output?: string;
}

/** Resolves when the octets are on their way: a slow reader of ours slows the senders down. */
function write(octets: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(octets, (error) => (error ? reject(error) : resolve()));
  });
}

const EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ['text/plain', '.txt'],
  ['text/html', '.html'],
  ['text/xml', '.xml'],
  ['application/xml', '.xml'],
  ['application/json', '.json'],
  ['image/png', '.png'],
  ['image/jpeg', '.jpg'],
]);

class Output {
  readonly #options: ListenOptions;
  #number = 0;

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  async take(delivery: Delivery): Promise<void> {
    const content = openDelivery(delivery);
    const file = await this.#store(delivery, content);
    if (this.#options.json === true) await write(`${JSON.stringify(this.#json(delivery, content, file))}\n`);
    else if (this.#options.raw === true) await write(content.octets);
    else await write(this.#text(delivery, content, file));
  }

  /** Writes a file that was not there; earlier ones stay. */
  async #store({ originator }: Delivery, { octets, type }: OpenedContent): Promise<string | undefined> {
    const { output } = this.#options;
    if (output === undefined) return undefined;
    const from = originator.replace(/[^A-Za-z0-9.@=_+-]/g, '_').slice(0, 100);
    const extension = EXTENSIONS.get(type.split(';', 1)[0]?.toLowerCase() ?? '') ?? '.bin';
    for (;;) {
      this.#number += 1;
      const path = join(output, `${String(this.#number).padStart(4, '0')}-${from}${extension}`);
      try {
        await writeFile(path, octets, { flag: 'wx', mode: 0o600 });
        return path;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
    }
  }

  #json(delivery: Delivery, content: OpenedContent, file: string | undefined): object {
    const { originator, recipients } = delivery;
    const { octets, type, text, subject } = content;
    const written = text === undefined ? { encoding: 'base64', content: octets.toString('base64') } : { content: text };
    return {
      from: originator,
      to: recipients,
      ...(subject === undefined ? {} : { subject }),
      type,
      octets: octets.length,
      sha256: sha256(octets),
      ...protectionJson(delivery),
      ...(file === undefined ? written : { file }),
    };
  }

  #text(delivery: Delivery, content: OpenedContent, file: string | undefined): string {
    const { originator, recipients } = delivery;
    const { octets, type, text, subject } = content;
    const who = `${originator} -> ${recipients.join(', ')}`;
    const about = subject === undefined ? '' : `${paint('bold', harmless(subject))}\n`;
    const what = paint('dim', harmless(`${type}, ${octets.length} octets`));
    const protection = protectionText(delivery);
    // before anything that the sender has written
    const proof = protection === undefined ? '' : `  [${protection}]`;
    const header = `${paint('bold', harmless(who))}${proof}  ${what}\n${about}`;
    if (file !== undefined) return `${header}${file}\n`;
    if (text === undefined) return `${header}(not text; SHA-256 ${sha256(octets)}; see --raw and --output)\n`;
    return `${header}${harmless(text)}${text.endsWith('\n') ? '' : '\n'}`;
  }
}

function sha256(octets: Buffer): string {
  return createHash('sha256').update(octets).digest('hex');
}

/** Says on standard error what becomes of the connection. */
function narrate(endpoint: Endpoint, address: string): void {
  note(`attached as ${address} at ${endpoint.relay}`);
  endpoint.on('disconnect', (error) => note(`connection lost: ${harmless(error.message)}; trying again`));
  endpoint.on('connect', () => note(`attached again as ${address} at ${endpoint.relay}`));
  endpoint.on('move', (relay) => note(`moved to ${harmless(relay)}, which is preferred`));
}

/** Refuses an instant message that is not valid, or demands what is not understood here. */
async function understood(output: Output, delivery: Delivery): Promise<boolean> {
  try {
    await output.take(delivery);
    return true;
  } catch (error) {
    if (!(error instanceof RemoteProtocolError) || error.reply === undefined) throw error;
    delivery.refuse(error.reply);
    note(`refused a message of ${harmless(delivery.originator)}: ${harmless(error.message)}`);
    return false;
  }
}

async function listen(address: string, options: ListenOptions): Promise<void> {
  const { json, raw, output: directory, count = Number.POSITIVE_INFINITY } = options;
  if (json === true && raw === true) throw new CommandError(EXIT.USAGE, 'choose one of --json and --raw');
  const settings = { ...(await endpointOptions(address, options)), ...(await secureFiles(options)) };
  if (directory !== undefined) await mkdir(directory, { recursive: true });
  // One after the other, each answered when it is written: that is also when the relay may send more.
  const endpoint = await attach(settings, { autoAccept: false, reconnect: true, override: options.override ?? false });
  const leave = (): void => void endpoint.close();
  process.once('SIGINT', leave);
  process.once('SIGTERM', leave);
  // who reads that it is attached may tell it to leave at once
  narrate(endpoint, address);
  const output = new Output(options);
  let taken = 0;
  try {
    for await (const delivery of endpoint) {
      if (!(await understood(output, delivery))) continue;
      if (delivery.accept()) taken += 1;
      if (taken >= count) break;
    }
  } finally {
    await endpoint.close();
    process.off('SIGINT', leave);
    process.off('SIGTERM', leave);
  }
}

export function register(program: Command): void {
  const command = program
    .command('listen')
    .description('attach as an endpoint and print what arrives')
    .argument('<address>', 'the endpoint, whose password is needed', addressArgument)
    .option(
      '--json',
      'one JSON object a line: from, to, subject, type, octets, sha256, signed, encrypted, content (text, or base64) or file',
    )
    .option('--raw', 'nothing but the octets of the content')
    .option('--count <n>', 'stop after so many messages', countArgument)
    .option('--output <dir>', 'store each content in a file of its own there')
    .option('--override', 'take the place of an application that is attached as this endpoint');
  withEndpoint(withIdentity(command)).action(listen);
  explain(command, {
    about: `Of an instant message its subject and its own content are shown. A message is accepted as soon as it is written; the
sender's "imxp send" ends then. A lost connection is made again; an endpoint at a relay that is second choice goes back to the
preferred one. SIGINT and SIGTERM detach in order.

Of what is signed or encrypted (S/MIME) it says by whom, and whether that is proven: by an authority of --trust. What was
encrypted for others is refused.`,
    exits: { 0: 'stopped, or so many have come', 1: 'a message could not be stored', ...ENDPOINT_EXITS },
    examples: [
      'imxp listen barney@rubble.com --relay tcp://127.0.0.1:20913 --password-file secrets/barney',
      'imxp listen barney@rubble.com --json --count 1 | jq -r .content',
      'imxp listen barney@rubble.com --override                       # where another program is attached as barney',
      'imxp listen barney@rubble.com --output inbox                   # each content in a file of its own',
      'imxp listen barney@rubble.com --identity certs/barney@rubble.com.crt --trust certs/ca.crt',
    ],
    see: ['imxp send', 'imxp chat', 'imxp access'],
  });
}
