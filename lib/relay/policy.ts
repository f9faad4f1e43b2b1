/**
 * Policy of the relay: as whom a peer may attach, for whom it may bind and send, and what it may pass on (core-01
 * §4.5). Depends only on identity, privacy, configuration and operation.
 */
import type { Reply } from '../errors.js';
import { type Address, addressOf, commonKey, EVERYBODY, wholeDomain } from '../imxp/address.js';
import { ANONYMOUS, isAnonymous, isAnonymousLocal, isAnonymousName } from '../imxp/anonymous.js';
import type { Identity } from '../imxp/identity.js';
import { EndpointPatterns } from './endpoint-patterns.js';

/** A refusal: the reply to the peer, and the reason for the operator. */
export interface Denial {
  readonly reply: Reply;
  /** For the log. */
  readonly reason: string;
}

/** The rules of the configuration; an identity is an address, `imxp=mesh@domain` or a domain. */
export interface PolicyRules {
  /** Which peers must use TLS. */
  readonly requireTls: 'never' | 'mesh' | 'always';
  /**
   * Identities with the further endpoints, or patterns of endpoints, that they may attach as. A reserved local part needs
   * an entry here, or one in {@link services} or {@link gateways}.
   */
  readonly attach: Readonly<Record<string, readonly string[]>>;
  /**
   * Attached endpoints with the further originators, or patterns of originators, that they may send for, besides
   * themselves and their subaddresses.
   */
  readonly originators: Readonly<Record<string, readonly string[]>>;
  /** Identities with the further domains that they may bind for. */
  readonly relays: Readonly<Record<string, readonly string[]>>;
  /** Relays that may forward Data operations of any originator and to any domain. */
  readonly trusted: readonly string[];
  /** Well-known endpoints that applications serve, instead of this relay; default: none. */
  readonly services?: Readonly<Record<string, 'application'>>;
  /** Domains served here with the identity of the gateway to which all their endpoints and services belong; default: none. */
  readonly gateways?: Readonly<Record<string, string>>;
  /** Whether peers that use SASL ANONYMOUS may attach as `anonymous/RANDOM`; default: not. */
  readonly anonymous?: boolean;
  /**
   * Who receives for an endpoint that only subaddresses are attached of (D-CORE-48): the same for all, or by the first rule
   * that matches; default: `first`.
   */
  readonly delivery?: SharedDelivery | readonly DeliveryRule[];
}

/** Who receives for some endpoints, or for all that no rule before it matches. */
export interface DeliveryRule {
  /** Endpoints, and patterns of them; default: all. */
  readonly addresses?: readonly string[] | undefined;
  readonly delivery: SharedDelivery;
}

/**
 * Who receives for an endpoint as which no application is attached, but as subaddresses of which some are: `first` nobody,
 * since an endpoint is the first application that attaches as it; `latest` the one that attached last; `all` each of them; `one`
 * each in turn, a queue group.
 */
export type SharedDelivery = 'first' | 'latest' | 'all' | 'one';

/** Every peer acts only in its own name, and none has to use TLS. */
export const STRICT_POLICY: PolicyRules = { requireTls: 'never', attach: {}, originators: {}, relays: {}, trusted: [] };

const NOT_PRIVATE: Reply = { code: 538, text: 'TLS is required here: start TLS first' };
const NOT_AUTHENTICATED: Reply = { code: 530, text: 'authentication required' };
const NOT_THAT_ENDPOINT: Reply = { code: 537, text: 'not authorized to attach as this endpoint' };
const NOT_THAT_DOMAIN: Reply = { code: 537, text: 'not authorized to bind for this domain' };
const NOT_THAT_ORIGINATOR: Reply = { code: 537, text: 'not authorized to send data for this originator' };

/** What a session is attached as (normalized addresses) and bound for (domains in lower case). */
export interface AssociatedNames {
  readonly attached: Iterable<string>;
  readonly bound: { has(domain: string): boolean };
}

export class Policy {
  readonly #requireTls: PolicyRules['requireTls'];
  readonly #attach: ReadonlyMap<string, EndpointPatterns>;
  readonly #originators: ReadonlyMap<string, EndpointPatterns>;
  readonly #relays: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #trusted: ReadonlySet<string>;
  /** All endpoints and patterns of `policy.attach`. */
  readonly #attachable: EndpointPatterns;
  readonly #services: ReadonlySet<string>;
  readonly #gateways: ReadonlyMap<string, string>;
  /** Whether peers that use SASL ANONYMOUS have an identity (D-CORE-47). */
  readonly anonymous: boolean;
  readonly #delivery: readonly { readonly which: EndpointPatterns | undefined; readonly delivery: SharedDelivery }[];

