/** `imxp listen`: prints or stores what arrives for an endpoint. A message is accepted once it has been written. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Delivery } from '../lib/endpoint/delivery.js';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import { RemoteProtocolError, type Reply } from '../lib/errors.js';
import { harmless, paint, visibleJson } from '../lib/ops/terminal.js';
import { createWhole } from '../lib/ops/whole-file.js';
import { Arrivals } from './support/arrivals.js';
import { type OpenedContent, openDelivery } from './support/content.js';
import {
  attach,
  countArgument,
  type EndpointCommandOptions,
  endpointOptions,
  fromOption,
  withEndpoint,
} from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { extensionOf } from './support/file-type.js';
import { fileError } from './support/files.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { addressArgument, shownName } from './support/names.js';
import { note } from './support/output.js';
import {
  protectionJson,
  protectionText,
  type SecureCommandOptions,
  secureFiles,
  withIdentity,
} from './support/secure.js';

interface ListenOptions extends EndpointCommandOptions, SecureCommandOptions {
  readonly from: string;
  readonly json?: boolean;
  readonly raw?: boolean;
  readonly override?: boolean;
  readonly queueGroup?: boolean;
  readonly count?: number;
  readonly output?: string;
}

/** Resolves when the octets are written: a slow reader of the output slows the senders down. */
function write(octets: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(octets, (error) => (error ? reject(error) : resolve()));
  });
}

class Output {
  readonly #options: ListenOptions;
  #number = 0;

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  async take(delivery: Delivery): Promise<void> {
    const content = openDelivery(delivery);
    const file = await this.#store(delivery, content);
    if (this.#options.json === true)
      await write(`${visibleJson(JSON.stringify(this.#json(delivery, content, file)))}\n`);
    else if (this.#options.raw === true) await write(content.octets);
    else await write(this.#text(delivery, content, file));
  }

  /** Writes a new file; existing ones are kept. */
  async #store({ originator }: Delivery, { octets, type, name }: OpenedContent): Promise<string | undefined> {
    const { output } = this.#options;
    if (output === undefined) return undefined;
    const from = originator.replace(/[^A-Za-z0-9.@=_+-]/g, '_').slice(0, 100);
    const end = name === undefined ? extensionOf(type) : `-${name}`;
    for (;;) {
      this.#number += 1;
      const path = join(output, `${String(this.#number).padStart(4, '0')}-${from}${end}`);
      try {
        if (createWhole(path, octets)) return path;
      } catch (error) {
        throw fileError(path, error, EXIT.UNAVAILABLE);
      }
    }
  }

  #json(delivery: Delivery, content: OpenedContent, file: string | undefined): object {
    const { originator, recipients, time, held } = delivery;
    const { octets, type, text, subject, name } = content;
    const written = text === undefined ? { encoding: 'base64', content: octets.toString('base64') } : { content: text };
    return {
      from: originator,
      to: recipients,
      ...(subject === undefined ? {} : { subject }),
      type,
      ...(name === undefined ? {} : { name }),
      ...(time === undefined ? {} : { time: time.toISOString() }),
      ...(held ? { held } : {}),
      octets: octets.length,
      sha256: sha256(octets),
      ...protectionJson(delivery),
      ...(file === undefined ? written : { file }),
    };
  }

  #text(delivery: Delivery, content: OpenedContent, file: string | undefined): string {
    const { originator, recipients, time } = delivery;
    const { octets, type, text, subject, name } = content;
    const who = `${shownName(originator)} -> ${recipients.map(shownName).join(', ')}`;
    const about = subject === undefined ? '' : `${paint('bold', harmless(subject))}\n`;
    // What arrives as it is sent needs no time.
    const sent = delivery.held ? `, ${time === undefined ? 'held' : `sent ${time.toISOString()}, held since`}` : '';
    const what = paint(
      'dim',
      harmless(`${name === undefined ? '' : `${name}, `}${type}, ${octets.length} octets${sent}`),
    );
    const protection = protectionText(delivery);
    // Comes before anything that the sender has written.
    const proof = protection === undefined ? '' : `  [${protection}]`;
    const header = `${paint('bold', who)}${proof}  ${what}\n${about}`;
    if (file !== undefined) return `${header}${file}\n`;
    if (text === undefined)
      return `${header}(not text; SHA-256 ${sha256(octets)}; use --raw or --output)
`;
    return `${header}${harmless(text)}${text.endsWith('\n') ? '' : '\n'}`;
  }
}

function sha256(octets: Buffer): string {
  return createHash('sha256').update(octets).digest('hex');
}

