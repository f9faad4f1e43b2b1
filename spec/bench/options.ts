/** Command line of the benchmark. */
import { parseArgs } from 'node:util';
import { WAYS } from './mesh.js';
import { isPeerName, PEER_NAMES, type PeerName } from './peers.js';
import type { Setting } from './setting.js';

export const SECTIONS = [
  'layers',
  'start',
  'logins',
  'paths',
  'bulk',
  'growth',
  'memory',
  'presence',
  'gateway',
  'attacks',
  'workers',
  'accounts',
] as const;
export type Section = (typeof SECTIONS)[number];

export interface Options extends Setting {
  readonly sections: readonly Section[];
  readonly peers: readonly PeerName[];
  /** Where the results go as JSON; `-`: standard output. */
  readonly json: string | undefined;
  /** JSON of another run. */
  readonly compare: string | undefined;
  readonly traceGc: boolean;
  readonly attack: string | undefined;
}

export const HELP = `usage: npm run bench -- [SECTION ...] [OPTION ...]

Measures relays of the built program on this machine. Rounds of what is compared take turns; of each figure
the median is given, and the minimum and maximum. Quote ratios within one run: machines differ and drift.

sections; all but the peers unless some are named:
  layers     frames and Data operations, encoded and decoded
  start      the program and a relay until it is ready
  logins     CPU time of a login
  paths      messages of 100 octets over one relay and two: rate, CPU time, latency
  bulk       messages of 1 MiB and of 100 kB over two relays
  growth     CPU time with the size of messages, with idle endpoints, with routes
  memory     idle attached endpoints
  presence   publishing to subscribers
  gateway    messages to and from XMPP
  attacks    honest messages beside attackers
  workers    one worker and two: messages, logins, the hop between workers; calculated for 64 cores
  accounts   a domain of 1,000,000 accounts and 100,000 subscriptions beside an empty one

options:
  --quick            fewer and shorter rounds
  --ways LIST        of paths and bulk: tcp, tls, ws, wss; default: all (bulk with --quick: tcp)
  --against DIR      another build of the project, measured in the same rounds (paths, bulk, growth)
  --peers LIST       other servers beside the relay, those of ${PEER_NAMES.join(', ')}
                     that are installed: the same messages, acknowledged by the recipient's application
  --json FILE        write the results to FILE, or to standard output if it is -
  --compare FILE     each figure beside that of an earlier run, which --json wrote, with the ratio
  --trace-gc         of bulk: count the garbage collections of the relays
  --attack NAME      of attacks: idle, never-reading, churn, tls, presence or recipients only
  --help             this text

examples:
  npm run bench -- --quick
  npm run bench -- paths --ways tcp,tls --json before.json
  npm run bench -- paths --ways tcp,tls --compare before.json
  npm run bench -- bulk --against ../imxp-before --trace-gc
  npm run bench -- --peers mosquitto,nats,ejabberd,prosody
`;

/** @returns the text of the help where that is asked for @throws Error with a text that says what is wrong */
export function optionsOf(args: readonly string[]): Options | string {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      ways: { type: 'string' },
      against: { type: 'string' },
      peers: { type: 'string' },
      json: { type: 'string' },
      compare: { type: 'string' },
      'trace-gc': { type: 'boolean', default: false },
      attack: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return HELP;
  const sections = positionals.map((name) => {
    const section = SECTIONS.find((one) => one === name);
    if (section === undefined) throw new Error(`no section is called ${name}; there are ${SECTIONS.join(', ')}`);
    return section;
  });
  const peers = list(values.peers).map((name) => {
    if (!isPeerName(name)) throw new Error(`no peer is called ${name}; there are ${PEER_NAMES.join(', ')}`);
    return name;
  });
  const ways = list(values.ways).map((name) => {
    const way = WAYS.find((one) => one.name.toLowerCase() === name);
    if (way === undefined) throw new Error(`no way is called ${name}; there are tcp, tls, ws, wss`);
    return way;
  });
  return {
    // Peers alone are a run of their own.
    sections: sections.length === 0 && peers.length === 0 ? SECTIONS : sections,
    peers,
    quick: values.quick,
    ways: ways.length === 0 ? WAYS : ways,
    against: values.against,
    json: values.json,
    compare: values.compare,
    traceGc: values['trace-gc'],
    attack: values.attack,
  };
}

const list = (value: string | undefined): readonly string[] =>
  value === undefined ? [] : value.split(',').map((one) => one.trim().toLowerCase());