  constructor(rules: PolicyRules) {
    this.#requireTls = rules.requireTls;
    this.#attach = table(rules.attach, (endpoints) => new EndpointPatterns(endpoints));
    this.#attachable = new EndpointPatterns(Object.values(rules.attach).flat());
    this.#originators = table(rules.originators, (endpoints) => new EndpointPatterns(endpoints));
    this.#relays = table(rules.relays, (domains) => new Set(domains.map(lower)));
    this.anonymous = rules.anonymous ?? false;
    const { delivery = [] } = rules;
    this.#delivery = (typeof delivery === 'string' ? [{ delivery }] : delivery).map((rule) => ({
      which: rule.addresses === undefined ? undefined : new EndpointPatterns(rule.addresses),
      delivery: rule.delivery,
    }));
    this.#trusted = new Set(rules.trusted.map(keyOf));
    const { services = {}, gateways = {} } = rules;
    this.#services = new Set(Object.keys(services).map(keyOf));
    this.#gateways = new Map(Object.entries(gateways).map(([domain, owner]) => [lower(domain), keyOf(owner)]));
  }

  /** Who receives for an endpoint as which no application is attached, but as subaddresses of which some are (D-CORE-48). */
  deliveryFor(name: Address): SharedDelivery {
    return this.#delivery.find(({ which }) => which === undefined || which.has(name))?.delivery ?? 'first';
  }

  /** Whether a domain (in lower case) belongs to a gateway, which then serves and decides everything in it. */
  hasGateway(domain: string): boolean {
    return this.#gateways.has(domain);
  }

  /** Whether an application serves a well-known endpoint, and not this relay. */
  servedByApplication(name: Address): boolean {
    return this.#gateways.has(name.domain) || this.#services.has(commonKey(name));
  }

  /**
   * Whether the configuration gives an endpoint to some application, so that it exists although it has no account: its
   * domain belongs to a gateway, or it is a service that an application serves, or a pattern covers it.
   */
  covers(name: Address): boolean {
    return this.servedByApplication(name) || (!name.service && this.#attachable.covers(name));
  }

  /**
   * Checks core-01 §4.4.1 step 3: who may attach as an endpoint and all its subaddresses, or as `*@domain` for all
   * endpoints of a domain (D-CORE-38).
   */
  mayAttach(identity: Identity, privacy: boolean, endpoint: Address): Denial | undefined {
    const denial = this.#mayTalk(identity, privacy);
    if (denial !== undefined) return denial;
    const reason = this.#obstacle(identity, endpoint);
    return reason === undefined ? undefined : { reply: NOT_THAT_ENDPOINT, reason };
  }

  /** @returns the reason for the log why an identity may not be an endpoint; undefined if it may */
  #obstacle(identity: Identity, endpoint: Address): string | undefined {
    const keys = keysOf(identity);
    const gateway = this.#gateways.get(endpoint.domain);
    if (gateway !== undefined) {
      return keys.includes(gateway) ? undefined : `${endpoint.domain} belongs to the gateway ${gateway}`;
    }
    if (isAnonymous(identity)) return this.#anonymousObstacle(endpoint);
    if (keys.some((key) => this.#attach.get(key)?.has(endpoint))) return undefined;
    if (this.anonymous && (endpoint.local === ANONYMOUS || isAnonymousName(endpoint))) {
      return `${endpoint.key} is reserved for peers that use SASL ANONYMOUS`;
    }
    if (endpoint.local === EVERYBODY) return `policy.attach has no ${endpoint.key} for ${describe(identity)}`;
    const own = identity.kind === 'endpoint' ? keyOf(identity.address) : undefined;
    // D-CORE-15: an account by the name of a service is that service only where the configuration says so.
    if (endpoint.service && !this.#services.has(commonKey(endpoint))) {
      // The address of a gateway is the name of a program, so the program may attach as itself.
      if (own === commonKey(endpoint) && this.#isGateway(own)) return undefined;
      return `${endpoint.key} is reserved and not configured for this peer`;
    }
    if (own !== undefined && (own === commonKey(endpoint) || own === endpoint.base)) return undefined;
    return `the peer is ${describe(identity)}`;
  }

  #anonymousObstacle({ key, local }: Address): string | undefined {
    if (!this.anonymous) return 'policy.anonymous is false';
    if (isAnonymousLocal(local)) return undefined;
    return `${key} is not anonymous/ with 32 hexadecimal digits, and the peer used SASL ANONYMOUS`;
  }

  #isGateway(key: string): boolean {
    for (const gateway of this.#gateways.values()) if (gateway === key) return true;
    return false;
  }

  /**
   * Checks core-01 §4.4.2 step 3: who may bind for a domain.
   *
   * @param domain in lower case
   */
  mayBind(identity: Identity, privacy: boolean, domain: string): Denial | undefined {
    const denial = this.#mayTalk(identity, privacy);
    if (denial !== undefined) return denial;
    if (identity.kind === 'relay' && identity.domains.some((own) => own.toLowerCase() === domain)) return undefined;
    for (const key of keysOf(identity)) if (this.#relays.get(key)?.has(domain)) return undefined;
    return { reply: NOT_THAT_DOMAIN, reason: `the peer is ${describe(identity)}` };
  }

  /**
   * Checks core-01 §4.4.4.1 step 1: for whom a session may send Data operations.
   *
   * @param names what the session is attached as and bound for
   */
  mayOriginate(
    identity: Identity,
    privacy: boolean,
    originator: Address,
    { attached, bound }: AssociatedNames,
  ): Denial | undefined {
    for (const key of attached) if (this.#speaksFor(key, originator, identity)) return undefined;
    const denial = this.#mayTalk(identity, privacy);
    if (denial !== undefined) return denial;
    if (bound.has(originator.domain)) return undefined;
    if (identity.kind === 'relay') {
      if (identity.domains.some((own) => own.toLowerCase() === originator.domain)) return undefined;
      if (this.trusts(identity)) return undefined;
    }
    return { reply: NOT_THAT_ORIGINATOR, reason: `the peer is ${describe(identity)}` };
  }

  /**
   * Whether an account may act as another identity when it authenticates (RFC 4422 §2): it may if it may attach as that
   * endpoint or bind for that domain anyway.
   *
   * @param account the account that was proven
   * @param authzid the identity that it asks for: `local@domain`, `imxp=mesh@domain` or a domain
   */
  mayActAs(account: string, authzid: string): boolean {
    const key = keyOf(account);
    const domain = MESH.exec(authzid)?.[1] ?? (authzid.includes('@') ? undefined : authzid);
    if (domain !== undefined) return this.#relays.get(key)?.has(domain.toLowerCase()) ?? false;
    const endpoint = addressOf(authzid);
    // A whole domain is no identity: who attaches for one logs in as themselves.
    if (endpoint === undefined || endpoint.local === EVERYBODY) return false;
    return this.#gateways.get(endpoint.domain) === key || this.#attach.get(key)?.has(endpoint) === true;
  }

  /** Whether the peer is a trusted intermediary (core-01 §4.5.2), which may forward from and to foreign domains. */
  trusts(identity: Identity): boolean {
    if (this.#trusted.size === 0 || identity.kind !== 'relay') return false;
    return keysOf(identity).some((key) => this.#trusted.has(key));
  }

  /** @param attached common key */
  #speaksFor(attached: string, originator: Address, identity: Identity): boolean {
    if (attached === commonKey(originator) || attached === originator.base) return true;
    // An application attached for a domain may originate as every endpoint that it could attach as.
    if (attached === wholeDomain(originator.domain)) return this.#obstacle(identity, originator) === undefined;
    // D-CORE-49: a program beside others of its account is attached as a subaddress, and speaks for the account.
    if (!isAnonymous(identity) && addressOf(attached)?.base === originator.base) {
      return this.#obstacle(identity, originator) === undefined;
    }
    return this.#originators.get(attached)?.has(originator) === true;
  }

  #mayTalk(identity: Identity, privacy: boolean): Denial | undefined {
    // Checked before 530, so that no peer is invited to authenticate in the clear.
    const needed = this.#requireTls === 'always' || (this.#requireTls === 'mesh' && identity.kind === 'relay');
    if (needed && !privacy) return { reply: NOT_PRIVATE, reason: `tls.require is ${this.#requireTls}` };
    if (identity.kind === 'none') return { reply: NOT_AUTHENTICATED, reason: 'the peer has not authenticated' };
    return undefined;
  }
}

/** Returns the name of an identity for the log. */
export function describe(identity: Identity): string {
  if (identity.kind === 'none') return 'nobody';
  return identity.kind === 'endpoint' ? identity.address : `the relay of ${identity.domains.join(', ')}`;
}

/** Returns the names that an identity may have in the configuration. */
function keysOf(identity: Identity): string[] {
  if (identity.kind === 'none') return [];
  if (identity.kind === 'endpoint') return [keyOf(identity.address)];
  return identity.domains.map(lower);
}

const MESH = /^(?:imxp|apex)=mesh@(.+)$/i;

/** D-CORE-14: `imxp=mesh@domain` and `domain` are the same relay identity. */
function keyOf(identity: string): string {
  const relay = MESH.exec(identity)?.[1];
  if (relay !== undefined) return relay.toLowerCase();
  const name = addressOf(identity);
  return name === undefined ? identity.toLowerCase() : commonKey(name);
}

function lower(domain: string): string {
  return domain.toLowerCase();
}

function table<Value>(
  entries: Readonly<Record<string, readonly string[]>>,
  make: (values: readonly string[]) => Value,
): ReadonlyMap<string, Value> {
  return new Map(Object.entries(entries).map(([key, values]) => [keyOf(key), make(values)]));
}
