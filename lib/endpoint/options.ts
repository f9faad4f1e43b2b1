/**
 * What an application says when it connects, and what follows from what it does not say. Opens nothing but the files it
 * is pointed to.
 */
import { DIALECTS, type DialectName } from '../config/dialects.js';
import { DEFAULT_LIMITS } from '../config/limits.js';
import { readPasswordFile } from '../config/password-file.js';
import { parseRelayUrl, type RelayLocation } from '../config/relay-url.js';
import { LocalError } from '../errors.js';
import type { Secure } from '../message/smime/secure.js';
import type { BackoffTimes } from '../transport/backoff.js';
import { givenAddress } from './address.js';
import { checkKeys, type Keys } from './keys.js';
import { pemOf } from './pem.js';
import { type SecureFiles, secureOf } from './secure.js';

export type TlsUse = 'off' | 'prefer' | 'require';

/** Limits of an endpoint; each has a default. */
export interface EndpointLimits {
  /** One TCP connection attempt. */
  readonly connectTimeoutMs: number;
  /** How long `close` waits for the answers that are due. */
  readonly closeTimeoutMs: number;
  /** How long an answer is awaited; longer than the relays wait for each other, so that their word arrives first. */
  readonly answerTimeoutMs: number;
  /** Data sent and not yet answered; `send` waits for its turn past it. */
  readonly outstandingData: number;
  /** Octets of them; one larger Data still goes when nothing else is outstanding. */
  readonly outstandingOctets: number;
  /**
   * Channels to send on: further ones are opened while all there are wait for answers, so that a recipient who is slow to
   * answer delays nobody else. 1 never opens any.
   */
  readonly lanes: number;
  /**
   * After how long on a relay that is second choice, by its priority in the DNS or its place in `relay`, the preferred ones
   * are tried again, more or less by chance; 0 never.
   */
  readonly returnMs: number;
  /** Deliveries the application has not answered; past it they are refused with 450. */
  readonly queuedData: number;
  /** Octets of them; one larger delivery is still taken when there is no other. */
  readonly queuedOctets: number;
  /** Largest message accepted. */
  readonly messageOctets: number;
  /** Window advertised to the relay; up to half of it stays closed while deliveries wait for their answers. */
  readonly windowOctets: number;
}

export const ENDPOINT_LIMITS: EndpointLimits = Object.freeze({
  connectTimeoutMs: DEFAULT_LIMITS.connectTimeoutMs,
  closeTimeoutMs: DEFAULT_LIMITS.closeTimeoutMs,
  answerTimeoutMs: 2 * DEFAULT_LIMITS.deliveryTimeoutMs,
  // Below what a relay takes for one target, so that back pressure is felt here and not as a refusal there.
  outstandingData: 1024,
  outstandingOctets: 8_388_608,
  lanes: 4,
  returnMs: 300_000,
  queuedData: 1024,
  queuedOctets: 16_777_216,
  messageOctets: DEFAULT_LIMITS.messageOctets,
  windowOctets: DEFAULT_LIMITS.windowOctets,
});

/** How {@link EndpointOptions.reconnect} waits between attempts: from `firstMs`, doubling, to `longestMs`. */
export type ReconnectOptions = Partial<BackoffTimes>;

