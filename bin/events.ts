/** `imxp events`: shows the log of a running node as it is written. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Command, Option } from 'commander';
import { isKind, LOG_KINDS } from '../lib/admin/log-readers.js';
import { LOG_LEVELS, type LogLevel } from '../lib/ops/log.js';
import { prettyLine } from '../lib/ops/pretty.js';
import { colorful, visibleJson } from '../lib/ops/terminal.js';
import { withConfig } from './support/configuration.js';
import { openControl } from './support/control.js';
import { countArgument } from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
import { argument } from './support/names.js';
import { note } from './support/output.js';

interface EventsOptions {
  readonly config: string;
  readonly level: LogLevel;
  readonly kind?: readonly string[];
  readonly session?: string;
  readonly peer?: string;
  readonly count?: number;
  readonly json?: boolean;
}

const kindArgument = argument((text) => {
  if (!isKind(text)) throw new Error(`no kind of event; there are ${LOG_KINDS.join(', ')}.`);
  return text;
});

function queryOf({ level, kind = [], session, peer }: EventsOptions): URLSearchParams {
  const query = new URLSearchParams({ level });
  for (const one of kind) query.append('kind', one);
  if (session !== undefined) query.set('session', session);
  if (peer !== undefined) query.set('peer', peer);
  return query;
}

async function events(options: EventsOptions): Promise<void> {
  const { config, json, count = Number.POSITIVE_INFINITY } = options;
  const stream = await openControl(config, `/events?${queryOf(options)}`);
  let left = false;
  const leave = (): void => {
    left = true;
    stream.destroy();
  };
  const lines = createInterface({ input: stream });
  // A node that is killed ends the stream with an error, and so does leaving it.
  stream.on('error', () => {});
  stream.once('close', () => lines.close());
  process.once('SIGINT', leave);
  process.once('SIGTERM', leave);
  note('reading the log of the node; Ctrl-C ends');
  const color = colorful(process.stdout);
  let shown = 0;
  try {
    for await (const line of lines) {
      const text = json === true ? `${visibleJson(line)}\n` : prettyLine(line, color);
      // The node is not read from while the reader of the output is slow.
      if (!process.stdout.write(text)) await once(process.stdout, 'drain');
      shown += 1;
      if (shown >= count) return;
    }
  } catch (error) {
    if (!stream.destroyed) throw error;
  } finally {
    stream.destroy();
    process.off('SIGINT', leave);
    process.off('SIGTERM', leave);
  }
  if (!left)
    throw new CommandError(EXIT.UNAVAILABLE, 'the node has ended its log', { hint: 'It stopped, or starts again.' });
}

export function register(command: Command): void {
  command
    .addOption(
      new Option('--level <level>', 'least level, whatever log.level of the node is')
        .choices(LOG_LEVELS.filter((level) => level !== 'silent'))
        .default('info'),
    )
    .option(
      '--kind <kind>',
      'only this kind of event and those below it: session, session:refused, relay, link, …; may be repeated',
      (text: string, others: readonly string[] = []) => [...others, kindArgument(text)],
    )
    .option('--session <id>', 'only the lines of this session')
    .option('--peer <who>', 'only lines about an IP address, an address, a relay or a domain, and its sessions')
    .option('--count <n>', 'stop after this many lines', countArgument)
    .option('--json', 'print the lines as JSON, as the node writes them');
  withConfig(command).action(events);
  explain(command, {
    about: `Reads the log of the node on this machine, of all its workers, from now on. The log of the node itself does not
change: with --level debug its messages are shown here, one line for each Data operation, while it goes on to log what its
configuration says. The filters are applied by the node, and a line must pass all of them.

The node never waits for this program. Whoever reads too slowly misses lines, and is told how many. Up to eight programs can read
at a time. The node is asked through the socket "control" in the directory of its store, so this is for the user of the node.

Kinds: ${LOG_KINDS.join(', ')}.`,
    exits: {
      0: 'interrupted, or --count lines were shown',
      69: 'the node does not run, has stopped, or too many programs read its log',
      77: 'this user may not enter the directory of the store',
      78: 'the configuration is not valid, or the node keeps its store in memory',
    },
    examples: [
      'imxp events --config mesh.json',
      'imxp events --level warn --kind session --kind link',
      'imxp events --level debug --peer fred@example.com',
      'imxp events --level debug --kind relay:forward --json | jq .ms',
      'imxp events --session s12',
    ],
    see: ['imxp status', 'imxp top', 'docs/reference/log.md'],
  });
}
