/** Diagnosis of a node on its machine: each check gives findings, each with what to do about it. Changes nothing. */
import { X509Certificate } from 'node:crypto';
import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { directoryObstacle } from '../../lib/config/directory.js';
import { describeFileError } from '../../lib/config/password-file.js';
import { writeProblem } from '../../lib/config/problem.js';
import { writeRelayUrl } from '../../lib/config/relay-url.js';
import type { NodeConfig } from '../../lib/config/schema.js';
import { MESH_SERVICES } from '../../lib/mesh/dns/locate.js';
import { type ObtainedState, obtainedStates } from '../../lib/node/acme-check.js';
import { checkConfig } from '../../lib/node/configuration.js';
import { requireRoom } from '../../lib/store/room.js';
import { cannotListen } from '../../lib/transport/listen-fault.js';
import { matchesTlsa, recommendedTlsa, type TlsaRecord } from '../../lib/transport/tls/dane.js';
import { askStatus } from './admin.js';
import { askControl } from './control.js';
import { Observer, type TlsaSeen } from './dns.js';
import { CommandError, EXIT } from './exit.js';
import { hintFor } from './hints.js';
import { checkAsOwner } from './store-owner.js';
import { octets } from './units.js';

export interface Diagnosis {
  readonly area: 'configuration' | 'store' | 'ports' | 'certificates' | 'clock' | 'dns' | 'neighbours';
  readonly state: 'ok' | 'warning' | 'error';
  readonly text: string;
  /** What to do about it; every warning and error has one. */
  readonly advice?: string;
}

type Area = Diagnosis['area'];

const good = (area: Area, text: string): Diagnosis => ({ area, state: 'ok', text });
const bad = (area: Area, text: string, advice: string): Diagnosis => ({ area, state: 'error', text, advice });
const doubtful = (area: Area, text: string, advice: string): Diagnosis => ({ area, state: 'warning', text, advice });

const DAY_MS = 86_400_000;
const RENEW_WITHIN_DAYS = 30;
/** Room for the messages and reports of a bad day. */
const ROOM_OCTETS = 268_435_456;
/** File systems and machines round times. */
const SKEW_MS = 60_000;

/** Examines everything. @param path of the configuration */
export async function diagnose(
  path: string,
  { nameServer, ca }: { nameServer?: string; ca?: string },
): Promise<Diagnosis[]> {
  const { file, config, problems } = await checkAsOwner(path);
  // A full disk is no fault of the configuration: it is found with the store.
  const faults = problems.filter((problem) => problem.severity === 'error' || problem.path !== 'store.path');
  const found: Diagnosis[] = faults.map((problem) => {
    const text = writeProblem(problem, file);
    const advice = 'Correct the file; docs/reference/configuration.md describes each key.';
    return problem.severity === 'error' ? bad('configuration', text, advice) : doubtful('configuration', text, advice);
  });
  // A fault of a file that it names does not keep the rest from being examined.
  const usable = config ?? (await checkConfig(path, { files: false })).config;
  if (usable === undefined) return found;
  if (found.length === 0) found.push(good('configuration', `${file} is valid`));
  const observer = await Observer.for(usable, nameServer, ca);
  return [
    ...found,
    ...(await storeOf(usable)),
    ...(await portsOf(usable, observer, await runsOn(path, usable))),
    ...(await adminPortOf(usable)),
    ...(await certificatesOf(usable)),
    ...(await clockOf(usable)),
    ...(await dnsOf(usable, observer)),
    ...(await neighboursOf(usable, observer)),
  ];
}

