/** Client of a node's control socket, in the directory of its store: lists and ends sessions, and reads the log. */
import { readdir } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { CONTROL_SOCKET } from '../../lib/admin/control.js';
import type { SessionFacts } from '../../lib/ops/session-facts.js';
import { harmless } from '../../lib/ops/terminal.js';
import { removeSocket, socketPath } from '../../lib/store/lock.js';
import { withTimeLimit } from '../../lib/transport/deadline.js';
import { loadForCommand } from './configuration.js';
import { CommandError, EXIT } from './exit.js';

const REQUEST_MS = 10_000;

/** @throws CommandError UNAVAILABLE when no node answers, REFUSED when this user may not ask, CONFIGURATION */
export async function askControl(file: string, method: 'GET' | 'POST', path: string): Promise<SessionFacts[]> {
  const directory = await directoryOf(file);
  try {
    const names = (await readdir(directory)).filter((name) => CONTROL_SOCKET.test(name));
    const found = await Promise.all(names.map((name) => askOne(directory, name, method, path)));
    const answers = found.filter((sessions) => sessions !== undefined);
    if (answers.length === 0) throw notRunning(directory);
    return answers.flat();
  } catch (error) {
    throw explained(error, directory);
  }
}

/**
 * Opens an answer of the node itself that does not end by itself. The caller destroys it.
 *
 * @throws as {@link askControl}; CommandError USAGE with what the node says about the request
 */
export async function openControl(file: string, path: string): Promise<IncomingMessage> {
  const directory = await directoryOf(file);
  const socket = await socketPath(directory, 'control');
  try {
    if (socket === undefined) throw notRunning(directory);
    const response = await withTimeLimit(REQUEST_MS, (signal) => opened(socket.text, 'GET', path, signal));
    if (response.statusCode === 200) return response;
    const { error }: { error: string } = JSON.parse(await text(response));
    throw new CommandError(response.statusCode === 400 ? EXIT.USAGE : EXIT.UNAVAILABLE, harmless(error));
  } catch (error) {
    throw explained(error, directory);
  } finally {
    await socket?.close();
  }
}

/** The directory of the store. @throws CommandError CONFIGURATION */
async function directoryOf(file: string): Promise<string> {
  const { store } = await loadForCommand(file, { files: false });
  if (store.type !== 'memory') return store.path;
  throw new CommandError(
    EXIT.CONFIGURATION,
    'store.type is "memory": a node without a directory has no control socket',
  );
}

/** @returns undefined where nobody listens: the relay or its worker was killed */
async function askOne(
  directory: string,
  name: string,
  method: string,
  path: string,
): Promise<SessionFacts[] | undefined> {
  const socket = await socketPath(directory, name);
  if (socket === undefined) return undefined;
  try {
    const { sessions } = JSON.parse(await ask(socket.text, method, path), (_, value) =>
      typeof value === 'string' ? harmless(value) : value,
    );
    return sessions;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED')) throw error;
    await removeSocket(directory, name);
    return undefined;
  } finally {
    await socket.close();
  }
}

function notRunning(path: string): CommandError {
  return new CommandError(EXIT.UNAVAILABLE, `no node runs on ${path}`, { hint: 'Start it: imxp relay.' });
}

async function ask(socketFile: string, method: string, path: string): Promise<string> {
  return await withTimeLimit(REQUEST_MS, async (signal) => {
    const response = await opened(socketFile, method, path, signal);
    const body = await text(response);
    if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`);
    return body;
  });
}

function opened(socketFile: string, method: string, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: socketFile, method, path, agent: false, signal }, resolve);
    asking.once('error', reject);
    asking.end();
  });
}

function explained(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return new CommandError(EXIT.REFUSED, `the control socket in ${path} is only for the user of the node`, {
        hint: 'Run this as that user: sudo -u imxp imxp …',
      });
    case 'ENOENT':
    case 'ECONNREFUSED':
      return notRunning(path);
    default:
      return error;
  }
}