/** What {@link Endpoint.connect} takes. */
export interface EndpointOptions {
  /** The endpoint to attach as, `local@domain`; also the name to log in with. */
  readonly address: string;
  /**
   * Where its relay listens, as `tcp://host:port`, `ws://host/path` or `wss://host/path`; alternatives are tried in order.
   * Without it the DNS is asked for the relay of the address's domain (SRV `_imxp-edge._tcp`, or `_apex-edge._tcp`).
   */
  readonly relay?: string | RelayLocation | readonly (string | RelayLocation)[];
  /**
   * What is spoken with the relay. `apex` (RFC 3340) is for relays that know nothing else, and for names that IMXP does not
   * have, which are written in quotes here, too: `"fred smith"@example.com`. An APEX relay says ok before it delivers: sending then
   * resolves when the relay has taken the message, and only {@link Endpoint.status} tells what became of it.
   * Default: `imxp`.
   */
  readonly dialect?: DialectName;
  /** Name servers to ask, `address` or `address:port`; those of the system unless any are given. */
  readonly nameServers?: readonly string[];
  /**
   * The password, or what asks for it (each time it connects). Neither this nor `passwordFile` nor `certificate`: log in as
   * nobody.
   */
  readonly password?: string | (() => string | Promise<string>);
  /** A file whose first line is the password; read each time it connects. */
  readonly passwordFile?: string;
  /**
   * `require`: TLS with a verified certificate, or no connection. `prefer`: TLS where the relay offers it, verified or not;
   * this keeps listeners out, not impostors. `off`: never. Default: `require`, because a password and messages cross a
   * network; but `prefer` when relays are given, all of them on this machine, and no `ca` is given.
   */
  readonly tls?: TlsUse;
  /** The authority that signed the relay's certificate: PEM, or the path of a PEM file. Default: those Node believes. */
  readonly ca?: string | Buffer;
  /**
   * A certificate that names the address (rfc822Name, or URI `im:`), with intermediate ones: PEM, or the path of a PEM file.
   * Under TLS the relay is shown it, and logged in to by it (SASL EXTERNAL) where it takes that. Needs `key`.
   */
  readonly certificate?: string | Buffer;
  /** The private key of `certificate`: PEM, or the path of a PEM file. */
  readonly key?: string | Buffer;
  /**
   * Also take a relay that has nothing newer than the TLS of the year 2000 (message-service-01 §6.1), which is no longer safe;
   * default false. What is newer is tried first.
   */
  readonly legacyTls?: boolean;
  /**
   * Signs, encrypts, verifies and decrypts messages (S/MIME): certificates and keys in PEM or as paths of PEM files, or a
   * `Secure`. Without it signatures are seen and never valid, and encrypted content cannot be read.
   */
  readonly secure?: Secure | SecureFiles;
  /** Whether a delivery counts as accepted when the application is done with it; default true, see {@link Endpoint}. */
  readonly autoAccept?: boolean;
  /** Connect and attach again after a loss; default false. */
  readonly reconnect?: boolean | ReconnectOptions;
  /**
   * Take the place of an application that is attached as the same endpoint, instead of being refused with 554: that one
   * learns that its attachment ended. Once it has happened to this one, it does not do so any more. Default false.
   */
  readonly override?: boolean;
  readonly limits?: Partial<EndpointLimits>;
}

/** The options, complete and checked. */
export interface EndpointSettings {
  readonly address: string;
  readonly domain: string;
  /** Empty: the DNS is asked. */
  readonly relays: readonly RelayLocation[];
  readonly dialect: DialectName;
  readonly nameServers: readonly string[];
  readonly password: (() => string | Promise<string>) | undefined;
  readonly tls: TlsUse;
  readonly ca: string | Buffer | undefined;
  /** Shown under TLS and logged in with. */
  readonly own: { readonly certificate: string | Buffer; readonly key: string | Buffer } | undefined;
  readonly legacyTls: boolean;
  readonly secure: Secure;
  readonly autoAccept: boolean;
  readonly reconnect: BackoffTimes | undefined;
  readonly override: boolean;
  readonly limits: EndpointLimits;
}

const KEYS: Keys<EndpointOptions> = {
  address: true,
  relay: true,
  dialect: true,
  nameServers: true,
  password: true,
  passwordFile: true,
  tls: true,
  ca: true,
  certificate: true,
  key: true,
  legacyTls: true,
  secure: true,
  autoAccept: true,
  reconnect: true,
  override: true,
  limits: true,
};
const TLS_USES: Readonly<Record<TlsUse, true>> = { off: true, prefer: true, require: true };

const RECONNECT: BackoffTimes = { firstMs: 100, longestMs: 30_000 };

