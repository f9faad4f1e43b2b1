/** `imxp context`: shows, chooses and removes what `imxp login` has stored. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { accountOf } from './support/context-options.js';
import { type Context, contextDirectory, contextNamed, readContexts, writeContexts } from './support/contexts.js';
import { CommandError, EXIT } from './support/exit.js';
import { forget } from './support/keyring.js';
import { explain } from './support/manual.js';
import { print, printJson, table } from './support/output.js';

interface ContextOptions {
  readonly json?: boolean;
}

async function list({ json }: ContextOptions): Promise<void> {
  const { current, contexts } = await readContexts();
  const all = Object.entries(contexts).sort(([one], [other]) => (one < other ? -1 : 1));
  if (json === true) {
    printJson(all.map(([name, context]) => ({ name, current: name === current, ...context })));
    return;
  }
  const row = ([name, { from, relay = 'by DNS' }]: [string, Context]): string[] => {
    return [name === current ? '*' : '', name, from, relay];
  };
  if (all.length > 0) print(table([['', 'NAME', 'ADDRESS', 'RELAY'], ...all.map(row)]));
}

async function use(name: string): Promise<void> {
  const contexts = await readContexts();
  contextNamed(name, contexts);
  await writeContexts({ ...contexts, current: name });
}

async function show(given: string | undefined, { json }: ContextOptions): Promise<void> {
  const contexts = await readContexts();
  const name = given ?? contexts.current;
  if (name === undefined) {
    throw new CommandError(EXIT.USAGE, 'no context is in use', { hint: 'Make one: imxp login ADDRESS.' });
  }
  const { password, ...context } = contextNamed(name, contexts);
  const place = typeof password === 'string' ? password : password.file;
  if (json === true) printJson({ name, ...context, password: place });
  else print(table(Object.entries({ name, ...context, password: place }).map(([key, value]) => [key, value ?? ''])));
}

async function remove(name: string): Promise<void> {
  const contexts = await readContexts();
  const { from, password } = contextNamed(name, contexts);
  const { [name]: _, ...others } = contexts.contexts;
  const { current } = contexts;
  await writeContexts({ ...(current === undefined || current === name ? {} : { current }), contexts: others });
  const shared = Object.values(others).some((other) => accountOf(other.from) === accountOf(from));
  if (password === 'keyring' && !shared) await forget(accountOf(from));
  // A password file of the user's own stays.
  if (typeof password === 'object' && dirname(password.file) === contextDirectory())
    await rm(password.file, { force: true });
}

const EXITS = {
  0: 'done',
  64: 'invalid command line, or no such context',
  78: 'the file of the contexts is not usable',
};
const EXAMPLES = {
  list: 'imxp context list --json | jq -r .[].from',
  use: 'imxp context use work',
  show: 'imxp context show',
  rm: 'imxp context rm work',
};

export function register(context: Command): void {
  const see = ['imxp login'];
  explain(context, {
    about: `A context is an address with its relay and the place of its password. One is in use; --context or IMXP_CONTEXT
names another for a single command.`,
    exits: EXITS,
    examples: Object.values(EXAMPLES),
    see,
  });
  const command = (name: keyof typeof EXAMPLES, description: string): Command => {
    const made = context.command(name).description(description);
    return explain(made, { exits: EXITS, examples: [EXAMPLES[name]], see: ['imxp context', ...see] });
  };
  command('list', 'list the contexts; * marks the one in use').option('--json', 'print them as JSON').action(list);
  command('use', 'use a context from now on').argument('<name>', 'the context').action(use);
  command('show', 'show a context, without its password')
    .argument('[name]', 'the context; default: the one in use')
    .option('--json', 'print it as JSON')
    .action(show);
  command('rm', 'remove a context, and the password that was stored for it')
    .argument('<name>', 'the context')
    .action(remove);
}