async function storeOf({ store }: NodeConfig): Promise<Diagnosis[]> {
  if (store.type === 'memory') {
    return [doubtful('store', 'everything is lost when the node stops', 'Use "store": { "type": "lmdb", "path": … }.')];
  }
  const { path } = store;
  try {
    const directory = await stat(path);
    const found: Diagnosis[] = [];
    const own = process.getuid?.();
    if (own !== undefined && own !== 0 && own !== directory.uid) {
      const text = `${path} belongs to user ${directory.uid}, and this is user ${own}`;
      found.push(bad('store', text, 'Run this, and the node, as the user that the store belongs to (sudo -u).'));
    }
    for (const name of await readdir(path)) {
      const { uid } = await stat(join(path, name));
      if (uid === directory.uid) continue;
      const text = `${join(path, name)} belongs to user ${uid}, and the store to user ${directory.uid}`;
      found.push(bad('store', text, `A command ran as another user: chown ${directory.uid} ${join(path, name)}`));
    }
    const { bavail, bsize } = await statfs(path);
    const room = bavail * bsize;
    const full = await fullness(path);
    const advice = 'Make room on the device; a full one refuses messages that are to be held, accounts and presence.';
    if (full !== undefined) found.push(bad('store', full, advice));
    else if (room < ROOM_OCTETS) found.push(doubtful('store', `only ${octets(room)} are free at ${path}`, advice));
    return found.length > 0 ? found : [good('store', `${path}, with ${octets(room)} free`)];
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return [good('store', `${path} does not exist yet; the node makes it`)];
    return [bad('store', `${path}: ${describeFileError(error)}`, 'Check the owner and the permissions (ls -ld).')];
  }
}