/** @throws LocalError ADDRESS_INVALID | ARGUMENT | CONFIGURATION */
export async function settle(options: EndpointOptions): Promise<EndpointSettings> {
  checkOptions(options);
  const { domain } = givenAddress(options.address);
  const relays = relaysOf(options.relay);
  return {
    address: options.address,
    domain,
    relays,
    dialect: options.dialect ?? 'imxp',
    nameServers: options.nameServers ?? [],
    password: await passwordOf(options),
    tls: options.tls ?? (options.ca === undefined && relays.length > 0 && relays.every(isHere) ? 'prefer' : 'require'),
    ca: options.ca === undefined ? undefined : await pemOf(options.ca, 'authority'),
    own: await ownOf(options),
    legacyTls: options.legacyTls ?? false,
    secure: await secureOf(options.secure),
    autoAccept: options.autoAccept ?? true,
    reconnect: reconnectOf(options.reconnect),
    override: options.override ?? false,
    limits: limitsOf(options.limits ?? {}),
  };
}

/** For programs without types. */
function checkOptions(options: EndpointOptions): void {
  checkKeys(options, KEYS, 'Endpoint.connect');
  const { address, dialect, limits, reconnect, tls } = options;
  if (typeof address !== 'string') throw new LocalError('ARGUMENT', 'Endpoint.connect: address is missing');
  if (limits !== undefined) checkKeys(limits, limitKeys(), 'Endpoint.connect: limits');
  if (typeof reconnect === 'object') {
    checkKeys(reconnect, { firstMs: true, longestMs: true }, 'Endpoint.connect: reconnect');
  }
  if (dialect !== undefined && !DIALECTS.includes(dialect)) {
    throw new LocalError('ARGUMENT', `Endpoint.connect: dialect is one of ${DIALECTS.join(', ')}`);
  }
  if (tls !== undefined && !Object.hasOwn(TLS_USES, tls)) {
    throw new LocalError('ARGUMENT', `Endpoint.connect: tls is one of ${Object.keys(TLS_USES).join(', ')}`);
  }
}

function limitKeys(): Keys<EndpointLimits> {
  return Object.fromEntries(Object.keys(ENDPOINT_LIMITS).map((key) => [key, true])) as Keys<EndpointLimits>;
}

function relaysOf(relay: EndpointOptions['relay']): readonly RelayLocation[] {
  if (relay === undefined) return [];
  const given = Array.isArray(relay) ? (relay as readonly (string | RelayLocation)[]) : [relay as RelayLocation];
  if (given.length === 0) throw new LocalError('ARGUMENT', 'no relay to connect to');
  return given.map((one) => (typeof one === 'string' ? parseRelayUrl(one) : one));
}

function isHere({ host }: RelayLocation): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

async function passwordOf({ password, passwordFile }: EndpointOptions): Promise<EndpointSettings['password']> {
  if (password !== undefined) return typeof password === 'string' ? () => password : password;
  if (passwordFile === undefined) return undefined;
  // Read once now, so that a wrong path is not taken for a relay's refusal.
  await readPasswordFile(passwordFile);
  return () => readPasswordFile(passwordFile);
}

async function ownOf({ certificate, key, tls }: EndpointOptions): Promise<EndpointSettings['own']> {
  if (certificate === undefined && key === undefined) return undefined;
  if (tls === 'off') throw new LocalError('ARGUMENT', 'a certificate is shown under TLS only, and tls is off');
  if (certificate === undefined || key === undefined) {
    throw new LocalError('ARGUMENT', 'certificate and key go together');
  }
  return { certificate: await pemOf(certificate, 'certificate'), key: await pemOf(key, 'key') };
}

function reconnectOf(reconnect: EndpointOptions['reconnect']): BackoffTimes | undefined {
  if (reconnect === undefined || reconnect === false) return undefined;
  return reconnect === true ? RECONNECT : { ...RECONNECT, ...reconnect };
}

function limitsOf(given: Partial<EndpointLimits>): EndpointLimits {
  const limits = { ...ENDPOINT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    const least = name === 'returnMs' ? 0 : 1;
    if (!Number.isInteger(value) || value < least)
      throw new LocalError('ARGUMENT', `limits.${name} is not a positive integer`);
  }
  return limits;
}
