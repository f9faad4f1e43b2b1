/** `imxp chat`: holds a conversation line by line, at a terminal or through pipes. */
import { once } from 'node:events';
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from 'node:readline';
import type { Command } from 'commander';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import { harmless, paint } from '../lib/ops/terminal.js';
import { Conversation, type Display, type Said, wordsFor } from './support/conversation.js';
import { draftOf } from './support/draft.js';
import {
  attachBeside,
  countArgument,
  type EndpointCommandOptions,
  endpointOptions,
  fromOption,
  languageArgument,
  withEndpoint,
} from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { type Recipients, recipientsArgument, shownName } from './support/names.js';
import { note, print } from './support/output.js';
import { type SecureCommandOptions, sealing, secureFiles, withIdentity, withSealing } from './support/secure.js';

interface ChatOptions extends EndpointCommandOptions, SecureCommandOptions {
  readonly from: string;
  readonly subject?: string;
  readonly lang?: string;
  readonly count?: number;
  readonly presence: boolean;
}

const TAKEN = '✓';
const NOT_TAKEN = '✗';
const PROMPT = '> ';
const HELP = `Lines are sent as typed, except these:
  /history   show all messages and their results
  /presence  ask whether the other side is present
  /help      show this help
  /quit      leave, like Ctrl-D
  //text     send /text`;

/** Lines of a message, each after the sender's address. */
function spoken({ who, text, subject, protection }: Said): string[] {
  const about = subject === undefined ? '' : ` (${harmless(subject)})`;
  // Comes before anything that the other side has written.
  const proof = protection === undefined ? '' : ` [${protection}]`;
  return harmless(text)
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `${paint('bold', shownName(who))}${proof}${paint('bold', `${about}:`)} ${line}`);
}

/** Output for scripts: one line per message and per answer, without times. */
class PipeDisplay implements Display {
  heard(said: Said): void {
    for (const line of spoken(said)) print(line);
  }

  settled({ number, state }: Said): void {
    print(state === '' ? `${TAKEN} ${number}` : `${NOT_TAKEN} ${number} ${harmless(state ?? '')}`);
  }

  present(): void {
    // Scripts use "imxp presence".
  }

  notice(text: string): void {
    note(harmless(text));
  }
}

/** Output for terminals: incoming messages appear above the line being typed. */
class TerminalDisplay implements Display {
  readonly #lines: Interface;
  #typing = true;

