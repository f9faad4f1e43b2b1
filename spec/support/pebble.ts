/**
 * Pebble, the ACME server of Let's Encrypt for tests, with a DNS of its own in which all names are this machine. Installs
 * the Debian package where permitted.
 */
import { spawnSync } from 'node:child_process';
import { request } from 'node:https';
import { TestAuthority } from './certificates.js';
import { missingPackages } from './debian.js';
import { freePort } from './free-port.js';
import { Files, Program } from './gnutls.js';

/** Why there is no Pebble here, or undefined when there is. */
export function missingPebble(): string | undefined {
  return missingPackages(['pebble'], () => spawnSync('pebble', ['-version']).error === undefined);
}

export interface PebbleOptions {
  /** Validity of the certificates. Default: 90 days. */
  readonly validitySeconds?: number;
  /** Identifiers and keys (base64url) of the accounts that it requires to exist outside of ACME. */
  readonly accounts?: Readonly<Record<string, string>>;
}

export class Pebble {
  /** URL of the ACME directory. */
  readonly directory: string;
  /** PEM file of the CA of its own certificate. */
  readonly authorityFile: string;
  /** The ports that it validates at. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** Base URL of the DNS server's management. */
  readonly dns: string;
  readonly #files: Files;
  readonly #programs: readonly Program[];
  readonly #management: number;
  readonly #authority: string;

  private constructor(ports: readonly number[], files: Files, authority: string, programs: readonly Program[]) {
    const [port = 0, management = 0, httpPort = 0, tlsPort = 0, , dns = 0] = ports;
    this.directory = `https://127.0.0.1:${port}/dir`;
    this.authorityFile = files.put('acme-ca.crt', authority);
    this.httpPort = httpPort;
    this.tlsPort = tlsPort;
    this.dns = `http://127.0.0.1:${dns}`;
    this.#management = management;
    this.#authority = authority;
    this.#files = files;
    this.#programs = programs;
  }

  static async start({ validitySeconds = 90 * 86_400, accounts }: PebbleOptions = {}): Promise<Pebble> {
    const files = new Files();
    const authority = new TestAuthority();
    const { certificate, key } = authority.issue({ addresses: ['127.0.0.1'] });
    const ports = await Promise.all(Array.from({ length: 6 }, freePort));
    const [port, management, httpPort, tlsPort, nameServer, dns] = ports;
    const pebble = {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: files.put('acme.crt', certificate),
      privateKey: files.put('acme.key', key),
      httpPort,
      tlsPort,
      certificateValidityPeriod: validitySeconds,
      ...(accounts === undefined ? {} : { externalAccountBindingRequired: true, externalAccountMACKeys: accounts }),
    };
    const config = files.put('pebble.json', JSON.stringify({ pebble }));
    const none = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-defaultIPv6', ''];
    const at = ['-dns01', `127.0.0.1:${nameServer}`, '-management', `127.0.0.1:${dns}`];
    // Each order is validated, and at once; that some good nonces are refused stays.
    const pace = ['PEBBLE_VA_NOSLEEP=1', 'PEBBLE_AUTHZREUSE=0'];
    const programs = [
      new Program('pebble-challtestsrv', [...none, ...at]),
      new Program('env', [...pace, 'pebble', '-config', config, '-dnsserver', `127.0.0.1:${nameServer}`]),
    ];
    await programs[0]?.says(/Starting management server/);
    await programs[1]?.says(/ACME directory available at/);
    return new Pebble(ports, files, authority.certificate, programs);
  }

  /** The root of the certificates that it issues, PEM. */
  root(): Promise<string> {
    return new Promise((resolve, reject) => {
      const url = `https://127.0.0.1:${this.#management}/roots/0`;
      const asked = request(url, { ca: this.#authority, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () => resolve(text)).once('error', reject);
      });
      asked.once('error', reject);
      asked.end();
    });
  }

  /** All that it has written. */
  get output(): string {
    return this.#programs.map(({ output }) => output).join('\n');
  }

  stop(): void {
    for (const program of this.#programs) program.stop();
    this.#files.remove();
  }
}
