/**
 * XMPP servers of Debian as processes on loopback, each with a component for the gateway, and an XMPP client
 * (`xmpp-client.py`, slixmpp). Neither shares code with the gateway. Where they are missing, root has them installed.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PresenceUpdate } from '../../lib/endpoint/presence-info.js';
import { freePort } from '../support/free-port.js';
import { SECRET_FILE } from '../support/gateway-stage.js';
import { within } from '../support/within.js';
import { LineProcess } from './peer-process.js';

export const XMPP_DOMAIN = 'slate.example';
/** Another domain of the servers, with the same users. */
export const OTHER_XMPP_DOMAIN = 'capulet.example';
export const COMPONENT_DOMAIN = 'example.com';
export const COMPONENT_SECRET = 'quarry secret';
/** Of the accounts of the servers. */
export const XMPP_USERS = ['romeo', 'juliet'] as const;
export const XMPP_PASSWORD = 'balcony';

const PYTHON = '/usr/bin/python3';
const START_MS = 300_000;
/** The log of Mnesia is written after two seconds. */
const MNESIA_MS = 5000;
/** On a busy machine. */
const EVENT_MS = 60_000;
/** A client that says nothing for that long. */
const QUIET_MS = 600_000;

export interface XmppServer {
  readonly clientPort: number;
  readonly componentPort: number;
  /** Time after which it has written what its users have changed; a kill before that loses it. */
  readonly writesAfterMs: number;
  /** Of its process, while it runs. */
  readonly pid: number | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** How a gateway is configured to be components of a server. */
export function atServer(
  { componentPort }: XmppServer,
  components: readonly { readonly domain: string; readonly mesh?: string }[] = [{ domain: COMPONENT_DOMAIN }],
): object {
  return { port: componentPort, components: components.map((one) => ({ ...one, secretFile: SECRET_FILE })) };
}

/** Prosody, with its data in a directory, and with components that have one secret. */
export async function prosody(
  directory: string,
  components: readonly string[] = [COMPONENT_DOMAIN],
): Promise<XmppServer> {
  const [clientPort, componentPort] = [await freePort(), await freePort()];
  for (const domain of [XMPP_DOMAIN, OTHER_XMPP_DOMAIN]) {
    const accounts = join(directory, 'data', domain.replaceAll('.', '%2e'), 'accounts');
    await mkdir(accounts, { recursive: true });
    for (const user of XMPP_USERS)
      await writeFile(join(accounts, `${user}.dat`), `return { ["password"] = "${XMPP_PASSWORD}"; };\n`);
  }
  const config = join(directory, 'prosody.cfg.lua');
  await writeFile(
    config,
    [
      'run_as_root = true',
      `pidfile = "${directory}/prosody.pid"`,
      `data_path = "${directory}/data"`,
      'log = { info = "*console" }',
      'interfaces = { "127.0.0.1" }',
      `c2s_ports = { ${clientPort} }`,
      'c2s_direct_tls_ports = {} s2s_ports = {} http_ports = {} https_ports = {}',
      `component_ports = { ${componentPort} }`,
      'component_interfaces = { "127.0.0.1" }',
      'modules_enabled = { "roster", "saslauth", "disco", "ping" }',
      'modules_disabled = { "s2s", "tls", "offline" }',
      'authentication = "internal_plain"',
      'allow_unencrypted_plain_auth = true',
      'c2s_require_encryption = false',
      `VirtualHost "${XMPP_DOMAIN}"`,
      `VirtualHost "${OTHER_XMPP_DOMAIN}"`,
      ...components.flatMap((domain) => [`Component "${domain}"`, `  component_secret = "${COMPONENT_SECRET}"`]),
    ].join('\n'),
  );
  const start = () => new LineProcess('prosody', ['--config', config, '-F']);
  const ready = (line: string) => line.includes("'component' on") && line.includes(String(componentPort));
  return served({ clientPort, componentPort, writesAfterMs: 0 }, 'Prosody', start, ready);
}

/** ejabberd, with its data in a directory, and as a node of Erlang that no other can reach. */
export async function ejabberd(directory: string): Promise<XmppServer> {
  const [clientPort, componentPort] = [await freePort(), await freePort()];
  const config = join(directory, 'ejabberd.yml');
  const listener = (port: number, module: string) => [
    `  - port: ${port}`,
    '    ip: "127.0.0.1"',
    `    module: ${module}`,
  ];
  await writeFile(
    config,
    [
      'hosts:',
      `  - ${XMPP_DOMAIN}`,
      `  - ${OTHER_XMPP_DOMAIN}`,
      'auth_method: internal',
      'listen:',
      ...listener(clientPort, 'ejabberd_c2s'),
      '    starttls: false',
      ...listener(componentPort, 'ejabberd_service'),
      '    hosts:',
      `      ${COMPONENT_DOMAIN}:`,
      `        password: "${COMPONENT_SECRET}"`,
      'modules:',
      '  mod_roster: {}',
      '  mod_disco: {}',
      '  mod_ping: {}',
    ].join('\n'),
  );
  const environment = {
    ERL_LIBS: '/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu',
    EJABBERD_CONFIG_PATH: config,
    EJABBERD_LOG_PATH: join(directory, 'ejabberd.log'),
    SPOOL_DIR: directory,
    HOME: directory,
  };
  const users = XMPP_USERS.map((user) => `<<"${user}">>`).join(',');
  const domains = [XMPP_DOMAIN, OTHER_XMPP_DOMAIN].map((domain) => `<<"${domain}">>`).join(',');
  const each = `U <- [${users}], D <- [${domains}]`;
  const register = `[ejabberd_auth:try_register(U,D,<<"${XMPP_PASSWORD}">>) || ${each}]`;
  const args = ['-noinput', '-mnesia', 'dir', `"${directory}/mnesia"`, '-s', 'ejabberd'];
  const start = () =>
    new LineProcess('erl', [...args, '-eval', `${register}, io:format("~nready for clients~n").`], environment);
  return served(
    { clientPort, componentPort, writesAfterMs: MNESIA_MS },
    'ejabberd',
    start,
    (line) => line === 'ready for clients',
  );
}

/** A server that is started and killed. */
function served(
  facts: Pick<XmppServer, 'clientPort' | 'componentPort' | 'writesAfterMs'>,
  name: string,
  make: () => LineProcess,
  isReady: (line: string) => boolean,
): XmppServer {
  let running: LineProcess | undefined;
  return {
    ...facts,
    get pid() {
      return running?.pid;
    },
    async start() {
      const server = make();
      running = server;
      const lines: string[] = [];
      const listening = async (): Promise<void> => {
        for (;;) {
          const line = await server.line(START_MS);
          if (line === undefined) throw new Error(`${name} ended: ${lines.join('\n')} ${server.stderr}`);
          lines.push(line);
          if (isReady(line)) return;
        }
      };
      await within(START_MS, listening(), () => `${name} listens: ${lines.join('\n')} ${server.stderr}`);
    },
    async stop() {
      await running?.kill();
      running = undefined;
    },
  };
}

/** What the client saw. */
export type XmppClientEvent = Readonly<Record<string, string>>;

export class XmppClient {
  readonly #process: LineProcess;
  readonly #seen: XmppClientEvent[] = [];

