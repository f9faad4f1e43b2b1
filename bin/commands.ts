/**
 * The commands of the program, in the order of its help. Each is loaded only when it is needed, because loading all of
 * them takes a second; the help of the program needs none.
 */
import type { CommandEntry, Register } from './support/program.js';

interface Loadable {
  readonly description: string;
  /** Loads the file in `bin/`. */
  readonly load: () => Promise<{ readonly register: Register }>;
}

const COMMANDS: Readonly<Record<string, Loadable>> = {
  relay: { description: 'run a node', load: () => import('./relay.js') },
  check: { description: 'report every problem in a configuration', load: () => import('./check.js') },
  doctor: {
    description: 'list what is wrong with a node here, and what to do about it',
    load: () => import('./doctor.js'),
  },
  status: { description: 'show the state of a running node', load: () => import('./status.js') },
  events: { description: 'show the log of a running node as it is written', load: () => import('./events.js') },
  console: {
    description: 'print the URL of the console of a running node, with a token',
    load: () => import('./console.js'),
  },
  kick: { description: 'end sessions of a running node', load: () => import('./kick.js') },
  top: {
    description: 'show a running node live: sessions, messages by next hop, latencies, links, memory',
    load: () => import('./top.js'),
  },
  account: {
    description: 'manage the accounts of a node: who may log in, and their quotas',
    load: () => import('./account.js'),
  },
  store: { description: 'copy the store of a node', load: () => import('./store.js') },
  certs: {
    description: 'make a CA for development, and certificates for relays and endpoints',
    load: () => import('./certs.js'),
  },
  login: { description: 'store who you are and your relay, for all later commands', load: () => import('./login.js') },
  context: { description: 'show, choose and remove what imxp login has stored', load: () => import('./context.js') },
  send: { description: 'send a message and report whether it was accepted', load: () => import('./send.js') },
  listen: {
    description: 'attach as an endpoint and print the messages that arrive',
    load: () => import('./listen.js'),
  },
  chat: { description: 'chat with an endpoint, line by line', load: () => import('./chat.js') },
  known: { description: 'show and change which certificates are known (S/MIME)', load: () => import('./known.js') },
  access: { description: 'show and change who may do what to your endpoint', load: () => import('./access.js') },
  presence: { description: 'publish your presence and see that of others', load: () => import('./presence.js') },
  trace: {
    description: 'show every relay on the path to an endpoint, its answer and its time',
    load: () => import('./trace.js'),
  },
  ping: {
    description: 'check whether an endpoint can be reached and how long that takes',
    load: () => import('./ping.js'),
  },
  bench: {
    description: 'measure how many messages a running relay delivers, and how long they take',
    load: () => import('./bench.js'),
  },
  gateway: { description: 'connect the mesh with another system: XMPP or mail', load: () => import('./gateway.js') },
  wire: { description: 'decode a recorded byte stream into frames and operations', load: () => import('./wire.js') },
  interop: {
    description: 'check the conformance of a BEEP or IMXP listener and show the octets of what fails',
    load: () => import('./interop.js'),
  },
  demo: {
    description: 'run two domains on this machine and send messages between them',
    load: () => import('./demo.js'),
  },
  completion: { description: 'print a completion script for a shell', load: () => import('./completion.js') },
};

async function loaded(name: string, { description, load }: Loadable): Promise<CommandEntry> {
  return { name, description, register: (await load()).register };
}

/** All commands, for documents about them. */
export async function allCommands(): Promise<CommandEntry[]> {
  return await Promise.all(Object.entries(COMMANDS).map(([name, command]) => loaded(name, command)));
}

/**
 * The commands that a command line needs: the one that it names, where it names one, and otherwise, as for the help of the
 * program or a misspelt command, the names and descriptions of all.
 *
 * @param argv the arguments of the program; an option before a command is one of the program, whose help it shows, or none
 */
export async function commandsFor(argv: readonly string[]): Promise<CommandEntry[]> {
  const [first = '', ...others] = argv[0] === '--' ? argv.slice(1) : argv;
  const asked = first === 'help' ? (others.find((argument) => !argument.startsWith('-')) ?? '') : first;
  // The script for a shell completes all of them.
  if (asked === 'completion') return await allCommands();
  const command = Object.hasOwn(COMMANDS, asked) ? COMMANDS[asked] : undefined;
  if (command !== undefined) return [await loaded(asked, command)];
  return Object.entries(COMMANDS).map(([name, { description }]) => ({ name, description, register: undefined }));
}
