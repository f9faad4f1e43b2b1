/** `imxp send`: sends one message from standard input or a file and reports whether it was accepted. */
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { Conditions } from '../lib/endpoint/conditions.js';
import { guessedType } from '../lib/endpoint/content.js';
import type { Message } from '../lib/endpoint/message.js';
import type { Outcome } from '../lib/endpoint/outcome.js';
import { RefusedError } from '../lib/errors.js';
import { harmless } from '../lib/ops/terminal.js';
import { type ConditionOptions, type Told, Tracking, withConditions } from './support/conditions.js';
import { type Draft, draftOf } from './support/draft.js';
import {
  attachToAsk,
  type EndpointCommandOptions,
  languageArgument,
  partyOptions,
  withAnonymous,
  withEndpoint,
} from './support/endpoint.js';
import { EXIT, exitCodeOf } from './support/exit.js';
import { readGivenFile } from './support/files.js';
import { hintFor } from './support/hints.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { type Recipients, severalRecipients, shownName } from './support/names.js';
import { complain, hint, note, print, printJson, table } from './support/output.js';
import { type SecureCommandOptions, sealing, secureFiles, withIdentity, withSealing } from './support/secure.js';

interface SendOptions extends EndpointCommandOptions, SecureCommandOptions, ConditionOptions {
  readonly from?: string;
  readonly to: readonly Recipients[];
  readonly type?: string;
  readonly subject?: string;
  readonly lang?: string;
  readonly json?: boolean;
}

async function contentOf(file: string | undefined, { body }: Draft): Promise<Buffer> {
  if (file === undefined && body !== undefined) return Buffer.from(body);
  if (body !== undefined) note('not used of the URI: body');
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY) note('Type the message and end it with Ctrl-D:');
    return buffer(process.stdin);
  }
  return await readGivenFile(file);
}

/** Makes an instant message if there is a header field or a language; otherwise sends the octets alone. */
function messageOf(content: Buffer, type: string, draft: Draft, options: SendOptions, conditions: Conditions): Message {
  const { recipients: to, fields } = draft;
  const { lang } = options;
  const how = { ...sealing(options), ...conditions };
  if (Object.keys(fields).length === 0 && lang === undefined) return { to, content, type, ...how };
  const init = { ...fields, ...(lang === undefined ? {} : { lang }), content: { type, body: content } };
  return { to, content: { message: init }, ...how };
}

/** Prints one line per recipient if there are several. */
function show(outcomes: readonly Outcome[], octets: number): void {
  const [only] = outcomes;
  if (outcomes.length === 1 && only !== undefined) {
    if (only.accepted && process.stdout.isTTY)
      print(`accepted: ${octets} octets to ${shownName(only.recipient)} in ${only.ms.toFixed(1)} ms`);
    return;
  }
  print(
    table(outcomes.map(({ recipient, code, text }) => [shownName(recipient), String(code ?? '-'), harmless(text)])),
  );
}

/** The exit code: that of a refusal if there is one, otherwise that of the first missing answer. */
function exitOf(outcomes: readonly Outcome[]): number {
  const failed = outcomes.flatMap(({ error }) => error ?? []);
  const refused = failed.some((error) => error instanceof RefusedError);
  return failed[0] === undefined ? EXIT.OK : refused ? EXIT.FAILED : exitCodeOf(failed[0]);
}

function complaintOf(outcomes: readonly Outcome[]): string | undefined {
  const failed = outcomes.filter(({ accepted }) => !accepted);
  const [first] = failed;
  if (first === undefined) return undefined;
  if (outcomes.length > 1) return `not accepted by ${failed.length} of ${outcomes.length} recipients`;
  return first.code === undefined ? first.text : `${first.code} ${first.text}`;
}

async function send(file: string | undefined, options: SendOptions): Promise<void> {
  const { from, json } = options;
  const draft = draftOf(options.to, options.subject);
  const { recipients: to, fields } = draft;
  // A password that is typed comes before a message that is typed.
  const endpoint = { ...(await partyOptions(from, to[0] ?? '', options)), ...(await secureFiles(options)) };
  const content = await contentOf(file, draft);
  const type = options.type ?? guessedType(content);
  const tracking = new Tracking(options, (told) => json !== true && note(reportText(told)));
  const fred = await attachToAsk(endpoint);
  const facts = { from: from ?? fred.addresses[0], to, ...factsOf(fields), type, octets: content.length };
  try {
    const outcomes = await fred.sendEach(messageOf(content, type, draft, options, tracking.conditions));
    if (json !== true) show(outcomes, content.length);
    const accepted = outcomes.filter((outcome) => outcome.accepted).map(({ recipient }) => recipient);
    const unconfirmed = await tracking.unconfirmed(accepted);
    if (json === true) printJson({ ...facts, ...resultOf(outcomes), ...reportsOf(tracking.told) });
    const complaint = complaintOf(outcomes);
    if (complaint !== undefined) {
      complain(harmless(complaint));
      hint(hintFor(outcomes.find(({ error }) => error !== undefined)?.error));
    }
    if (unconfirmed.length > 0) {
      complain(`no confirmation for ${unconfirmed.join(', ')} within the time limit`);
      hint('Whether it was delivered is not known: ask the recipient before you send it again.');
    }
    process.exitCode = exitOf(outcomes) || (unconfirmed.length > 0 ? EXIT.FAILED : EXIT.OK);
  } finally {
    await fred.close();
  }
}

