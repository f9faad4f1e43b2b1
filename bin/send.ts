/** `imxp send`: sends one message from standard input or a file and reports whether it was accepted. */
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { Conditions } from '../lib/endpoint/conditions.js';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import type { Message } from '../lib/endpoint/message.js';
import type { EndpointOptions } from '../lib/endpoint/options.js';
import type { Outcome } from '../lib/endpoint/outcome.js';
import { RefusedError } from '../lib/errors.js';
import { NOT_DELIVERED } from '../lib/imxp/certainty.js';
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
import { CommandError, EXIT, exitCodeOf } from './support/exit.js';
import { type FileType, typeOf } from './support/file-type.js';
import { fileError, readGivenFile } from './support/files.js';
import { sendHint } from './support/hints.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { type Recipients, recipientsArgument, severalRecipients, shownName } from './support/names.js';
import { complain, hint, note, print, printJson, table } from './support/output.js';
import { Progress } from './support/progress.js';
import {
  asksForSecurity,
  type SecureCommandOptions,
  sealing,
  secureFiles,
  withIdentity,
  withSealing,
} from './support/secure.js';

/** Smaller messages have no progress: what takes long is their way, which has none. */
const LARGE = 65_536;

interface SendOptions extends EndpointCommandOptions, SecureCommandOptions, ConditionOptions {
  readonly from?: string;
  readonly to?: readonly Recipients[];
  readonly file?: string;
  readonly lines?: boolean;
  readonly type?: string;
  readonly subject?: string;
  readonly lang?: string;
  readonly json?: boolean;
}

/** What is to be sent to whom, of the arguments. */
interface Wanted {
  readonly to: readonly Recipients[];
  /** Undefined or `-` for standard input. */
  readonly file: string | undefined;
  /** The words of a message that is typed as arguments. */
  readonly text: string | undefined;
}

/**
 * With --to the argument is a file; without it the first argument is the recipient, and the others are the text.
 *
 * @throws CommandError USAGE
 */
function wantedOf(words: readonly string[], { to, file }: SendOptions): Wanted {
  const [first, ...others] = words;
  if (to !== undefined) {
    if (others.length > 0 || (first !== undefined && file !== undefined)) {
      throw new CommandError(EXIT.USAGE, 'with --to there is one argument, the file; give the text on standard input');
    }
    return { to, file: file ?? first, text: undefined };
  }
  if (first === undefined) throw new CommandError(EXIT.USAGE, 'say to whom: imxp send ADDRESS, or --to ADDRESS');
  const text = others.length === 0 ? undefined : others.join(' ');
  if (text !== undefined && file !== undefined) {
    throw new CommandError(EXIT.USAGE, 'give either a text or --file');
  }
  return { to: [recipientsArgument(first)], file, text };
}

async function contentOf({ file, text }: Wanted, { body }: Draft): Promise<Buffer> {
  const given = file === undefined ? (text ?? body) : undefined;
  if (body !== undefined && given !== body) note('not used of the URI: body');
  if (given !== undefined) return Buffer.from(given);
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY) note('Type the message and end it with Ctrl-D:');
    return buffer(process.stdin);
  }
  return await readGivenFile(file);
}

/** Makes an instant message if there is a header field or a language; otherwise sends the octets alone. */
function messageOf(
  content: Buffer,
  { type, headers }: FileType,
  draft: Draft,
  options: SendOptions,
  conditions: Conditions,
): Message {
  const { recipients: to, fields } = draft;
  const { lang } = options;
  const how = { ...sealing(options), ...conditions };
  if (Object.keys(fields).length === 0 && lang === undefined) return { to, content, type, headers, ...how };
  const init = { ...fields, ...(lang === undefined ? {} : { lang }), content: { type, body: content } };
  return { to, content: { message: init }, ...how };
}

interface Result {
  readonly outcomes: readonly Outcome[];
  /** Recipients whose relay keeps the message. */
  readonly held: ReadonlySet<string>;
  /** Whether an `ok` says that the message was delivered: not with APEX, whose relays answer before. */
  readonly certain: boolean;
}