/** Why nothing can be written on a full device. */
async function fullness(path: string): Promise<string | undefined> {
  const obstacle = await directoryObstacle(path);
  if (obstacle?.transient === true) return obstacle.text;
  try {
    requireRoom(path, 0);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Whether a node runs on the store of a configuration; undefined where that cannot be known. */
async function runsOn(file: string, { store }: NodeConfig): Promise<boolean | undefined> {
  if (store.type === 'memory') return undefined;
  try {
    await askControl(file, 'GET', '/sessions');
    return true;
  } catch (error) {
    return error instanceof CommandError && error.exitCode === EXIT.UNAVAILABLE ? false : undefined;
  }
}

const isFileError = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

/** Tries to listen on each port: what is taken is either this node, or something that keeps it from starting. */
async function portsOf(
  { listen, domains, store }: NodeConfig,
  observer: Observer,
  runs: boolean | undefined,
): Promise<Diagnosis[]> {
  const [domain = ''] = domains;
  const found: Diagnosis[] = [];
  for (const { transport, host, port } of listen) {
    const url = writeRelayUrl(transport, host, port);
    const failure = port === 0 ? undefined : await failureToListen(host, port);
    if (failure === undefined) found.push(good('ports', `${url} is free; the node is not running`));
    else if (failure.code === 'EADDRINUSE') {
      const near = nearest(host);
      // One that takes both is asked in the simpler way.
      const way = transport === 'any' ? 'tcp' : transport;
      const location = { transport: way, host: near, port, url: writeRelayUrl(way, near, port) };
      const { ok, says } = await observer.reach(location, domain, transport === 'wss' ? 'require' : 'off');
      if (!ok) found.push(bad('ports', `${url} is in use by something else: ${says}`, whoListens(port)));
      else if (runs === false && store.type !== 'memory') {
        const text = `a relay answers at ${url}, and no node runs on ${store.path}: it may be another one`;
        found.push(doubtful('ports', text, whoListens(port)));
      } else found.push(good('ports', `a relay answers at ${url}`));
    } else found.push(bad('ports', cannotListen(host, port, failure).message, listenAdvice(failure.code)));
  }
  return found;
}

async function adminPortOf({ admin }: NodeConfig): Promise<Diagnosis[]> {
  if (admin === undefined || admin.port === 0) return [];
  const { host, port } = admin;
  const failure = await failureToListen(host, port);
  if (failure === undefined) return [good('ports', `${host} port ${port} (admin) is free; the node is not running`)];
  if (failure.code !== 'EADDRINUSE')
    return [bad('ports', cannotListen(host, port, failure, 'admin: ').message, listenAdvice(failure.code))];
  const near = nearest(host);
  const url = new URL(`http://${near.includes(':') ? `[${near}]` : near}:${port}`);
  try {
    const { domains } = await askStatus(url);
    return [good('ports', `the node of ${domains.join(', ')} answers at ${url.origin} (admin)`)];
  } catch (error) {
    return [bad('ports', `admin: ${error instanceof Error ? error.message : String(error)}`, whoListens(port))];
  }
}

/** A node that listens on every interface is reached on the loopback interface. */
function nearest(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}

const whoListens = (port: number): string => `ss -ltnp 'sport = :${port}' shows the program.`;

function failureToListen(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

function listenAdvice(failure: string | undefined): string {
  switch (failure) {
    case 'EACCES':
      return 'Ports below 1024 need a privilege: AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or another port.';
    case 'EADDRNOTAVAIL':
      return 'This machine has no such address (yet): check listen[].host, and whether the network is up (ip address).';
    default:
      return 'Check listen[] in the configuration.';
  }
}

async function certificatesOf(config: NodeConfig): Promise<Diagnosis[]> {
  const { tls } = config;
  const files = [tls.certificate, tls.authority, ...Object.values(tls.domains).map(({ certificate }) => certificate)];
  const found: Diagnosis[] = (await obtainedStates(config)).map(obtainedDiagnosis);
  for (const file of new Set(files)) {
    if (file === undefined) continue;
    const certificate = await certificateIn(file);
    if (certificate === undefined) continue;
    const days = Math.floor((Date.parse(certificate.validTo) - Date.now()) / DAY_MS);
    const text = `${file} is valid until ${new Date(certificate.validTo).toISOString().slice(0, 10)}, ${days} days`;
    const advice = `Renew it, then systemctl reload the node (or SIGHUP).`;
    found.push(
      days < 0
        ? bad('certificates', `${file} expired on ${certificate.validTo}`, advice)
        : days < RENEW_WITHIN_DAYS
          ? doubtful('certificates', text, advice)
          : good('certificates', text),
    );
  }
  return found.length > 0
    ? found
    : [doubtful('certificates', 'none: peers cannot use TLS', 'Make one with imxp certs, or get one from a CA.')];
}

function obtainedDiagnosis({ domain, file, notAfterMs, failure }: ObtainedState): Diagnosis {
  const advice = 'See tls.acme: its challenge must be reachable from the authority. SIGHUP orders again at once.';
  const why = failure === undefined ? '' : `; the last order failed: ${failure}`;
  if (notAfterMs === undefined)
    return doubtful('certificates', `none has been issued for ${domain} yet${why || '; the relay orders it'}`, advice);
  const days = Math.floor((notAfterMs - Date.now()) / DAY_MS);
  const until = new Date(notAfterMs).toISOString().slice(0, 10);
  if (days < 0) return bad('certificates', `${file} expired on ${until}${why}`, advice);
  const text = `${file} is valid until ${until}, ${days} days, and renewed by the relay${why}`;
  return failure === undefined ? good('certificates', text) : doubtful('certificates', text, advice);
}

/** Undefined when it cannot be read, which was found with the configuration. */
async function certificateIn(file: string): Promise<X509Certificate | undefined> {
  try {
    return new X509Certificate(await readFile(file));
  } catch {
    return undefined;
  }
}

/** Without another clock to ask, only what lies in the future tells that this one is behind. */
async function clockOf({ tls, store }: NodeConfig): Promise<Diagnosis[]> {
  const now = Date.now();
  const advice = 'Set the clock, and keep it right: timedatectl set-ntp true.';
  if (tls.certificate !== undefined) {
    const validFrom = (await certificateIn(tls.certificate))?.validFrom;
    if (validFrom !== undefined && Date.parse(validFrom) > now + SKEW_MS) {
      return [
        bad('clock', `${tls.certificate} is not valid before ${validFrom}, and this clock says ${utc(now)}`, advice),
      ];
    }
  }
  if (store.type !== 'memory') {
    try {
      const { mtimeMs } = await stat(store.path);
      if (mtimeMs > now + SKEW_MS) {
        return [bad('clock', `${store.path} was changed at ${utc(mtimeMs)}, and this clock says ${utc(now)}`, advice)];
      }
    } catch {
      // There is no store yet, or storeOf has said why it cannot be read.
    }
  }
  return [good('clock', `${utc(now)}; nothing here is from the future`)];
}

const utc = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

async function dnsOf({ domains, mesh, tls }: NodeConfig, observer: Observer): Promise<Diagnosis[]> {
  if (!mesh.dns.enabled) return [good('dns', 'not used (mesh.dns.enabled is false)')];
  const found: Diagnosis[] = [];
  for (const domain of domains) {
    const { ok, services } = await observer.see(domain);
    const advice = `imxp check --dns ${domain} shows each record and address; docs/guide/dns.md has the records to publish.`;
    found.push(ok ? good('dns', `others find ${domain}`) : doubtful('dns', `others do not find ${domain}`, advice));
    const file = tls.domains[domain]?.certificate ?? tls.certificate;
    const chain = file === undefined ? [] : await chainIn(file);
    const targets = services.filter(({ name }) => MESH_SERVICES.some(({ labels }) => name.startsWith(`${labels}.`)));
    const seen = new Map(targets.flatMap((service) => service.targets).map((target) => [target.url, target]));
    for (const { target, port } of seen.values()) found.push(...(await tlsaOf(target, port, chain, observer)));
  }
  return found;
}

/** What the TLSA record of a relay of this node has to be for neighbours that use DANE, and whether it is published. */
async function tlsaOf(
  target: string,
  port: number,
  chain: readonly X509Certificate[],
  observer: Observer,
): Promise<Diagnosis[]> {
  const [own] = chain;
  if (own === undefined) return [];
  const { usage, selector, matching, data } = recommendedTlsa(own);
  let seen: TlsaSeen;
  try {
    seen = await observer.tlsa(target, port);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const advice =
      'Neighbours that use DANE cannot reach this relay until the zone is right: check its signatures (DNSSEC).';
    return [doubtful('dns', text, advice)];
  }
  const { name, records, secure } = seen;
  const wanted = `${name}. IN TLSA ${usage} ${selector} ${matching} ${data.toString('hex')}`;
  if (records.length === 0) return [good('dns', `no TLSA record; neighbours can do without your CA by ${wanted}`)];
  const proves = (record: TlsaRecord): boolean =>
    (record.usage === usage ? [own] : chain).some((one) => matchesTlsa(record, one));
  if (!records.some(proves)) {
    const text = `the TLSA records of ${name} are for other certificates: neighbours that use DANE refuse this relay`;
    return [
      bad(
        'dns',
        text,
        `Publish ${wanted}; when a key changes, publish the new record before, and wait for its time to live.`,
      ),
    ];
  }
  if (secure) return [good('dns', `TLSA ${name} proves the certificate, and DNSSEC has validated it`)];
  const advice =
    'Sign the zone, or ask a resolver that validates and is believed (mesh.dns.servers, mesh.dns.validating).';
  return [
    doubtful('dns', `TLSA ${name} is for the certificate, and not validated by DNSSEC as seen from here`, advice),
  ];
}

/** The certificates in a file; empty when it cannot be read, which was found with the configuration. */
async function chainIn(file: string): Promise<readonly X509Certificate[]> {
  try {
    const pem = await readFile(file, 'latin1');
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return [];
  }
}

async function neighboursOf({ mesh }: NodeConfig, observer: Observer): Promise<Diagnosis[]> {
  const found: Diagnosis[] = [];
  for (const { domain, relays = [], via, tls } of mesh.routes) {
    for (const relay of relays) {
      const { ok, says, error } = await observer.reach(relay, via ?? domain, tls);
      const text = `${domain} at ${relay.url}: ${says}`;
      const advice = hintFor(error) ?? 'Check mesh.routes, and ask the operator of that relay.';
      found.push(ok ? good('neighbours', text) : bad('neighbours', text, advice));
    }
  }
  return found;
}