function factsOf({ subject, inReplyTo }: Draft['fields']): object {
  return { ...(subject === undefined ? {} : { subject }), ...(inReplyTo === undefined ? {} : { inReplyTo }) };
}

/** The results as JSON: overall, and for each recipient. */
function resultOf(outcomes: readonly Outcome[]): object {
  const results = outcomes.map(({ recipient, accepted, code, text, ms }) => {
    return { to: recipient, accepted, ...(code === undefined ? {} : { code }), text, ms: micros(ms) };
  });
  const failed = results.find(({ accepted }) => !accepted);
  const ms = Math.max(...results.map((result) => result.ms));
  if (failed === undefined) return { accepted: true, ms, results };
  const { code, text } = failed;
  return { accepted: false, ...(code === undefined ? {} : { code }), text, ms, results };
}

function reportText({ relay, to, code, text, ms }: Told): string {
  const said = code === 250 ? 'delivered' : `${code} ${text}`;
  return harmless(`${to}: ${said}, reported by ${relay} after ${ms.toFixed(1)} ms`);
}

function reportsOf(reports: readonly Told[]): object {
  return reports.length === 0 ? {} : { reports };
}

const micros = (ms: number): number => Math.round(ms * 1000) / 1000;

export function register(program: Command): void {
  const command = program
    .command('send')
    .description('send a message and report whether it was accepted')
    .argument('[file]', 'file to send; default or -: standard input')
    .requiredOption('--to <address>', 'a recipient, or an im: URI with its headers; may be repeated', severalRecipients)
    .option('--type <type>', 'media type; default: text/plain for UTF-8 text, otherwise application/octet-stream')
    .option('--subject <text>', 'send an instant message (message/RFC822+XML) with this subject')
    .option('--lang <tag>', 'language of subject and text, such as en or de-AT', languageArgument)
    .option('--json', 'print the result as JSON');
  withEndpoint(withAnonymous(withIdentity(withSealing(withConditions(command))))).action(send);
  explain(command, {
    about: `The message is sent to each recipient separately, so that each result is known. For several recipients it prints a line
with code and text for each; for a single one the exit code tells, and at a terminal a line. Errors are printed on standard
error.

A recipient may be an im: URI, such as a web page or a mail program gives: im:barney@rubble.com?subject=Bowling. It may name
several, also as "Barney <barney@rubble.com>", and its headers to, cc, subject, in-reply-to, references, keywords and body are used; body is sent
where no file is given. --subject counts more than that of a URI.

With --hold a message for a recipient who is not attached counts as accepted once the recipient's relay has stored it; it is
delivered when the recipient attaches. --return-trip waits for the confirmation of the delivery, in addition to
--no-later-than if both are given.

With --sign and --encrypt-to nobody on the path can change or read the message, not even relays. Every recipient needs a
certificate with their address; imxp certs makes such certificates.`,
    exits: {
      0: 'accepted by every recipient',
      1: 'refused by at least one recipient',
      64: 'invalid command line, or the file cannot be read',
      ...ENDPOINT_EXITS,
      69: 'the relay cannot be reached; or no recipient refused, but one did not answer',
    },
    examples: [
      'echo "Bowling?" | imxp send --from fred@example.com --to barney@rubble.com',
      'imxp send --from fred@example.com \\\n      --to "im:barney@rubble.com?subject=Bowling&body=At%20eight%3F"',
      'echo "Um acht." | imxp send --from fred@example.com --to barney@rubble.com \\\n      --subject Kegeln --lang de',
      'echo "Call me" | imxp send --from fred@example.com --to barney@rubble.com \\\n      --hold --no-later-than 3600000',
      'echo "Now?" | imxp send --from fred@example.com --to barney@rubble.com \\\n      --no-later-than 2000 --report-after 500 --return-trip 5000',
      "imxp send --from fred@example.com --to barney@rubble.com \\\n      --to betty@rubble.com --json photo.png | jq '.results[]'",
      'imxp send --from fred@example.com --to barney@rubble.com secret.txt \\\n      --sign --identity certs/fred@example.com.crt --trust certs/ca.crt \\\n      --encrypt-to certs/barney@rubble.com.crt',
    ],
    see: ['imxp listen', 'imxp chat', 'imxp trace'],
  });
}