  constructor(user: string, port: number, domain = XMPP_DOMAIN) {
    const script = fileURLToPath(new URL('xmpp-client.py', import.meta.url));
    this.#process = new LineProcess(PYTHON, [script, `${user}@${domain}/laptop`, XMPP_PASSWORD, String(port)]);
  }

  tell(command: object): void {
    this.#process.write(JSON.stringify(command));
  }

  /** The first event with these facts that was not returned before. */
  async event(facts: XmppClientEvent): Promise<XmppClientEvent> {
    const fits = (event: XmppClientEvent) => Object.entries(facts).every(([key, value]) => event[key] === value);
    return await this.#first(fits, JSON.stringify(facts));
  }

  /** The receipt or error for a message. */
  async answer(id: string): Promise<XmppClientEvent> {
    const kinds = ['receipt', 'error'];
    return await this.#first((one) => one['id'] === id && kinds.includes(one['event'] ?? ''), `an answer to ${id}`);
  }

  async #first(fits: (event: XmppClientEvent) => boolean, what: string): Promise<XmppClientEvent> {
    for (;;) {
      const index = this.#seen.findIndex(fits);
      const [found] = index < 0 ? [] : this.#seen.splice(index, 1);
      if (found !== undefined) return found;
      const line = await within(EVENT_MS, this.#process.line(QUIET_MS), () => `${what}; seen: ${this.said}`);
      if (line === undefined) throw new Error(`the client ended: ${this.#process.stderr}`);
      this.#seen.push(JSON.parse(line));
    }
  }

  /** The next event, for one who wants them all; undefined when the client has ended. */
  async next(): Promise<XmppClientEvent | undefined> {
    const line = await this.#process.line(QUIET_MS);
    return line === undefined ? undefined : JSON.parse(line);
  }

  get said(): string {
    return `${JSON.stringify(this.#seen)} ${this.#process.stderr}`;
  }

  stop(): void {
    this.#process.stop();
  }
}

/** Presence of a user of the mesh with a `show` of XMPP, for the next hour. */
export function presenceShowing(address: string, show: string): PresenceUpdate {
  const availableUntil = new Date(Date.now() + 3_600_000);
  const extension = { attributes: [], elements: [`<show xmlns='jabber:client'>${show}</show>`] };
  return { tuples: [{ destination: `im:${address}`, availableUntil, extension }] };
}