/** Sends a message and, with `hold`, asks a relay to keep it only where its recipient is not attached: so both are told apart. */
async function sendOrHold(fred: Endpoint, message: Message): Promise<Result> {
  const { hold, ...now } = message;
  if (fred.dialect === 'apex') return { outcomes: await fred.sendEach(message), held: new Set(), certain: false };
  const written = new Date();
  const outcomes = await fred.sendEach(now);
  // 450: certainly not delivered, so nothing arrives twice.
  const absent = hold === true ? outcomes.filter(({ code }) => code === NOT_DELIVERED) : [];
  if (absent.length === 0) return { outcomes, held: new Set(), certain: true };
  // Whoever reads it tomorrow sees when it was written.
  const later = await fred.sendEach({ time: written, ...message, to: absent.map(({ recipient }) => recipient) });
  const kept = new Map(later.map((outcome) => [outcome.recipient, outcome]));
  return {
    outcomes: outcomes.map((outcome) => kept.get(outcome.recipient) ?? outcome),
    held: new Set(later.filter(({ accepted }) => accepted).map(({ recipient }) => recipient)),
    certain: true,
  };
}

/** What an `ok` means for a recipient. */
function successOf(recipient: string, { held, certain }: Result): string {
  if (held.has(recipient)) return 'held until they attach';
  return certain ? 'delivered' : 'accepted';
}

