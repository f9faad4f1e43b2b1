/** Asks a running node what it has to say: where its pages are, and the request. */
import { get, type IncomingMessage } from 'node:http';
import { type Command, InvalidArgumentError } from 'commander';
import type { NodeStatus } from '../../lib/ops/status.js';
import { harmless } from '../../lib/ops/terminal.js';
import { loadForCommand, withConfig } from './configuration.js';
import { CommandError, EXIT } from './exit.js';

const REQUEST_MS = 5000;
/** More than any node says; whoever answers more is something else. */
const MOST_OCTETS = 16_777_216;

export interface AdminCommandOptions {
  readonly config: string;
  readonly admin?: URL;
}

function urlArgument(text: string): URL {
  const whole = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url?.protocol !== 'http:') throw new InvalidArgumentError('not a URL such as http://127.0.0.1:9913');
  return url;
}

export function withAdmin(command: Command): Command {
  return withConfig(command).option(
    '--admin <url>',
    'where the node answers, as it logs with "ready"; without it as the configuration says',
    urlArgument,
  );
}

/** Where the pages of a node are. @throws CommandError CONFIGURATION when nobody says */
export async function adminUrl({ admin, config: file }: AdminCommandOptions): Promise<URL> {
  if (admin !== undefined) return admin;
  const { admin: place } = await loadForCommand(file, { files: false });
  if (place === undefined) {
    throw new CommandError(
      EXIT.CONFIGURATION,
      `${file} has no "admin"; add "admin": { "port": 9913 } and restart the node`,
    );
  }
  if (place.port === 0) {
    throw new CommandError(
      EXIT.CONFIGURATION,
      `${file}: admin.port is 0; give --admin the URL that the node logs with "ready"`,
    );
  }
  // A node that listens on every interface is asked on this machine.
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  const host = everywhere[place.host] ?? place.host;
  return new URL(`http://${host.includes(':') ? `[${host}]` : host}:${place.port}`);
}

/** @throws CommandError UNAVAILABLE when no node answers */
export async function askStatus(admin: URL): Promise<NodeStatus> {
  const unavailable = (why: string, cause?: unknown): CommandError =>
    new CommandError(EXIT.UNAVAILABLE, `no node answers at ${admin.origin}: ${why}`, { cause });
  const answer = await ask(new URL('/status', admin)).catch((error: unknown) => {
    throw unavailable(reasonOf(error), error);
  });
  const { code, text } = answer;
  if (code === 503) throw unavailable(harmless(text.trim()));
  if (code !== 200) throw unavailable(`something else does (HTTP ${code})`);
  try {
    // Whoever answers there: nothing of it may control the terminal.
    const status: NodeStatus = JSON.parse(text, (_, value) => (typeof value === 'string' ? harmless(value) : value));
    if (Array.isArray(status.hops) && typeof status.process === 'object') return status;
  } catch {
    // Said below.
  }
  throw unavailable('something else does');
}

/** Not by `fetch`, which refuses ports that browsers must not use. */
async function ask(url: URL): Promise<{ readonly code: number; readonly text: string }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent: false, signal: AbortSignal.timeout(REQUEST_MS) }, resolve).on('error', reject);
  });
  const parts: Buffer[] = [];
  let octets = 0;
  for await (const part of response) {
    parts.push(part);
    octets += part.length;
    if (octets > MOST_OCTETS) throw new Error('something else does (it does not stop)');
  }
  return { code: response.statusCode ?? 0, text: Buffer.concat(parts).toString() };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ECONNREFUSED') return 'nobody listens there';
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return `nothing came within ${REQUEST_MS} ms`;
  return error.message;
}