/** Reports changes of the connection on standard error. */
function narrate(endpoint: Endpoint, address: string): void {
  note(`attached as ${shownName(address)} at ${endpoint.relay}`);
  endpoint.on('disconnect', (error) => note(`connection lost: ${harmless(error.message)}; reconnecting`));
  endpoint.on('connect', () => note(`reconnected as ${shownName(address)} at ${endpoint.relay}`));
  endpoint.on('move', (relay) => note(`moved to the preferred relay ${harmless(relay)}`));
}

/** What the sender is told before this program ends because it cannot write. */
const NOT_WRITTEN: Reply = { code: 450, text: 'the recipient could not write it down; send it again later' };

/**
 * Refuses a message that is not valid or requires something that is not understood here.
 *
 * @throws Error when it cannot be written; the sender was told
 */
async function understood(output: Output, delivery: Delivery): Promise<boolean> {
  try {
    await output.take(delivery);
    return true;
  } catch (error) {
    if (!(error instanceof RemoteProtocolError) || error.reply === undefined) {
      delivery.refuse(NOT_WRITTEN);
      throw error;
    }
    delivery.refuse(error.reply);
    note(`refused a message from ${shownName(delivery.originator)}: ${harmless(error.message)}`);
    return false;
  }
}

async function listen(_: string | undefined, options: ListenOptions): Promise<void> {
  const { from: address, json, raw, output: directory, count = Number.POSITIVE_INFINITY } = options;
  if (json === true && raw === true)
    throw new CommandError(EXIT.USAGE, '--json and --raw exclude each other; give one of them');
  const settings = { ...(await endpointOptions(address, options)), ...(await secureFiles(options)) };
  if (directory !== undefined) await mkdir(directory, { recursive: true });
  // One after another, each answered when it is written; that is also when the relay may send more.
  const { override = false, queueGroup = false } = options;
  const endpoint = await attach(settings, { autoAccept: false, reconnect: true, override, queueGroup });
  const leave = (): void => void endpoint.close();
  process.once('SIGINT', leave);
  process.once('SIGTERM', leave);
  // Printed after the handlers are set: whoever reads it may send a signal at once.
  narrate(endpoint, endpoint.address);
  const output = new Output(options);
  const arrivals = new Arrivals(() => endpoint.incompleteOctets);
  let taken = 0;
  try {
    for await (const delivery of endpoint) {
      arrivals.pause();
      if (!(await understood(output, delivery))) continue;
      if (delivery.accept()) taken += 1;
      if (taken >= count) break;
    }
  } finally {
    arrivals.end();
    await endpoint.close();
    process.off('SIGINT', leave);
    process.off('SIGTERM', leave);
  }
}

export function register(command: Command): void {
  command
    .argument('[address]', 'your address; default: that of --from', addressArgument)
    .addOption(fromOption())
    .hook('preAction', (_, acting) => {
      const [own] = acting.processedArgs;
      if (own !== undefined) acting.setOptionValueWithSource('from', own, 'cli');
    })
    .option(
      '--json',
      'print one JSON object per message: from, to, subject, type, name, octets, sha256, signed, encrypted, content (text or base64) or file',
    )
    .option('--raw', 'print only the octets of the content')
    .option('--count <n>', 'stop after this many messages', countArgument)
    .option(
      '--output <dir>',
      'store the content of each message in a file in this directory, under a number, its sender and its own name',
    )
    .addOption(new Option('--override', 'replace another program that is attached under this address'))
    .addOption(
      new Option(
        '--queue-group',
        'share what arrives with other programs that do the same: each message goes to one of them',
      ).conflicts('override'),
    );
  withEndpoint(withIdentity(command)).action(listen);
  explain(command, {
    about: `For an instant message, its subject and content are shown. A message is accepted as soon as it is written; only then does
the sender's "imxp send" finish. After a loss it reconnects; from a relay of lower preference it moves back to the preferred
one. SIGINT and SIGTERM detach in order. At a terminal it shows how much of a message has arrived that takes more than a second,
and how fast; how large it will be is not known before its end.

For signed or encrypted messages (S/MIME) it shows who signed them and whether the signature is valid according to the CAs
in --trust. Messages encrypted for others are refused.`,
    exits: {
      0: 'stopped, or --count messages arrived',
      1: 'a message could not be stored, or another program is attached under this address (554)',
      ...ENDPOINT_EXITS,
    },
    examples: [
      'imxp listen barney@rubble.com --password-file secrets/barney',
      'imxp listen barney@rubble.com --json --count 1 | jq -r .content',
      'imxp listen barney@rubble.com --override        # replaces another program',
      'imxp listen barney@rubble.com --output inbox    # one file per message',
      'imxp listen orders@rubble.com --queue-group     # several share',
      'imxp listen barney@rubble.com --trust certs/ca.crt \\\n      --identity certs/barney@rubble.com.crt',
    ],
    see: ['imxp send', 'imxp chat', 'imxp access'],
  });
}
