/** `imxp chat`: a conversation, line by line: with people at a terminal, or with a script through pipes. */
import { once } from 'node:events';
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from 'node:readline';
import type { Command } from 'commander';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import { harmless, paint } from '../lib/ops/terminal.js';
import { Conversation, type Display, type Said, wordsFor } from './support/conversation.js';
import {
  addressArgument,
  attach,
  countArgument,
  type EndpointCommandOptions,
  endpointOptions,
  languageArgument,
  withEndpoint,
} from './support/endpoint.js';
import { EXIT } from './support/exit.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
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
const HELP = `Lines are sent as they are, but for these:
  /history   what was said, and what became of it
  /presence  is the other there?
  /help      this
  /quit      leave, as Ctrl-D does
  //text     send /text`;

/** Each line of a text behind who said it. */
function spoken({ who, text, subject, protection }: Said): string[] {
  const about = subject === undefined ? '' : ` (${harmless(subject)})`;
  // before anything that the other one has written
  const proof = protection === undefined ? '' : ` [${protection}]`;
  return harmless(text)
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `${paint('bold', harmless(who))}${proof}${paint('bold', `${about}:`)} ${line}`);
}

/** For scripts: one line for each message and each answer, no clock in it. */
class PipeDisplay implements Display {
  heard(said: Said): void {
    for (const line of spoken(said)) print(line);
  }

  settled({ number, state }: Said): void {
    print(state === '' ? `${TAKEN} ${number}` : `${NOT_TAKEN} ${number} ${harmless(state ?? '')}`);
  }

  present(): void {
    // A script that wants to know uses "imxp presence".
  }

  notice(text: string): void {
    note(harmless(text));
  }
}

/** For people: what comes is written above the line that is being typed. */
class TerminalDisplay implements Display {
  readonly #lines: Interface;
  #typing = true;

  constructor(lines: Interface) {
    this.#lines = lines;
    lines.once('close', () => {
      // The prompt stays where it is; what is still to be said comes below it.
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
    this.write(paint('dim', `* ${harmless(who)} is ${open ? 'there' : 'not there'}`));
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

/** One line that was typed. @returns false to leave */
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
      if (/^\/[a-z-]+$/i.test(line.trim())) display.notice(`there is no command ${line}; /help lists them`);
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

/** What both ways of talking have in common. */
interface Chat {
  readonly endpoint: Endpoint;
  readonly other: string;
  readonly options: ChatOptions;
  /** Ends it in order, from anywhere. */
  readonly leaving: AbortController;
}

/** Resolves when it is time to leave, or so many messages of the other were shown. */
async function over({ leaving }: Chat): Promise<void> {
  if (!leaving.signal.aborted) await once(leaving.signal, 'abort');
}

function conversationOf({ endpoint, other, options, leaving }: Chat, display: Display): Conversation {
  const { from: own, subject, lang, count = Number.POSITIVE_INFINITY } = options;
  const counted: Display = {
    heard: (said) => {
      display.heard(said);
      // The one shown just now is counted already.
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
  print(paint('dim', `Chat with ${other} as ${options.from}. Ctrl-D ends it, /help lists commands.`));
  lines.prompt();
  // One after the other: what a command shows is not mixed up with what follows it.
  let turn = Promise.resolve();
  lines.on('line', (line) => {
    turn = turn.then(async () => {
      if (!(await obey(line, conversation, display, leaving.signal))) leaving.abort();
    });
  });
  lines.on('SIGINT', () => leaving.abort());
  lines.on('close', () => leaving.abort());
  endpoint.on('disconnect', (error) => display.notice(`connection lost: ${error.message}; trying again`));
  endpoint.on('connect', () => display.notice('attached again'));
  const following = options.presence ? conversation.follow(leaving.signal) : Promise.resolve();
  await over(chat);
  await turn;
  await conversation.idle();
  lines.close();
  await following;
}

/** A line is sent when it is known what became of the one before: a script sees both in the same order each time. */
async function converse(chat: Chat): Promise<void> {
  const { endpoint, options, leaving } = chat;
  const conversation = conversationOf(chat, new PipeDisplay());
  endpoint.on('disconnect', (error) => note(`connection lost: ${harmless(error.message)}; trying again`));
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  leaving.signal.addEventListener('abort', () => lines.close(), { once: true });
  for await (const line of lines) {
    if (line !== '') await conversation.say(line);
    if (leaving.signal.aborted) break;
  }
  // Told how many answers to wait for, it stays after the end of its input.
  if (options.count !== undefined) await over(chat);
  await conversation.idle();
  if (conversation.refused > 0) process.exitCode = EXIT.FAILED;
}

async function chat(other: string, options: ChatOptions): Promise<void> {
  const settings = { ...(await endpointOptions(options.from, options)), ...(await secureFiles(options)) };
  const endpoint = await attach(settings, { reconnect: true });
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
    const both = { endpoint, other, options, leaving };
    await (process.stdin.isTTY && process.stdout.isTTY ? talk(both) : converse(both));
  } finally {
    await endpoint.close();
    process.off('SIGINT', leave);
    process.off('SIGTERM', leave);
    process.stdin.unref?.();
  }
  if (lost !== undefined) throw lost;
}

export function register(program: Command): void {
  const command = program
    .command('chat')
    .description('talk with somebody, line by line')
    .argument('<address>', 'whom to talk with', addressArgument)
    .requiredOption('--from <address>', 'who you are, whose password is needed', addressArgument)
    .option('--subject <text>', 'subject of what you say')
    .option('--lang <tag>', 'language of what you say, such as en or de-AT', languageArgument)
    .option('--count <n>', 'leave after so many messages of the other', countArgument)
    .option('--no-presence', 'do not ask whether the other is there');
  withEndpoint(withIdentity(withSealing(command))).action(chat);
  explain(command, {
    about: `At a terminal each line has a number when it was taken (✓ #1) or not (✗ #1, with the code and text); Ctrl-D leaves in order.
In a pipe, lines go in and lines come out: "✓ 1", "✗ 2 450 not attached", "barney@rubble.com: At eight.". The next line is
sent when the one before has its answer. With --count it waits for answers after the end of its input. Where somebody is
attached as you already, use a subaddress: --from fred/appl=chat@example.com.

With --sign and --encrypt-to what you say is signed and encrypted; of what the other says it is told in brackets who signed
it, and whether that is proven.`,
    exits: { 0: 'left', 1: 'in a pipe: a line was refused', ...ENDPOINT_EXITS },
    examples: [
      'imxp chat barney@rubble.com --from fred@example.com --password-file secrets/fred',
      'echo "Bowling tonight?" | imxp chat barney@rubble.com --from fred@example.com --count 1',
      'imxp chat barney@rubble.com --from fred@example.com --sign --identity certs/fred@example.com.crt \\\n      --encrypt-to certs/barney@rubble.com.crt --trust certs/ca.crt',
    ],
    see: ['imxp send', 'imxp listen', 'imxp presence'],
  });
}
