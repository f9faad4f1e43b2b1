/** Options of {@link Endpoint.connect}: checks them and fills in the defaults. Opens only the files that are named. */
import { randomUUID } from 'node:crypto';
import { DIALECTS, type DialectName } from '../config/dialects.js';
import { DEFAULT_LIMITS } from '../config/limits.js';
import { readPasswordFile } from '../config/password-file.js';
import { parseRelayUrl, type RelayLocation } from '../config/relay-url.js';
import { LocalError } from '../errors.js';
import { EVERYBODY } from '../imxp/address.js';
import { anonymousAddress } from '../imxp/anonymous.js';
import type { Secure } from '../message/smime/secure.js';
import type { BackoffTimes } from '../transport/backoff.js';
import { beside, givenAddress, wireAddress } from './address.js';
import { checkKeys, type KnownKeys } from './keys.js';
import { pemOf } from './pem.js';
import { type ContentSecurity, type SecureFiles, secureOf } from './secure.js';

export type TlsUse = 'off' | 'prefer' | 'require';

/** Limits of an endpoint; each has a default. */
export interface EndpointLimits {
  /** Time limit of one TCP connection attempt. */
  readonly connectTimeoutMs: number;
  /** How long `close` waits for outstanding answers. */
  readonly closeTimeoutMs: number;
  /** How long an answer is awaited; longer than relays wait for each other, so that their errors arrive first. */
  readonly answerTimeoutMs: number;
  /** Messages sent and not yet answered; past it `send` queues. */
  readonly outstandingData: number;
  /** Total octets of those; a single larger message is still sent when nothing else is outstanding. */
  readonly outstandingOctets: number;
  /**
   * Channels to send on. Further ones are opened while all existing ones have unanswered messages, so that a slow
   * recipient does not delay messages to others. 1 never opens any.
   */
  readonly lanes: number;
  /**
   * Channels to receive on for a program that is attached for a whole domain. Further ones are opened while answers are due on
   * half of them, so that a user who is slow to answer does not delay the deliveries to others. 1 never opens any.
   */
  readonly receivingLanes: number;
  /**
   * How often an endpoint connected to a relay of lower preference (by DNS priority or position in `relay`) tries the
   * preferred ones again, with jitter; 0 never.
   */
  readonly returnMs: number;
  /** Unanswered deliveries; past it further ones are refused with 450. */
  readonly queuedData: number;
  /** Total octets of those; a single larger delivery is still accepted when there is no other. */
  readonly queuedOctets: number;
  /** Largest message accepted. */
  readonly messageOctets: number;
  /** Receive window advertised to the relay; unanswered deliveries occupy at most half of it. */
  readonly windowOctets: number;
}

export const ENDPOINT_LIMITS: EndpointLimits = Object.freeze({
  connectTimeoutMs: DEFAULT_LIMITS.session.connectTimeoutMs,
  closeTimeoutMs: DEFAULT_LIMITS.session.closeTimeoutMs,
  answerTimeoutMs: 2 * DEFAULT_LIMITS.data.deliveryTimeoutMs,
  // Below what a relay accepts for one target, so that back-pressure acts here instead of as a refusal there.
  outstandingData: 1024,
  outstandingOctets: 8_388_608,
  lanes: 4,
  receivingLanes: DEFAULT_LIMITS.link.maximumLanes,
  returnMs: 300_000,
  queuedData: 1024,
  queuedOctets: 16_777_216,
  messageOctets: DEFAULT_LIMITS.session.messageOctets,
  windowOctets: DEFAULT_LIMITS.session.windowOctets,
});

/** Delays between reconnection attempts: `firstMs`, doubling up to `longestMs`. */
export interface ReconnectOptions extends Partial<BackoffTimes> {
  /**
   * Whether `connect` tries again, too, while the relay cannot be reached or is overloaded; `signal` ends that. Default:
   * false.
   */
  readonly initial?: boolean;
}

