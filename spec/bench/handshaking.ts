/** A server of node:tls that does handshakes and nothing else, in a process of its own: the floor of logins under TLS. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RUN_SCRIPT } from '../support/script.js';
import type { Mesh } from './mesh.js';

/** Starts it with the certificate of the first relay. */
export async function handshaker({ workshop }: Mesh): Promise<{ child: ChildProcess; port: number; pid: number }> {
  const file = fileURLToPath(new URL('./handshaker.ts', import.meta.url));
  const material = ['certs/example.com.crt', 'certs/example.com.key'].map((path) => workshop.path(path));
  const child = spawn(process.execPath, [...RUN_SCRIPT, file, ...material], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  return { child, port: Number(String(line)), pid: child.pid ?? 0 };
}
