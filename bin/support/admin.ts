/** Client of a node's admin port: finds its URL and requests the status. */
import { get, type IncomingMessage } from 'node:http';
import { type Command, InvalidArgumentError } from 'commander';
import type { NodeStatus } from '../../lib/ops/status.js';
import { harmless } from '../../lib/ops/terminal.js';
import { loadForCommand, withConfig } from './configuration.js';
import { CommandError, EXIT } from './exit.js';

const REQUEST_MS = 5000;
/** Longer than any node's answer; whatever sends more is not a node. */
const MOST_OCTETS = 16_777_216;

const NO_NODE = 'Check that the node is running, and that "admin" in its configuration or --admin names this port.';

export interface AdminCommandOptions {
  readonly config: string;
  readonly admin?: URL;
}

function urlArgument(text: string): URL {
  const whole = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url?.protocol !== 'http:') throw new InvalidArgumentError('not a URL such as http://127.0.0.1:9913.');
  return url;
}

export function withAdmin(command: Command): Command {
  return withConfig(command).option(
    '--admin <url>',
    'URL of the admin port, as logged with "ready"; default: from the configuration',
    urlArgument,
  );
}

/** The URL of a node's admin port. @throws CommandError CONFIGURATION when the configuration has none */
export async function adminUrl({ admin, config: file }: AdminCommandOptions): Promise<URL> {
  if (admin !== undefined) return admin;
  const { admin: place } = await loadForCommand(file, { files: false });
  if (place === undefined) {
    throw new CommandError(
      EXIT.CONFIGURATION,
      `${file} has no "admin" section; add "admin": { "port": 9913 } and restart the node`,
    );
  }
  if (place.port === 0) {
    throw new CommandError(
      EXIT.CONFIGURATION,
      `${file}: admin.port is 0; give the URL that the node logs with "ready" as --admin`,
    );
  }
  // A node that listens on every interface is reached on the loopback interface.
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  const host = everywhere[place.host] ?? place.host;
  return new URL(`http://${host.includes(':') ? `[${host}]` : host}:${place.port}`);
}

/** @throws CommandError UNAVAILABLE when no node answers */
export async function askStatus(admin: URL): Promise<NodeStatus> {
  const unavailable = (why: string, cause?: unknown): CommandError =>
    new CommandError(EXIT.UNAVAILABLE, `no node answers at ${admin.origin}: ${why}`, { cause, hint: NO_NODE });
  const answer = await ask(new URL('/status', admin)).catch((error: unknown) => {
    throw unavailable(reasonOf(error), error);
  });
  const { code, text } = answer;
  if (code === 503) throw unavailable(harmless(text.trim()));
  if (code !== 200) throw unavailable(`something else does (HTTP ${code})`);
  try {
    // It may not be a node that answers: nothing of it may reach the terminal as a control sequence.
    const status: NodeStatus = JSON.parse(text, (_, value) => (typeof value === 'string' ? harmless(value) : value));
    if (Array.isArray(status.hops) && typeof status.process === 'object') return status;
  } catch {
    // Reported below.
  }
  throw unavailable('something else does');
}

/** Sends the request. Not by `fetch`, which refuses ports that browsers block. */
async function ask(url: URL): Promise<{ readonly code: number; readonly text: string }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent: false, signal: AbortSignal.timeout(REQUEST_MS) }, resolve).on('error', reject);
  });
  const parts: Buffer[] = [];
  let octets = 0;
  for await (const part of response) {
    parts.push(part);
    octets += part.length;
    if (octets > MOST_OCTETS) throw new Error('something else does (its answer is too long)');
  }
  return { code: response.statusCode ?? 0, text: Buffer.concat(parts).toString() };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ECONNREFUSED') return 'nothing is listening there';
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return `no answer within ${REQUEST_MS} ms`;
  return error.message;
}
