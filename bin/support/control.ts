/** Client of a node's control socket, in the directory of its store: lists and ends sessions. */
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { CONTROL_SOCKET } from '../../lib/admin/control.js';
import type { SessionFacts } from '../../lib/ops/session-facts.js';
import { harmless } from '../../lib/ops/terminal.js';
import { removeSocket, socketPath } from '../../lib/store/lock.js';
import { loadForCommand } from './configuration.js';
import { CommandError, EXIT } from './exit.js';

const REQUEST_MS = 10_000;

/** @throws CommandError UNAVAILABLE when no node answers, REFUSED when this user may not ask, CONFIGURATION */
export async function askControl(file: string, method: 'GET' | 'POST', path: string): Promise<SessionFacts[]> {
  const { store } = await loadForCommand(file, { files: false });
  if (store.type !== 'lmdb') {
    throw new CommandError(
      EXIT.CONFIGURATION,
      'store.type is "memory": a node without a directory has no control socket',
    );
  }
  try {
    const names = (await readdir(store.path)).filter((name) => CONTROL_SOCKET.test(name));
    const found = await Promise.all(names.map((name) => askOne(store.path, name, method, path)));
    const answers = found.filter((sessions) => sessions !== undefined);
    if (answers.length === 0) throw notRunning(store.path);
    return answers.flat();
  } catch (error) {
    throw explained(error, store.path);
  }
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

function ask(socketFile: string, method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { socketPath: socketFile, method, path, agent: false, signal: AbortSignal.timeout(REQUEST_MS) },
      (response) => {
        text(response).then((body) => {
          if (response.statusCode === 200) resolve(body);
          else reject(new Error(`HTTP ${response.statusCode}`));
        }, reject);
      },
    );
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
      return notRunning(path);
    default:
      return error;
  }
}
