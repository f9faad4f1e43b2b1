/**
 * State that all channels of one relay share: the configuration in force, the soft state, and the collaborators that
 * the relay was constructed with. Makes no decisions.
 */

import { LocalError, RefusedError } from '../errors.js';
import { type Address, addressOf } from '../imxp/address.js';
import { isCommon } from '../imxp/dialect/apex-name.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Data } from '../imxp/operation.js';
import type { Payload } from '../mime/payload.js';
import { type Clock, TIMERLESS_CLOCK } from '../ops/clock.js';
import type { Traffic } from '../ops/traffic.js';
import type { AccountRules } from './accounts.js';
import { REPLIES } from './answer.js';
import { AttachmentTable } from './attachments.js';
import { Bindings } from './bindings.js';
import type { MeshChannel } from './channel.js';
import type { TargetLimits } from './channel-target.js';
import type { Cluster } from './cluster.js';
import { NextHops } from './next-hops.js';
import type { OfflineOptions, OfflineQueues } from './offline/queues.js';
import { OptionRegistry } from './options.js';
import { Policy, type PolicyRules } from './policy.js';
import type { Rates } from './rates.js';
import { SessionAssociationsTable } from './session-associations.js';
import type { Reporter } from './status.js';
import { type AccessPolicy, CORE_DATA, type DeliveryTarget, type Dialer, type Directory } from './target.js';

/**
 * Checks whether a binding relay has an address that the SRV records of its domain name (core-01 §4.4.2 step 2,
 * D-CORE-11), and whom the configuration exempts from that. May query the DNS.
 *
 * @param domain in lower case
 */
export type BindCheck = (domain: string, channel: MeshChannel) => boolean | Promise<boolean>;

/** Generation of an endpoint without an account that the configuration gives to an application. */
const NO_ACCOUNT = 'application';

export interface RelayLimits extends TargetLimits {
  /** How long a Data may wait anywhere before it is sent; milliseconds. */
  readonly deliveryTimeoutMs: number;
  /** Attachments and bindings of one channel. */
  readonly attachmentsPerSession: number;
  /** Recipients of one Data operation. */
  readonly recipients: number;
}

/** Settings that SIGHUP may change. */
export interface RelaySettings {
  /** Domains served here. */
  readonly domains: Iterable<string>;
  readonly policy: PolicyRules;
  /** Applies to channels accepted from then on. */
  readonly limits: RelayLimits;
  /**
   * Co-resident services by local part in lower case, for instance `imxp=report`; each is served in every local domain.
   */
  readonly services: ReadonlyMap<string, DeliveryTarget>;
  /** Options that this relay understands; default: none. */
  readonly understood?: OptionRegistry;
  /** Relays that a Data operation of an endpoint here may pass if it does not say so itself; default: any number. */
  readonly hopLimit?: number;
  /**
   * Whether messages are held only if they have a time limit within the age limit of offline messages (RFC 3342 §7).
   */
  readonly timedHoldsOnly?: boolean;
}

export interface RelayOptions extends RelaySettings {
  readonly dialects: readonly Dialect[];
  readonly dialer: Dialer;
  readonly directory: Directory;
  /**
   * Also asked about services as owners: it must grant `core:data` on them unless an administrator says otherwise
   * (D-CORE-20).
   */
  readonly access: AccessPolicy;
  /** The report service; without it no statusRequest is answered. */
  readonly reporter?: Reporter;
  /** Local parts, `imxp=…`, of the services that anonymous peers may use; default: none. */
  readonly anonymousServices?: Iterable<string>;
  /** Default: every binding is accepted. */
  readonly bindCheck?: BindCheck;
  /** Disabled accounts and limits of accounts; default: none. */
  readonly accounts?: AccountRules;
  /** Rate limits of identities; default: none. */
  readonly rates?: Rates;
  /** Counter of answers; default: none. */
  readonly traffic?: Traffic | undefined;
  /** Clock for time limits of Data operations; default: one without alarms. */
  readonly time?: Clock;
  /** Storage for messages to endpoints that are not attached; without it none is held. */
  readonly offline?: OfflineOptions;
  /** The other nodes of the domains; default: this node is alone. */
  readonly cluster?: Cluster | undefined;
}

export class Context {
  readonly dialects: ReadonlyMap<string, Dialect>;
  readonly dialer: Dialer;
  readonly directory: Directory;
  readonly access: AccessPolicy;
  readonly reporter: Reporter | undefined;
  readonly bindCheck: BindCheck;
  readonly #anonymousServices: ReadonlySet<string>;
  readonly accounts: AccountRules | undefined;
  readonly rates: Rates | undefined;
  readonly traffic: Traffic | undefined;
  readonly cluster: Cluster | undefined;
  readonly attachments = new AttachmentTable();
  readonly bindings = new Bindings(() => ({ shares: this.limits, clock: this.time }));
  readonly sessionAssociations = new SessionAssociationsTable();
  readonly nextHops: NextHops;
  readonly time: Clock;
  /** Set by the relay as its last step, because the queues look for messages of an earlier process. */
  offline: OfflineQueues | undefined;
  domains: ReadonlySet<string>;
  policy: Policy;
  limits: RelayLimits;
  services: ReadonlyMap<string, DeliveryTarget>;
  understood: OptionRegistry;
  hopLimit: number;
  timedHoldsOnly: boolean;
  draining = false;
  #outstanding = 0;
  #idle: (() => void)[] = [];

