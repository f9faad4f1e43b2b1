/** `imxp send`: one message from standard input or a file, and whether it was accepted. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { describeFileError } from '../lib/config/password-file.js';
import { guessedType } from '../lib/endpoint/content.js';
import type { Message } from '../lib/endpoint/message.js';
import { RefusedError } from '../lib/errors.js';
import {
  addressArgument,
  attach,
  type EndpointCommandOptions,
  endpointOptions,
  languageArgument,
  severalAddresses,
  withEndpoint,
} from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { complain, harmless, note, print, printJson } from './support/output.js';

interface SendOptions extends EndpointCommandOptions {
  readonly from: string;
  readonly to: readonly string[];
  readonly type?: string;
  readonly subject?: string;
  readonly lang?: string;
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

/** With a subject or a language it is an instant message; otherwise the octets alone. */
function messageOf(content: Buffer, type: string, { to, subject, lang }: SendOptions): Message {
  if (subject === undefined && lang === undefined) return { to, content, type };
  const entity = { content: { type, body: content } };
  const init = { ...(subject === undefined ? {} : { subject }), ...(lang === undefined ? {} : { lang }), ...entity };
  return { to, content: { message: init } };
}

async function send(file: string | undefined, options: SendOptions): Promise<void> {
  const { from, to, subject, json } = options;
  // A password that is typed comes before a message that is typed.
  const endpoint = await endpointOptions(from, options);
  const content = await contentOf(file);
  const type = options.type ?? guessedType(content);
  const facts = { from, to, ...(subject === undefined ? {} : { subject }), type, octets: content.length };
  const fred = await attach(endpoint);
  const begin = performance.now();
  try {
    await fred.send(messageOf(content, type, options));
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
    .option('--subject <text>', 'send an instant message (message/RFC822+XML) with this subject')
    .option('--lang <tag>', 'language of subject and text, such as en or de-AT', languageArgument)
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Exit codes: 0 accepted by a recipient at least, 1 refused (code and text on standard error), 69 the relay cannot be
reached, 77 the relay does not let us in.

  echo "Bowling tonight?" | imxp send --from fred@example.com --to barney@rubble.com --password-file secrets/fred
  echo "Um acht." | imxp send --from fred@example.com --to barney@rubble.com --subject Kegeln --lang de`,
    );
  withEndpoint(command).action(send);
}
