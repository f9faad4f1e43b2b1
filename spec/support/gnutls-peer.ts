/**
 * GnuTLS under a BEEP session of a spec: its client (gnutls-cli) and its library as a server (gnutls-server.py) do the
 * handshake on a connection that already is there, and carry octets in and out. Knows no BEEP.
 */
import { spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { missingPackages } from './debian.js';
import { connected, listening, missingGnutls, Program } from './gnutls.js';
import type { Engine } from './raw-session.js';

const SERVER = fileURLToPath(new URL('../interop/gnutls-server.py', import.meta.url));

/** Why GnuTLS cannot be used as a peer, or undefined if it can. */
export function missingPeers(): string | undefined {
  if (process.env['IMXP_INTEROP'] === 'off') return 'IMXP_INTEROP=off';
  const missing = missingGnutls();
  if (missing !== undefined) return missing;
  const look = (): boolean =>
    spawnSync('python3', ['-c', "import ctypes; ctypes.CDLL('libgnutls.so.30')"]).status === 0;
  return missingPackages(['python3'], look);
}

export interface PeerFiles {
  /** Paths of PEM files. */
  readonly authority: string;
  readonly certificate?: string;
  readonly key?: string;
}

/** The programs of one spec, to be ended with it. */
export class GnutlsPeers {
  readonly #programs: Program[] = [];

  /** The last program started. */
  get last(): Program {
    const program = this.#programs.at(-1);
    if (program === undefined) throw new Error('no program was started');
    return program;
  }

  stop(): void {
    for (const program of this.#programs.splice(0)) program.stop();
  }

  /**
   * gnutls-cli as the TLS client. That its handshake failed is seen by the end of the connection.
   *
   * @param log path of a file for what it has to say, which must not be in what it received; written when it ends
   */
  client(priority: string, serverName: string, files: PeerFiles, log: string): Engine {
    return async (plain) => {
      plain.pause(); // nothing may be lost before there is somebody to take it
      const listener = await listening();
      const program = this.#start('gnutls-cli', [
        ...['--port', String(listener.port), '--priority', priority, '--logfile', log],
        ...['--x509cafile', files.authority, '--sni-hostname', serverName, '--verify-hostname', serverName],
        ...certificateOf(files),
        '127.0.0.1',
      ]);
      const socket = await listener.accepted;
      listener.close();
      joined(plain, socket);
      return streamOf(program);
    };
  }

  /** GnuTLS's library as the TLS server. */
  server(priority: string, files: Required<PeerFiles>): Engine {
    return async (plain) => {
      plain.pause();
      const program = this.#start('python3', [SERVER, priority, files.certificate, files.key, files.authority]);
      await program.complains(/^port (\d+)\n/m);
      joined(plain, await connected(Number(/^port (\d+)$/m.exec(program.errors)?.[1])));
      await program.complains(/^secured .*\n/m);
      return streamOf(program);
    };
  }

  #start(command: string, args: readonly string[]): Program {
    const program = new Program(command, args);
    this.#programs.push(program);
    return program;
  }
}

function certificateOf({ certificate, key }: PeerFiles): string[] {
  return certificate === undefined || key === undefined ? [] : ['--x509certfile', certificate, '--x509keyfile', key];
}

/** Everything from one connection to the other, in both directions, and the end of either. */
function joined(a: Socket, b: Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.end());
    from.pipe(to);
  }
}

/** What a program receives and sends under TLS. */
function streamOf({ process: { stdin, stdout } }: Program): Duplex {
  return Duplex.from({ writable: stdin, readable: stdout });
}