  constructor(options: RelayOptions) {
    this.dialects = new Map(options.dialects.map((dialect) => [dialect.profile, dialect]));
    this.dialer = options.dialer;
    this.directory = options.directory;
    this.access = options.access;
    this.reporter = options.reporter;
    this.understood = options.understood ?? new OptionRegistry();
    this.#anonymousServices = new Set(options.anonymousServices);
    this.bindCheck = options.bindCheck ?? (() => true);
    this.accounts = options.accounts;
    this.rates = options.rates;
    this.traffic = options.traffic;
    this.cluster = options.cluster;
    this.nextHops = new NextHops(this.bindings, options.cluster);
    this.domains = lowered(options.domains);
    this.policy = new Policy(options.policy);
    this.attachments.deliveryFor = (name) => this.policy.deliveryFor(name);
    this.limits = options.limits;
    this.services = options.services;
    this.hopLimit = options.hopLimit ?? 0;
    this.timedHoldsOnly = options.timedHoldsOnly ?? false;
    this.time = options.time ?? TIMERLESS_CLOCK;
  }

  apply(settings: Partial<RelaySettings>): void {
    if (settings.domains !== undefined) this.domains = lowered(settings.domains);
    if (settings.policy !== undefined) this.policy = new Policy(settings.policy);
    if (settings.limits !== undefined) this.limits = settings.limits;
    if (settings.services !== undefined) this.services = settings.services;
    if (settings.understood !== undefined) this.understood = settings.understood;
    if (settings.hopLimit !== undefined) this.hopLimit = settings.hopLimit;
    if (settings.timedHoldsOnly !== undefined) this.timedHoldsOnly = settings.timedHoldsOnly;
  }

  /**
   * Returns the payload of a Data operation in the dialect of a channel.
   *
   * @throws RefusedError if the dialect cannot express it
   */
  encode(data: Data, profile: string): Payload {
    const dialect = this.dialects.get(profile);
    if (dialect === undefined) throw new LocalError('ARGUMENT', `no dialect for the profile ${profile}`);
    if (data.source !== undefined && data.source.profile !== profile) refuseUncommon(data);
    return dialect.encodeData(data);
  }

  /** Whether anonymous peers may use a service, here or elsewhere. */
  servesAnonymous({ wellKnown = '' }: Address): boolean {
    return this.#anonymousServices.has(imxpForm(wellKnown));
  }

  /** Returns the co-resident service of a well-known endpoint, unless an application serves it. */
  builtIn(name: Address): DeliveryTarget | undefined {
    const { wellKnown } = name;
    if (wellKnown === undefined || this.policy.servedByApplication(name)) return undefined;
    // D-APEX-01: local services answer to both prefixes.
    return this.services.get(wellKnown) ?? this.services.get(imxpForm(wellKnown));
  }

  /**
   * Whether a local endpoint accepts Data operations of an originator (core-01 §4.4.4.1 step 3.3). In the domain of a
   * gateway the gateway decides.
   */
  grants(owner: Address, originator: string): boolean | Promise<boolean> {
    return this.policy.hasGateway(owner.domain) || this.access.allowed(owner.key, originator, CORE_DATA);
  }

  /** Whether there is such an endpoint here: it has an account, or the configuration gives it to an application. */
  async known(name: Address): Promise<boolean> {
    // An account is known by its base address; subaddresses have no accounts of their own.
    return this.policy.covers(name) || (await this.directory.known(name.base));
  }

  /**
   * Returns what tells an endpoint's account from earlier and later ones of the same name; null when there is no such
   * endpoint, undefined when the directory knows no generations.
   */
  async generation(name: Address): Promise<string | null | undefined> {
    // A directory that knows no generations has one account of each name.
    if (this.directory.generation === undefined) return undefined;
    return (await this.directory.generation(name.base)) ?? (this.policy.covers(name) ? NO_ACCOUNT : null);
  }

  /** Number of Data operations, received or made here, without an answer. */
  get outstanding(): number {
    return this.#outstanding;
  }

  began(): void {
    this.#outstanding += 1;
  }

  ended(): void {
    this.#outstanding -= 1;
    if (this.#outstanding > 0 || this.#idle.length === 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  /** Resolves when nothing is outstanding. */
  idle(): Promise<void> {
    if (this.#outstanding === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }
}

/** D-APEX-06: only names that are the same in both dialects cross from one to the other. */
function refuseUncommon({ originator, recipients }: Data): void {
  for (const identity of [originator, ...recipients.map((recipient) => recipient.identity)]) {
    const name = addressOf(identity);
    if (name !== undefined && isCommon(name)) continue;
    throw new RefusedError(
      'REFUSED',
      REPLIES.uncommonName,
      'a name cannot be expressed in the dialect of the next hop',
    );
  }
}

function lowered(domains: Iterable<string>): ReadonlySet<string> {
  return new Set([...domains].map((domain) => domain.toLowerCase()));
}

/** Returns the local part of a service as in IMXP; APEX has it with `apex=`. */
function imxpForm(wellKnown: string): string {
  return `imxp=${wellKnown.slice('imxp='.length)}`;
}