  constructor(lines: Interface) {
    this.#lines = lines;
    lines.once('close', () => {
      // The prompt stays where it is; further output goes below it.
      if (this.#typing) print();
      this.#typing = false;
    });
  }

  heard(said: Said): void {
    this.write(...spoken(said).map((line) => `${paint('dim', clock(said.at))} ${line}`));
  }

  settled({ number, state }: Said, ms: number): void {
    const taken = paint('green', `${TAKEN} #${number}`);
    if (state === '') this.write(`  ${taken} ${paint('dim', `${Math.max(1, Math.round(ms))} ms`)}`);
    else this.write(`  ${paint('red', `${NOT_TAKEN} #${number}`)} ${harmless(state ?? '')}`);
  }

  present(who: string, open: boolean): void {
    this.write(paint('dim', `* ${shownName(who)} is ${open ? 'present' : 'not present'}`));
  }

  notice(text: string): void {
    this.write(paint('yellow', `* ${harmless(text)}`));
  }

  write(...lines: readonly string[]): void {
    const { stdout } = process;
    if (this.#typing && this.#lines.terminal) {
      moveCursor(stdout, 0, -this.#lines.getCursorPos().rows);
      cursorTo(stdout, 0);
      clearScreenDown(stdout);
    }
    for (const line of lines) print(line);
    if (this.#typing) this.#lines.prompt(true);
  }
}

function clock(at: Date): string {
  return [at.getHours(), at.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':');
}

/** Handles one typed line. @returns false to leave */
async function obey(
  line: string,
  conversation: Conversation,
  display: TerminalDisplay,
  signal: AbortSignal,
): Promise<boolean> {
  switch (line.trim()) {
    case '':
      display.write();
      return true;
    case '/quit':
      return false;
    case '/help':
      display.write(HELP);
      return true;
    case '/history':
      display.write(...conversation.history.flatMap(recalled));
      return true;
    case '/presence':
      await asked(conversation, display, signal);
      return true;
    default:
      if (/^\/[a-z-]+$/i.test(line.trim())) display.notice(`unknown command ${line}; /help lists the commands`);
      else void conversation.say(line.startsWith('//') ? line.slice(1) : line);
      return true;
  }
}

function recalled(said: Said): string[] {
  const state = said.state === undefined ? '…' : said.state === '' ? TAKEN : `${NOT_TAKEN} ${harmless(said.state)}`;
  const mark = said.number === undefined ? '' : `  ${state}`;
  return spoken(said).map((line, index) => `${clock(said.at)} ${line}${index === 0 ? mark : ''}`);
}

async function asked(conversation: Conversation, display: TerminalDisplay, signal: AbortSignal): Promise<void> {
  try {
    const { publisher, open } = await conversation.ask(signal);
    display.present(publisher, open);
  } catch (error) {
    if (!signal.aborted) display.notice(wordsFor(error));
  }
}

/** What both modes have in common. */
interface Chat {
  readonly endpoint: Endpoint;
  readonly other: string;
  readonly options: ChatOptions;
  /** The text to begin with. */
  readonly body: string | undefined;
  /** What the first message replies to. */
  readonly inReplyTo: string | undefined;
  /** Ends the chat in order; may be aborted from anywhere. */
  readonly leaving: AbortController;
}

/** Resolves when it is time to leave. */
async function over({ leaving }: Chat): Promise<void> {
  if (!leaving.signal.aborted) await once(leaving.signal, 'abort');
}

function conversationOf({ endpoint, other, options, inReplyTo, leaving }: Chat, display: Display): Conversation {
  // Answers come to the address that the messages come from.
  const own = endpoint.addresses[0] ?? options.from;
  const { subject, lang, count = Number.POSITIVE_INFINITY } = options;
  const counted: Display = {
    heard: (said) => {
      display.heard(said);
      // The message just shown is already counted.
      if (conversation.heard >= count) leaving.abort();
    },
    settled: (said, ms) => display.settled(said, ms),
    present: (who, open) => display.present(who, open),
    notice: (text) => display.notice(text),
  };
  const conversation = new Conversation({
    endpoint,
    own,
    other,
    subject,
    inReplyTo,
    lang,
    sealing: sealing(options),
    display: counted,
  });
  return conversation;
}

async function talk(chat: Chat): Promise<void> {
  const { endpoint, other, options, leaving } = chat;
  const terminal = process.env['TERM'] !== 'dumb';
  const { stdin: input, stdout: output } = process;
  const lines = createInterface({ input, output, terminal, prompt: PROMPT, historySize: 1000 });
  const display = new TerminalDisplay(lines);
  const conversation = conversationOf(chat, display);
  print(
    paint(
      'dim',
      `Chatting with ${shownName(other)} as ${shownName(endpoint.addresses[0] ?? options.from)}. Ctrl-D leaves, /help lists the commands.`,
    ),
  );
  lines.prompt();
  // RFC 2368 §2: the text of a URI is filled in; whoever reads it decides to send it.
  if (chat.body !== undefined) lines.write(chat.body.replaceAll('\n', ' '));
  // One after another, so that the output of a command is not mixed with what follows.
  let turn = Promise.resolve();
  lines.on('line', (line) => {
    turn = turn.then(async () => {
      if (!(await obey(line, conversation, display, leaving.signal))) leaving.abort();
    });
  });
  lines.on('SIGINT', () => leaving.abort());
  lines.on('close', () => leaving.abort());
  endpoint.on('disconnect', (error) => display.notice(`connection lost: ${error.message}; reconnecting`));
  endpoint.on('connect', () => display.notice('reconnected'));
  const following = options.presence ? conversation.follow(leaving.signal) : Promise.resolve();
  await over(chat);
  await turn;
  await conversation.idle();
  lines.close();
  await following;
}

/** The lines of standard input, until the signal is aborted. */
function inputLines(signal: AbortSignal): AsyncIterable<string> | readonly string[] {
  if (signal.aborted) return [];
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  signal.addEventListener('abort', () => lines.close(), { once: true });
  return lines;
}

/** Sends a line when the result of the one before is known, so that scripts see the same order each time. */
async function converse(chat: Chat): Promise<void> {
  const { endpoint, options, leaving } = chat;
  const conversation = conversationOf(chat, new PipeDisplay());
  endpoint.on('disconnect', (error) => note(`connection lost: ${harmless(error.message)}; reconnecting`));
  // Before the input is read: an end that comes meanwhile would be missed.
  if (chat.body !== undefined) await conversation.say(chat.body);
  for await (const line of inputLines(leaving.signal)) {
    if (line !== '') await conversation.say(line);
    if (leaving.signal.aborted) break;
  }
  // With --count it waits for answers after the end of its input.
  if (options.count !== undefined) await over(chat);
  await conversation.idle();
  if (conversation.refused > 0) process.exitCode = EXIT.FAILED;
}

async function chat(whom: Recipients, given: ChatOptions): Promise<void> {
  const { recipients, fields, body } = draftOf([whom], given.subject);
  const [other = ''] = recipients;
  if (recipients.length > 1)
    throw new CommandError(EXIT.USAGE, 'a chat is with one endpoint, and the URI names several; imxp send takes it');
  const options = typeof fields.subject === 'string' ? { ...given, subject: fields.subject } : given;
  const settings = { ...(await endpointOptions(options.from, options)), ...(await secureFiles(options)) };
  const endpoint = await attachBeside(settings, 'chat', { reconnect: true });
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  process.once('SIGINT', leave);
  process.once('SIGTERM', leave);
  let lost: Error | undefined;
  endpoint.on('close', (error) => {
    lost = error;
    leave();
  });
  try {
    const both = { endpoint, other, options, leaving, body, inReplyTo: fields.inReplyTo };
    await (process.stdin.isTTY && process.stdout.isTTY ? talk(both) : converse(both));
  } finally {
    await endpoint.close();
    process.off('SIGINT', leave);
    process.off('SIGTERM', leave);
    process.stdin.unref?.();
  }
  if (lost !== undefined) throw lost;
}

export function register(command: Command): void {
  command
    .argument('<address>', 'the other side, or its im: URI with its headers', recipientsArgument)
    .addOption(fromOption())
    .option('--subject <text>', 'subject of your messages')
    .option('--lang <tag>', 'language of your messages, such as en or de-AT', languageArgument)
    .option('--count <n>', 'leave after this many messages from the other side', countArgument)
    .option('--no-presence', 'do not subscribe to the presence of the other side');
  withEndpoint(withIdentity(withSealing(command))).action(chat);
  explain(command, {
    about: `At a terminal each line is numbered and marked as accepted (✓ #1) or not (✗ #1, with code and text); Ctrl-D leaves in
order. In a pipe, input lines are sent and output lines look like "✓ 1", "✗ 2 450 not attached" and "barney@rubble.com: At
eight."; each line is sent after the answer to the one before. With --count it waits for answers after the end of the
input. Beside another program that is attached under your address it uses a subaddress of its own, and answers come there.

With an im: URI its subject and in-reply-to are used; its body is filled in as the first line, and in a pipe sent as such.

With --sign and --encrypt-to your messages are signed and encrypted. For messages of the other side, brackets show who
signed them and whether the signature is valid.`,
    exits: { 0: 'left in order', 1: 'in a pipe: a line was not accepted', ...ENDPOINT_EXITS },
    examples: [
      'imxp chat barney@rubble.com --from fred@example.com',
      'echo "Hello" | imxp chat barney@rubble.com --from fred@example.com --count 1',
      'imxp chat barney@rubble.com --from fred@example.com --sign \\\n      --identity certs/fred@example.com.crt \\\n      --encrypt-to certs/barney@rubble.com.crt --trust certs/ca.crt',
    ],
    see: ['imxp send', 'imxp listen', 'imxp presence'],
  });
}
