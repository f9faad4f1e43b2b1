/**
 * What all channels of one relay share: the configuration in force, the soft state and what the relay was handed. Holds
 * it; decides nothing.
 */

import type { Payload } from '../beep/payload.js';
import { LocalError, RefusedError } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import { isCommon } from '../imxp/dialect/apex-name.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Data } from '../imxp/operation.js';
import { type Clock, TIMERLESS_CLOCK } from '../ops/clock.js';
import type { Traffic } from '../ops/traffic.js';
import type { AccountRules } from './accounts.js';
import { REPLIES } from './answer.js';
import { AttachmentTable } from './attachments.js';
import { Bindings } from './bindings.js';
import type { MeshChannel } from './channel.js';
import type { TargetLimits } from './channel-target.js';
import { NextHops } from './next-hops.js';
import type { OfflineOptions, OfflineQueues } from './offline/queues.js';
import { OptionRegistry } from './options.js';
import { Policy, type PolicyRules } from './policy.js';
import type { Rates } from './rates.js';
import { SessionAssociationsTable } from './session-associations.js';
import type { Reporter } from './status.js';
import type { AccessPolicy, DeliveryTarget, Dialer, Directory } from './target.js';

/**
 * Whether a binding relay is where its domain's SRV records say (core-01 §4.4.2 step 2, D-CORE-11). It may need the DNS; it
 * also decides whom the configuration exempts.
 *
 * @param domain lower-case
 */
export type BindCheck = (domain: string, channel: MeshChannel) => boolean | Promise<boolean>;

export interface RelayLimits extends TargetLimits {
  /** Attachments and bindings of one channel. */
  readonly attachmentsPerSession: number;
  /** Recipients of one Data. */
  readonly recipients: number;
}

/** What SIGHUP may change. */
export interface RelaySettings {
  /** The domains served here. */
  readonly domains: Iterable<string>;
  readonly policy: PolicyRules;
  /** For channels accepted from then on. */
  readonly limits: RelayLimits;
  /** Co-resident services by local part in lower case, for instance `imxp=report`; served in every local domain. */
  readonly services: ReadonlyMap<string, DeliveryTarget>;
  /** Options this relay understands; none unless given. */
  readonly understood?: OptionRegistry;
  /** Relays that Data of endpoints here may pass where it does not say so itself; any number unless given. */
  readonly hopLimit?: number;
  /** Whether only Data are held that say for how long, within the time that Data are held (RFC 3342 §7). */
  readonly timedHoldsOnly?: boolean;
}

export interface RelayOptions extends RelaySettings {
  readonly dialects: readonly Dialect[];
  readonly dialer: Dialer;
  readonly directory: Directory;
  /** Asked for services as owners too: it grants `core:data` on them unless an administrator says otherwise (D-CORE-20). */
  readonly access: AccessPolicy;
  /** The report service; without it nobody is told what he asked for by statusRequest. */
  readonly reporter?: Reporter;
  /** Accepts every binding unless given. */
  readonly bindCheck?: BindCheck;
  /** Which accounts are disabled or limited; none unless given. */
  readonly accounts?: AccountRules;
  /** How often identities may do something; as often as they like unless given. */
  readonly rates?: Rates;
  /** Counts the answers; nobody does unless given. */
  readonly traffic?: Traffic | undefined;
  /** For Data that ask to be timed; without it nothing rings. */
  readonly time?: Clock;
  /** Where Data for endpoints that are not attached are held; without it none is. */
  readonly offline?: OfflineOptions;
}

export class Context {
  readonly dialects: ReadonlyMap<string, Dialect>;
  readonly dialer: Dialer;
  readonly directory: Directory;
  readonly access: AccessPolicy;
  readonly reporter: Reporter | undefined;
  readonly bindCheck: BindCheck;
  readonly accounts: AccountRules | undefined;
  readonly rates: Rates | undefined;
  readonly traffic: Traffic | undefined;
  readonly attachments = new AttachmentTable();
  readonly bindings = new Bindings(() => ({ shares: this.limits, clock: this.time }));
  readonly standings = new SessionAssociationsTable();
  readonly nextHops = new NextHops(this.bindings);
  readonly time: Clock;
  /** Given by the relay, which makes them last: they look for what an earlier process held. */
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
    this.bindCheck = options.bindCheck ?? (() => true);
    this.accounts = options.accounts;
    this.rates = options.rates;
    this.traffic = options.traffic;
    this.domains = lowered(options.domains);
    this.policy = new Policy(options.policy);
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
   * The octets of a Data in the dialect of a channel.
   *
   * @throws RefusedError when it cannot be said in it
   */
  encode(data: Data, profile: string): Payload {
    const dialect = this.dialects.get(profile);
    if (dialect === undefined) throw new LocalError('ARGUMENT', `no dialect for the profile ${profile}`);
    if (data.source !== undefined && data.source.profile !== profile) refuseUncommon(data);
    return dialect.encodeData(data);
  }

  /** Requests of the relay's own and Data received that have no answer yet. */
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
    throw new RefusedError('REFUSED', REPLIES.uncommonName, 'a name cannot be said in the dialect of the next hop');
  }
}

function lowered(domains: Iterable<string>): ReadonlySet<string> {
  return new Set([...domains].map((domain) => domain.toLowerCase()));
}
