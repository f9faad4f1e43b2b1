/** Options of endpoint commands from a context: fills in what the command line and the environment leave open. */
import type { Command } from 'commander';
import { parseRelayUrl } from '../../lib/config/relay-url.js';
import { addressOf } from '../../lib/imxp/address.js';
import { type Context, contextNamed, readContexts } from './contexts.js';
import { CommandError, EXIT } from './exit.js';

/** Where a password is that is neither given nor in the environment. */
export interface StoredPassword {
  readonly file?: string;
  /** The account whose password the keyring has. */
  readonly keyring?: string;
}

/**
 * Completes the options of a command before its action.
 *
 * @throws CommandError USAGE when nobody says who the user is, or the context does not exist; CONFIGURATION
 */
export async function completeOptions(command: Command): Promise<void> {
  const named: unknown = command.getOptionValue('context');
  const anonymous = command.getOptionValue('anonymous') === true;
  const context = anonymous ? undefined : await contextFor(command, typeof named === 'string' ? named : undefined);
  if (context !== undefined) apply(command, context);
  if (anonymous || command.getOptionValue('from') !== undefined) return;
  const without = command.options.some(({ long }) => long === '--anonymous') ? ', or --anonymous' : '';
  throw new CommandError(EXIT.USAGE, `say who you are with --from${without}`, {
    hint: 'Give --from ADDRESS (or IMXP_FROM), or log in once: imxp login ADDRESS.',
  });
}

async function contextFor(command: Command, named: string | undefined): Promise<Context | undefined> {
  const contexts = await readContexts();
  if (named !== undefined) return contextNamed(named, contexts);
  if (contexts.current === undefined) return undefined;
  const context = contextNamed(contexts.current, contexts);
  // Somebody else's context says nothing about this account.
  const from: unknown = command.getOptionValue('from');
  return from === undefined || accountOf(String(from)) === accountOf(context.from) ? context : undefined;
}

function apply(command: Command, context: Context): void {
  const { from, relay, password, ...others } = context;
  const fill = (name: string, value: unknown): void => {
    if (value !== undefined && command.getOptionValue(name) === undefined) {
      command.setOptionValueWithSource(name, value, 'config');
    }
  };
  fill('from', from);
  fill('relay', relay === undefined ? undefined : parseRelayUrl(relay));
  for (const [name, value] of Object.entries(others)) fill(name, value);
  if (password === 'ask' || accountOf(String(command.getOptionValue('from'))) !== accountOf(from)) return;
  const stored: StoredPassword = password === 'keyring' ? { keyring: accountOf(from) } : password;
  fill('storedPassword', stored);
}

/** The account that an address logs in as. */
export function accountOf(address: string): string {
  return addressOf(address)?.base ?? address;
}
