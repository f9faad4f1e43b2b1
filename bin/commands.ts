/**
 * The commands of the program, in the order of its help. Each is loaded only when it is needed, because loading all of
 * them takes a second.
 */
import type { Register } from './support/program.js';

/** A file in `bin/`. */
type Loader = () => Promise<{ readonly register: Register }>;

const COMMANDS: ReadonlyMap<string, Loader> = new Map<string, Loader>([
  ['relay', () => import('./relay.js')],
  ['check', () => import('./check.js')],
  ['doctor', () => import('./doctor.js')],
  ['status', () => import('./status.js')],
  ['events', () => import('./events.js')],
  ['console', () => import('./console.js')],
  ['kick', () => import('./kick.js')],
  ['top', () => import('./top.js')],
  ['account', () => import('./account.js')],
  ['store', () => import('./store.js')],
  ['certs', () => import('./certs.js')],
  ['login', () => import('./login.js')],
  ['context', () => import('./context.js')],
  ['send', () => import('./send.js')],
  ['listen', () => import('./listen.js')],
  ['chat', () => import('./chat.js')],
  ['known', () => import('./known.js')],
  ['access', () => import('./access.js')],
  ['presence', () => import('./presence.js')],
  ['trace', () => import('./trace.js')],
  ['ping', () => import('./ping.js')],
  ['bench', () => import('./bench.js')],
  ['gateway', () => import('./gateway.js')],
  ['wire', () => import('./wire.js')],
  ['interop', () => import('./interop.js')],
  ['demo', () => import('./demo.js')],
  ['completion', () => import('./completion.js')],
]);

/** All commands, for the help and for documents about them. */
export async function allCommands(): Promise<Register[]> {
  return await Promise.all([...COMMANDS.values()].map(async (load) => (await load()).register));
}

/**
 * The commands that arguments need: the one they begin with, where there is one, and all for everything else, such as the
 * help or a misspelt command.
 */
export async function commandsFor(argument: string | undefined): Promise<Register[]> {
  if (argument === '--version' || argument === '-V') return [];
  const load = argument === undefined || argument === 'completion' ? undefined : COMMANDS.get(argument);
  return load === undefined ? await allCommands() : [(await load()).register];
}
