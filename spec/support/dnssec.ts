/**
 * A zone signed by DNSSEC (ldns), its name server (NSD) and a resolver that validates it (Unbound), all on the loopback
 * interface. Installs the Debian packages where permitted.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingPackages } from './debian.js';
import { freePort } from './free-port.js';
import { Program } from './gnutls.js';

const PROGRAMS = ['/usr/sbin/unbound', '/usr/sbin/nsd', '/usr/bin/ldns-signzone'];

/** Why the programs are not here, or undefined when they are. */
export function missingDnssec(): string | undefined {
  const isThere = (): boolean => PROGRAMS.every((path) => spawnSync(path, ['-h']).error === undefined);
  return missingPackages(['unbound', 'nsd', 'ldnsutils'], isThere);
}

export interface ZoneOptions {
  /** Whether the resolver knows that the zone is signed. Default: true. */
  readonly anchored?: boolean;
  /** Changes the signed zone file, as somebody would who does not have the key. */
  readonly tamper?: (zone: string) => string;
}

export class SignedZone {
  /** Of the resolver, `address:port`. */
  readonly resolver: string;
  readonly #directory: string;
  readonly #programs: readonly Program[];

  private constructor(resolver: string, directory: string, programs: readonly Program[]) {
    this.resolver = resolver;
    this.#directory = directory;
    this.#programs = programs;
  }

  /** @param records lines of the zone file, without SOA and NS; names are relative to the domain */
  static async start(domain: string, records: readonly string[], options: ZoneOptions = {}): Promise<SignedZone> {
    const { anchored = true, tamper } = options;
    const directory = mkdtempSync(join(tmpdir(), 'imxp-dnssec-'));
    const path = (name: string): string => join(directory, name);
    const head = [
      `$ORIGIN ${domain}.`,
      '$TTL 1',
      '@ IN SOA ns hostmaster 1 3600 600 86400 1',
      '@ IN NS ns',
      'ns IN A 127.0.0.1',
    ];
    writeFileSync(path('zone'), `${[...head, ...records].join('\n')}\n`);
    const run = (program: string, ...args: readonly string[]): string =>
      execFileSync(program, args, { cwd: directory, encoding: 'utf8' }).trim();
    const key = run('ldns-keygen', '-r', '/dev/urandom', '-k', '-a', 'ECDSAP256SHA256', domain);
    run('ldns-signzone', '-f', 'signed', 'zone', key);
    const signed = readFileSync(path('signed'), 'utf8');
    if (tamper !== undefined) writeFileSync(path('signed'), tamper(signed));
    const [authority, port] = [await freePort(), await freePort()];
    writeFileSync(path('nsd.conf'), nsdConfig(directory, authority, domain));
    appendFileSync(
      path('unbound.conf'),
      unboundConfig(directory, port, authority, domain, anchored ? `${key}.ds` : undefined),
    );
    const programs = [
      new Program('/usr/sbin/nsd', ['-d', '-c', path('nsd.conf')]),
      new Program('/usr/sbin/unbound', ['-d', '-c', path('unbound.conf')]),
    ];
    await programs[0]?.says(/nsd started/);
    await programs[1]?.says(/start of service/);
    return new SignedZone(`127.0.0.1:${port}`, directory, programs);
  }

  stop(): void {
    for (const program of this.#programs) program.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function nsdConfig(directory: string, port: number, domain: string): string {
  return `server:
  ip-address: 127.0.0.1@${port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "${directory}"
  database: ""
  pidfile: ""
  xfrdfile: "${directory}/xfrd"
  zonelistfile: "${directory}/zones"
  logfile: ""
  verbosity: 1
remote-control:
  control-enable: no
zone:
  name: ${domain}
  zonefile: signed
`;
}

function unboundConfig(directory: string, port: number, authority: number, domain: string, ds?: string): string {
  return `server:
  interface: 127.0.0.1@${port}
  access-control: 127.0.0.0/8 allow
  username: ""
  chroot: ""
  directory: "${directory}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  num-threads: 1
  module-config: "validator iterator"
  do-not-query-localhost: no
  cache-max-ttl: 1
  local-zone: "test." nodefault
  ${ds === undefined ? `domain-insecure: "${domain}."` : `trust-anchor-file: "${directory}/${ds}"`}
remote-control:
  control-enable: no
stub-zone:
  name: "${domain}."
  stub-addr: 127.0.0.1@${authority}
`;
}
