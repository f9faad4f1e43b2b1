/** `imxp console`: gives the URL of the console of a running node, with a token that ends by itself. */
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { withConfig } from './support/configuration.js';
import { openControl } from './support/control.js';
import { explain } from './support/manual.js';
import { hint, print, printJson } from './support/output.js';

interface ConsoleOptions {
  readonly config: string;
  readonly json?: boolean;
}

async function console({ config, json }: ConsoleOptions): Promise<void> {
  const { url }: { readonly url: string } = JSON.parse(await text(await openControl(config, '/console')));
  if (json === true) printJson({ url });
  else print(url);
  hint('Open it in a browser on this machine. Its token ends after an hour; whoever has it may operate this node.');
}

export function register(command: Command): void {
  command.option('--json', 'print the URL as JSON');
  withConfig(command).action(console);
  explain(command, {
    about: `The console on the admin port shows the state of a node to everybody who reaches the port. With the token in this URL it
shows the log, failed logins and bans as well, and traces the way to an address. The token ends after an hour or with the node.
The node is asked through the socket "control" in the directory of its store, so this is for the user of the node on the
same machine. From another machine: ssh -L 9913:127.0.0.1:9913 HOST, and open the URL there.`,
    exits: {
      0: 'printed',
      69: 'the node does not run, or has no console: its configuration has no "admin" section',
      77: 'this user may not enter the directory of the store',
      78: 'the configuration is not valid, or the node keeps its store in memory',
    },
    examples: ['imxp console --config mesh.json', 'chromium "$(imxp console)"'],
    see: ['imxp status', 'imxp events', 'imxp top'],
  });
}
