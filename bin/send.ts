/** `imxp send`: one message from standard input or a file, and whether it was accepted. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { describeFileError } from '../lib/config/password-file.js';
import { guessedType } from '../lib/endpoint/content.js';
import { RefusedError } from '../lib/errors.js';
import {
  addressArgument,
  attach,
  type EndpointCommandOptions,
  endpointOptions,
  severalAddresses,
  withEndpoint,
} from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { complain, harmless, note, print, printJson } from './support/output.js';

interface SendOptions extends EndpointCommandOptions {
  readonly from: string;
  readonly to: readonly string[];
  readonly type?: string;
  readonly json?: boolean;
}

async function contentOf(file: string | undefined): Promise<Buffer> {
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY) note('Type the message and end it with Ctrl-D:');
    return buffer(process.stdin);
  }
  try {
    return await readFile(file);
  } catch (error) {
    throw new CommandError(EXIT.USAGE, `${file}: ${describeFileError(error)}`);
  }
}

async function send(file: string | undefined, options: SendOptions): Promise<void> {
  const { from, to, json } = options;
  // A password that is typed comes before a message that is typed.
  const endpoint = await endpointOptions(from, options);
  const content = await contentOf(file);
  const type = options.type ?? guessedType(content);
  const facts = { from, to, type, octets: content.length };
  const fred = await attach(endpoint);
  const begin = performance.now();
  try {
    await fred.send({ to, content, type });
    const ms = Math.round((performance.now() - begin) * 1000) / 1000;
    if (json === true) printJson({ accepted: true, ...facts, ms });
    else if (process.stdout.isTTY)
      print(`accepted: ${content.length} octets to ${to.join(', ')} in ${ms.toFixed(1)} ms`);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    const { code, text } = error.reply;
    if (json === true) printJson({ accepted: false, ...facts, code, text });
    complain(harmless(`${code} ${text}`));
    process.exitCode = EXIT.FAILED;
  } finally {
    await fred.close();
  }
}

export function register(program: Command): void {
  const command = program
    .command('send')
    .description('send a message and say whether it was accepted')
    .argument('[file]', 'what to send; - or nothing: standard input')
    .requiredOption('--from <address>', 'the originator, whose password is needed', addressArgument)
    .requiredOption('--to <address>', 'a recipient; may be given several times', severalAddresses)
    .option('--type <type>', 'media type; without it text/plain for UTF-8 text, else application/octet-stream')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Exit codes: 0 accepted by a recipient at least, 1 refused (code and text on standard error), 69 the relay cannot be
reached, 77 the relay does not let us in.

  echo "Bowling tonight?" | imxp send --from fred@example.com --to barney@rubble.com --password-file secrets/fred`,
    );
  withEndpoint(command).action(send);
}