/** Prints one line per recipient if there are several. */
function show(outcomes: readonly Outcome[], octets: number, result: Result): void {
  const [only] = outcomes;
  if (outcomes.length === 1 && only !== undefined) {
    if (only.accepted && process.stdout.isTTY)
      print(
        `${successOf(only.recipient, result)}: ${octets} octets to ${shownName(only.recipient)} in ${only.ms.toFixed(1)} ms`,
      );
    return;
  }
  print(
    table(
      outcomes.map((outcome) => {
        const { recipient, code, text, accepted } = outcome;
        return [shownName(recipient), String(code ?? '-'), accepted ? successOf(recipient, result) : harmless(text)];
      }),
    ),
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

async function send(words: readonly string[], options: SendOptions): Promise<void> {
  const { from, lines } = options;
  const wanted = wantedOf(words, options);
  const draft = draftOf(wanted.to, options.subject);
  // A password that is typed comes before a message that is typed.
  const endpoint = {
    ...(await partyOptions(from, draft.recipients[0] ?? '', options)),
    ...(asksForSecurity(options) ? await secureFiles(options) : {}),
  };
  if (lines === true) {
    if (wanted.text !== undefined)
      throw new CommandError(EXIT.USAGE, '--lines reads standard input or --file, no text');
    await sendLines(wanted, draft, endpoint, options);
    return;
  }
  const content = await contentOf(wanted, draft);
  const fred = await attachToAsk(endpoint);
  try {
    process.exitCode = await sendOne(fred, content, wanted.file, draft, options);
  } finally {
    await fred.close();
  }
}

/** Sends a message for each line, one after the other, so that they arrive in order. Stops at the first that is not accepted. */
async function sendLines(
  { file }: Wanted,
  draft: Draft,
  endpoint: EndpointOptions,
  options: SendOptions,
): Promise<void> {
  const input = file === undefined || file === '-' ? process.stdin : createReadStream(file);
  const failed = new Promise<never>((_, reject) => {
    input.once('error', (error: unknown) => reject(fileError(file ?? 'standard input', error)));
  });
  failed.catch(() => {});
  const fred = await attachToAsk(endpoint);
  try {
    const sent = (async () => {
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        process.exitCode = await sendOne(fred, Buffer.from(line), undefined, draft, options);
        if (process.exitCode !== EXIT.OK) return;
      }
    })();
    await Promise.race([sent, failed]);
  } finally {
    await fred.close();
  }
}

/** @returns the exit code */
async function sendOne(
  fred: Endpoint,
  content: Buffer,
  file: string | undefined,
  draft: Draft,
  options: SendOptions,
): Promise<number> {
  const { from, json } = options;
  const { recipients: to, fields } = draft;
  const described = typeOf(file, content, options.type);
  const tracking = new Tracking(options, (told) => json !== true && note(reportText(told)));
  const facts = {
    from: from ?? fred.address,
    to,
    ...factsOf(fields),
    type: described.type,
    octets: content.length,
  };
  const message = messageOf(content, described, draft, options, tracking.conditions);
  const result = await withProgress(fred, file, content.length * to.length, () => sendOrHold(fred, message));
  const { outcomes } = result;
  const accepted = outcomes.filter((outcome) => outcome.accepted).map(({ recipient }) => recipient);
  const unconfirmed = await tracking.unconfirmed(accepted);
  if (json !== true) show(outcomes, content.length, result);
  if (json === true) printJson({ ...facts, ...resultOf(result), ...reportsOf(tracking.told) });
  const complaint = complaintOf(outcomes);
  if (complaint !== undefined) {
    complain(harmless(complaint));
    hint(sendHint(outcomes.find(({ error }) => error !== undefined)?.error, options.hold === true));
  }
  if (unconfirmed.length > 0) {
    complain(`no confirmation for ${unconfirmed.join(', ')} within the time limit`);
    hint('Whether it was delivered is not known: ask the recipient before you send it again.');
  }
  return exitOf(outcomes) || (unconfirmed.length > 0 ? EXIT.FAILED : EXIT.OK);
}

/** Shows how far a large message has come to the relay. */
async function withProgress<T>(
  fred: Endpoint,
  file: string | undefined,
  total: number,
  work: () => Promise<T>,
): Promise<T> {
  if (total < LARGE) return await work();
  const progress = new Progress({ what: `sending ${basename(file ?? '-').replace(/^-$/, 'standard input')}`, total });
  return await progress.during(() => total - Math.min(total, fred.unsentOctets), work);
}

function factsOf({ subject, inReplyTo }: Draft['fields']): object {
  return { ...(subject === undefined ? {} : { subject }), ...(inReplyTo === undefined ? {} : { inReplyTo }) };
}

/** The results as JSON: overall, and for each recipient. */
function resultOf({ outcomes, held }: Result): object {
  const results = outcomes.map(({ recipient, accepted, code, text, ms }) => {
    return {
      to: recipient,
      accepted,
      ...(held.has(recipient) ? { held: true } : {}),
      ...(code === undefined ? {} : { code }),
      text,
      ms: micros(ms),
    };
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

export function register(command: Command): void {
  command
    .argument('[words...]', 'the recipient and the text; with --to, the file to send; default: standard input')
    .option('--to <address>', 'a recipient, or an im: URI with its headers; may be repeated', severalRecipients)
    .option('--file <file>', 'file to send; - for standard input')
    .option('--lines', 'send a message for each line of the input')
    .option('--type <type>', 'media type; default: by the extension of the file, otherwise by its octets')
    .option('--subject <text>', 'send an instant message (message/RFC822+XML) with this subject')
    .option('--lang <tag>', 'language of subject and text, such as en or de-AT', languageArgument)
    .option('--json', 'print the result as JSON');
  withEndpoint(withAnonymous(withIdentity(withSealing(withConditions(command))))).action(send);
  explain(command, {
    about: `With --to the argument is a file; without it the first argument is the recipient and the others are the text, as in
imxp send barney@rubble.com Hello. Without a text or a file, standard input is sent. A file goes with its name and the media type of
its extension. It takes the place of no other program that is attached under your address.

The message is sent to each recipient separately, so that each result is known. For several recipients it prints a line
with code and text for each; for a single one the exit code tells, and at a terminal a line. Errors are printed on standard
error.

A recipient may be an im: URI, such as a web page or a mail program gives: im:barney@rubble.com?subject=Bowling. It may name
several, also as "Barney <barney@rubble.com>", and its headers to, cc, subject, in-reply-to, references, keywords and body are used; body is sent
where no file is given. --subject counts more than that of a URI.

With --hold a message for a recipient who is not attached counts as accepted once the recipient's relay has stored it; it is
delivered when they attach, and the output says that it is held ("held" with --json). With --lines each line is a message of its
own, sent after the answer to the one before; the first that is not accepted ends it. --return-trip waits for the confirmation of the delivery, in addition to
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
      'imxp send barney@rubble.com Bowling tonight?     # after imxp login',
      'imxp send barney@rubble.com --file photo.png',
      'tail -f log | imxp send barney@rubble.com --lines',
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