/** Options of {@link Endpoint.connect}. */
export interface EndpointOptions {
  /** The address to attach as, `local@domain`; also the user name. Required, except with `anonymous`. */
  readonly address?: string;
  /**
   * Attach without an account (SASL ANONYMOUS), at a relay of this domain whose policy allows that, under a random
   * address `anonymous/…@domain`, which is in {@link Endpoint.addresses}. Such an endpoint may subscribe to presence, and
   * send, where access entries name `anonymous/*@domain`.
   */
  readonly anonymous?: string;
  /**
   * URL of the relay: `tcp://host:port`, `ws://host/path` or `wss://host/path`; alternatives are tried in order.
   * Default: found in the DNS by the address's domain (SRV `_imxp-edge._tcp`, or `_apex-edge._tcp`).
   */
  readonly relay?: string | RelayLocation | readonly (string | RelayLocation)[];
  /**
   * The dialect spoken with the relay. Use `apex` (RFC 3340) for relays that speak nothing else, and for local parts
   * that IMXP does not allow, which are quoted: `"fred smith"@example.com`. An APEX relay answers `ok` before it
   * delivers: sending then resolves when the relay has accepted the message, and only {@link Endpoint.status} tells
   * whether it was delivered. Default: `imxp`.
   */
  readonly dialect?: DialectName;
  /** Name servers, as `address` or `address:port`; default: those of the system. */
  readonly nameServers?: readonly string[];
  /**
   * The password, or a function that returns it, called on each connection. Without this, `passwordFile` or
   * `certificate` the endpoint does not log in.
   */
  readonly password?: string | (() => string | Promise<string>);
  /**
   * The name to log in with, where it is another than `address`: DIGEST-MD5 makes it a part of what is proven, so that an
   * account whose verifier was made for `fred` logs in as `fred`. Default: the address, without a subaddress.
   */
  readonly loginName?: string;
  /** File whose first line is the password; read on each connection. */
  readonly passwordFile?: string;
  /**
   * `require`: TLS with a verified certificate, or no connection. `prefer`: TLS if the relay offers it, without
   * verifying its certificate; this protects from eavesdropping, not from impersonation. `off`: no TLS. Default:
   * `require`; but `prefer` when `relay` names only relays on this machine and `ca` is not given.
   */
  readonly tls?: TlsUse;
  /**
   * Trusted CA certificates for the relay's certificate: PEM, or the path of a PEM file. Default: Node's bundled list.
   */
  readonly ca?: string | Buffer;
  /**
   * Client certificate that names the address (rfc822Name, or URI `im:`), with its intermediates: PEM, or the path of a
   * PEM file. It is presented in the TLS handshake and used to log in (SASL EXTERNAL) if the relay allows that.
   * Requires `key`.
   */
  readonly certificate?: string | Buffer;
  /** Private key of `certificate`: PEM, or the path of a PEM file. */
  readonly key?: string | Buffer;
  /**
   * Also accept a relay that supports nothing newer than the TLS of the year 2000 (message-service-01 §6.1), which is
   * no longer safe. Newer versions are tried first. Default: false.
   */
  readonly legacyTls?: boolean;
  /**
   * Certificates and keys to sign, encrypt, verify and decrypt messages with (S/MIME): PEM, paths of PEM files, or a
   * `Secure`. Without it signatures are never valid and encrypted content cannot be read. `false`: signed and encrypted
   * content, and signed presence, are passed on as they arrived, and S/MIME, which is large, is not even loaded.
   */
  readonly secure?: Secure | SecureFiles | false;
  /**
   * Whether a delivery is accepted automatically when the application is done with it; see {@link Endpoint}. Default:
   * true.
   */
  readonly autoAccept?: boolean;
  /** Reconnect and attach again after a loss. Default: false. */
  readonly reconnect?: boolean | ReconnectOptions;
  /**
   * Replace an application that is attached under the same address, instead of being refused with 554. The other
   * application's attachment ends. An endpoint that was itself replaced does not do so again. Default: false.
   */
  readonly override?: boolean;
  /**
   * This program only sends: it takes the place of no other program that is attached as `address`, and what arrives for it
   * is refused at once. It attaches under a subaddress of its own, which is in {@link Endpoint.addresses} and to which
   * services and {@link Endpoint.request} get their answers; messages still come from `address` (D-CORE-49). Where the relay
   * refuses subaddresses it attaches as `address` itself, unless another program has it (554). Default: false.
   */
  readonly sendOnly?: boolean;
  /**
   * This program is one of several that share what arrives for `address`, each message to one of them (D-CORE-50): a queue
   * group. It attaches under a subaddress of its own, which is in {@link Endpoint.addresses}, unless `address` has one. While a
   * program is attached as exactly the account's address, that one receives. Default: false.
   */
  readonly queueGroup?: boolean;
  /** Ends the attempt to connect; it has no effect afterwards. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<EndpointLimits>;
}

/** The options, complete and checked. */
export interface EndpointSettings {
  readonly address: string;
  /** The address to attach as: {@link address}, or a subaddress of it for a program that only sends or shares. */
  readonly attachAs: string;
  readonly sendOnly: boolean;
  readonly queueGroup: boolean;
  readonly loginName: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whether to log in anonymously. */
  readonly anonymous: boolean;
  readonly domain: string;
  /** Empty: found in the DNS. */
  readonly relays: readonly RelayLocation[];
  readonly dialect: DialectName;
  readonly nameServers: readonly string[];
  readonly password: (() => string | Promise<string>) | undefined;
  readonly tls: TlsUse;
  readonly ca: string | Buffer | undefined;
  /** Presented in the TLS handshake and used to log in. */
  readonly own: { readonly certificate: string | Buffer; readonly key: string | Buffer } | undefined;
  readonly legacyTls: boolean;
  readonly secure: ContentSecurity;
  readonly autoAccept: boolean;
  readonly reconnect: BackoffTimes | undefined;
  /** Whether the first connection is attempted again as well. */
  readonly reconnectInitially: boolean;
  readonly override: boolean;
  readonly limits: EndpointLimits;
}

const KEYS: KnownKeys<EndpointOptions> = {
  address: true,
  anonymous: true,
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
  sendOnly: true,
  queueGroup: true,
  loginName: true,
  signal: true,
  limits: true,
};
const RECONNECT_KEYS: KnownKeys<ReconnectOptions> = { firstMs: true, longestMs: true, steadyMs: true, initial: true };
const TLS_USES: Readonly<Record<TlsUse, true>> = { off: true, prefer: true, require: true };

const RECONNECT: BackoffTimes = { firstMs: 100, longestMs: 30_000 };

/** @throws LocalError ADDRESS_INVALID | ARGUMENT | CONFIGURATION */
export async function settle(options: EndpointOptions): Promise<EndpointSettings> {
  checkOptions(options);
  const address = addressFor(options);
  const { domain, local } = givenAddress(address);
  if (local === EVERYBODY) {
    const text = `a whole domain has no account: connect as yourself, then attach('${address}')`;
    throw new LocalError('ARGUMENT', `Endpoint.connect: ${text}`);
  }
  const relays = relaysOf(options.relay);
  const { sendOnly = false, anonymous, reconnect } = options;
  return {
    address: wireAddress(address),
    attachAs: wireAddress(attachAsOf(address, options)),
    sendOnly,
    queueGroup: options.queueGroup ?? false,
    loginName: options.loginName,
    signal: options.signal,
    anonymous: anonymous !== undefined,
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
    reconnect: reconnectOf(reconnect),
    reconnectInitially: typeof reconnect === 'object' && reconnect.initial === true,
    override: options.override ?? false,
    limits: limitsOf(options.limits ?? {}),
  };
}

function attachAsOf(address: string, { sendOnly, queueGroup, anonymous }: EndpointOptions): string {
  // An anonymous address is random already, and attaches once.
  if (anonymous !== undefined) return address;
  if (sendOnly === true) return beside(address, 'send');
  const { key, base } = givenAddress(address);
  return queueGroup === true && key === base ? beside(address, 'group') : address;
}

/** Checks programs without types. */
function checkOptions(options: EndpointOptions): void {
  checkKeys(options, KEYS, 'Endpoint.connect');
  const { address, anonymous, dialect, limits, queueGroup, reconnect, sendOnly, tls } = options;
  if (anonymous !== undefined) checkAnonymous(options);
  else if (typeof address !== 'string') throw new LocalError('ARGUMENT', 'Endpoint.connect: address is required');
  if (sendOnly === true && queueGroup === true) {
    throw new LocalError(
      'ARGUMENT',
      'Endpoint.connect: what only sends shares nothing that arrives: sendOnly or queueGroup',
    );
  }
  if (limits !== undefined) checkKeys(limits, limitKeys(), 'Endpoint.connect: limits');
  if (typeof reconnect === 'object') {
    checkKeys(reconnect, RECONNECT_KEYS, 'Endpoint.connect: reconnect');
  }
  if (dialect !== undefined && !DIALECTS.includes(dialect)) {
    throw new LocalError('ARGUMENT', `Endpoint.connect: dialect must be one of ${DIALECTS.join(', ')}`);
  }
  if (tls !== undefined && !Object.hasOwn(TLS_USES, tls)) {
    throw new LocalError('ARGUMENT', `Endpoint.connect: tls must be one of ${Object.keys(TLS_USES).join(', ')}`);
  }
}

/** An address or a proof contradicts an anonymous login. */
function checkAnonymous({ anonymous, address, password, passwordFile, certificate, loginName }: EndpointOptions): void {
  if (typeof anonymous !== 'string') {
    throw new LocalError('ARGUMENT', 'Endpoint.connect: anonymous is the domain at whose relay to be anonymous');
  }
  if ([address, password, passwordFile, certificate, loginName].some((one) => one !== undefined)) {
    throw new LocalError(
      'ARGUMENT',
      'Endpoint.connect: anonymous goes without address, loginName, password, passwordFile and certificate',
    );
  }
}

function addressFor({ address = '', anonymous }: EndpointOptions): string {
  return anonymous === undefined ? address : anonymousAddress(randomUUID().replaceAll('-', ''), anonymous);
}

function limitKeys(): KnownKeys<EndpointLimits> {
  return Object.fromEntries(Object.keys(ENDPOINT_LIMITS).map((key) => [key, true])) as KnownKeys<EndpointLimits>;
}

function relaysOf(relay: EndpointOptions['relay']): readonly RelayLocation[] {
  if (relay === undefined) return [];
  const given = Array.isArray(relay) ? (relay as readonly (string | RelayLocation)[]) : [relay as RelayLocation];
  if (given.length === 0)
    throw new LocalError(
      'ARGUMENT',
      'Endpoint.connect: "relay" is an empty list; name a relay, or leave it out to find one in the DNS',
    );
  return given.map((one) => (typeof one === 'string' ? parseRelayUrl(one) : one));
}

function isHere({ host }: RelayLocation): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

async function passwordOf({ password, passwordFile }: EndpointOptions): Promise<EndpointSettings['password']> {
  if (password !== undefined) return typeof password === 'string' ? () => password : password;
  if (passwordFile === undefined) return undefined;
  // Read once now, so that a wrong path is not mistaken for a refusal by the relay.
  await readPasswordFile(passwordFile);
  return () => readPasswordFile(passwordFile);
}

async function ownOf({ certificate, key, tls }: EndpointOptions): Promise<EndpointSettings['own']> {
  if (certificate === undefined && key === undefined) return undefined;
  if (tls === 'off') throw new LocalError('ARGUMENT', 'Endpoint.connect: a certificate needs TLS, but tls is "off"');
  if (certificate === undefined || key === undefined) {
    throw new LocalError('ARGUMENT', 'Endpoint.connect: certificate and key must be given together');
  }
  return { certificate: await pemOf(certificate, 'certificate'), key: await pemOf(key, 'key') };
}

function reconnectOf(reconnect: EndpointOptions['reconnect']): BackoffTimes | undefined {
  if (reconnect === undefined || reconnect === false) return undefined;
  if (reconnect === true) return RECONNECT;
  const { initial: _, ...times } = reconnect;
  return { ...RECONNECT, ...times };
}

function limitsOf(given: Partial<EndpointLimits>): EndpointLimits {
  const limits = { ...ENDPOINT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    const least = name === 'returnMs' ? 0 : 1;
    if (!Number.isInteger(value) || value < least)
      throw new LocalError('ARGUMENT', `limits.${name} must be ${least === 0 ? 'zero or ' : ''}a positive integer`);
  }
  return limits;
}
