/** `imxp kick`: ends sessions of a running node. */
import type { Command } from 'commander';
import { withConfig } from './support/configuration.js';
import { askControl } from './support/control.js';
import { CommandError, EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
import { hint, print, printJson, table } from './support/output.js';
import { sessionRows } from './support/sessions.js';

interface KickOptions {
  readonly config: string;
  readonly reason?: string;
  readonly json?: boolean;
}

async function kick(whom: string, { config, reason = '', json }: KickOptions): Promise<void> {
  const query = new URLSearchParams({ whom, reason });
  const ended = await askControl(config, 'POST', `/kick?${query}`);
  if (json === true) printJson({ ended });
  else if (ended.length > 0) print(table(sessionRows(ended)));
  if (ended.length === 0) {
    throw new CommandError(EXIT.FAILED, `${whom} has no session`, { hint: 'imxp status --sessions shows all.' });
  }
  hint('They may come back: imxp account disable keeps an account out.');
}

export function register(command: Command): void {
  command
    .argument('<identity|session>', 'an address, a relay, or the id of a session')
    .option('--reason <text>', 'for the log of the node')
    .option('--json', 'print the sessions that were ended as JSON');
  withConfig(command).action(kick);
  explain(command, {
    about: `Ends the sessions of an account (fred@example.com, with all its subaddresses), of a relay (imxp=mesh@rubble.com), or one session
by its id. The node is asked through the socket "control" in the directory of its store, so this is for the user of the node
on the same machine.`,
    exits: {
      0: 'ended',
      1: 'there is no such session',
      69: 'the node does not run',
      77: 'this user may not enter the directory of the store',
      78: 'the configuration is not valid, or the node keeps its store in memory',
    },
    examples: [
      'imxp kick fred@example.com --config mesh.json --reason "lost laptop"',
      'imxp kick s12',
      'imxp account disable fred@example.com && imxp kick fred@example.com',
    ],
    see: ['imxp status', 'imxp account'],
  });
}
