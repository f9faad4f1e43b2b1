/**
 * What a peer may do: attach as, bind for, originate, pass on (core-01 §4.5). A pure function of
 * identity, privacy, configuration and operation; refuses to know sessions, options and the state of the relay.
 */
import type { Reply } from '../errors.js';
import { type Address, addressOf } from '../imxp/address.js';
import type { Identity } from '../imxp/identity.js';

/** A refusal: what the peer is told, and what only the operator reads. */
export interface Denial {
  readonly reply: Reply;
  /** For the log. */
  readonly reason: string;
}

/** The part of the configuration that decides; an identity is an address, `imxp=mesh@domain` or a domain. */
export interface PolicyRules {
  /** Who must use TLS. */
  readonly requireTls: 'never' | 'mesh' | 'always';
  /** Identity to the endpoints it may attach as besides its own; the only way to attach as a reserved local part. */
  readonly attach: Readonly<Record<string, readonly string[]>>;
  /** Attached endpoint to the originators it may send for besides itself and its subaddresses. */
  readonly originators: Readonly<Record<string, readonly string[]>>;
  /** Identity to the domains it may bind for besides its own. */
  readonly relays: Readonly<Record<string, readonly string[]>>;
  /** Relays that may pass on Data of any originator and to any domain. */
  readonly trusted: readonly string[];
}

export const STRICT: PolicyRules = { requireTls: 'never', attach: {}, originators: {}, relays: {}, trusted: [] };

const NOT_PRIVATE: Reply = { code: 538, text: 'TLS is required here: start TLS first' };
const NOT_AUTHENTICATED: Reply = { code: 530, text: 'authentication required' };
const NOT_THAT_ENDPOINT: Reply = { code: 537, text: 'not authorized to attach as this endpoint' };
const NOT_THAT_DOMAIN: Reply = { code: 537, text: 'not authorized to bind for this domain' };
const NOT_THAT_ORIGINATOR: Reply = { code: 537, text: 'not authorized to send data for this originator' };

/** What a session is attached as (normalised addresses) and bound for (lower-case domains). */
export interface SessionStanding {
  readonly attached: Iterable<string>;
  readonly bound: { has(domain: string): boolean };
}

export class Policy {
  readonly #requireTls: PolicyRules['requireTls'];
  readonly #attach: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #originators: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #relays: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #trusted: ReadonlySet<string>;

  constructor(rules: PolicyRules) {
    this.#requireTls = rules.requireTls;
    this.#attach = table(rules.attach, keyOf);
    this.#originators = table(rules.originators, keyOf);
    this.#relays = table(rules.relays, lower);
    this.#trusted = new Set(rules.trusted.map(keyOf));
  }

  /** core-01 §4.4.1 step 3: who may attach as an endpoint and all its subaddresses. */
  mayAttach(identity: Identity, privacy: boolean, endpoint: Address): Denial | undefined {
    const denial = this.#mayTalk(identity, privacy);
    if (denial !== undefined) return denial;
    for (const key of keysOf(identity)) {
      const further = this.#attach.get(key);
      if (further?.has(endpoint.key) || further?.has(endpoint.base)) return undefined;
    }
    if (endpoint.wellKnown !== undefined) {
      return { reply: NOT_THAT_ENDPOINT, reason: `${endpoint.key} is reserved and not configured for this peer` };
    }
    const own = identity.kind === 'endpoint' ? addressOf(identity.address)?.key : undefined;
    if (own !== undefined && (own === endpoint.key || own === endpoint.base)) return undefined;
    return { reply: NOT_THAT_ENDPOINT, reason: `the peer is ${describe(identity)}` };
  }

  /**
   * core-01 §4.4.2 step 3: who may bind for a domain.
   *
   * @param domain lower-case
   */
  mayBind(identity: Identity, privacy: boolean, domain: string): Denial | undefined {
    const denial = this.#mayTalk(identity, privacy);
    if (denial !== undefined) return denial;
    if (identity.kind === 'relay' && identity.domains.some((own) => own.toLowerCase() === domain)) return undefined;
    for (const key of keysOf(identity)) if (this.#relays.get(key)?.has(domain)) return undefined;
    return { reply: NOT_THAT_DOMAIN, reason: `the peer is ${describe(identity)}` };
  }

  /**
   * core-01 §4.4.4.1 step 1: for whom a session may send data.
   *
   * @param standing what the session is attached as and bound for
   */
  mayOriginate(
    identity: Identity,
    privacy: boolean,
    originator: Address,
    { attached, bound }: SessionStanding,
  ): Denial | undefined {
    for (const key of attached) if (this.#speaksFor(key, originator)) return undefined;
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
   * Whether an account may take the name of another when it authenticates (RFC 4422 §2): whoever may attach as an endpoint
   * or bind for a domain anyway.
   *
   * @param account whom the proof belongs to
   * @param authzid whom it wants to be: `local@domain`, `imxp=mesh@domain` or a domain
   */
  mayActAs(account: string, authzid: string): boolean {
    const key = keyOf(account);
    const domain = MESH.exec(authzid)?.[1] ?? (authzid.includes('@') ? undefined : authzid);
    if (domain !== undefined) return this.#relays.get(key)?.has(domain.toLowerCase()) ?? false;
    const endpoint = addressOf(authzid);
    const further = this.#attach.get(key);
    return endpoint !== undefined && (further?.has(endpoint.key) === true || further?.has(endpoint.base) === true);
  }

  /** Whether the peer is a trusted intermediary (core-01 §4.5.2): it may pass on from and to foreign domains. */
  trusts(identity: Identity): boolean {
    if (this.#trusted.size === 0 || identity.kind !== 'relay') return false;
    return keysOf(identity).some((key) => this.#trusted.has(key));
  }

  #speaksFor(attached: string, originator: Address): boolean {
    if (attached === originator.key || attached === originator.base) return true;
    const further = this.#originators.get(attached);
    return further !== undefined && (further.has(originator.key) || further.has(originator.base));
  }

  #mayTalk(identity: Identity, privacy: boolean): Denial | undefined {
    // Before 530, so that nobody is invited to authenticate in the clear.
    const needed = this.#requireTls === 'always' || (this.#requireTls === 'mesh' && identity.kind === 'relay');
    if (needed && !privacy) return { reply: NOT_PRIVATE, reason: `tls.require is ${this.#requireTls}` };
    if (identity.kind === 'none') return { reply: NOT_AUTHENTICATED, reason: 'the peer has not authenticated' };
    return undefined;
  }
}

/** How an identity is named in the log. */
export function describe(identity: Identity): string {
  if (identity.kind === 'none') return 'nobody';
  return identity.kind === 'endpoint' ? identity.address : `the relay of ${identity.domains.join(', ')}`;
}

/** The names an identity may have in the configuration. */
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
  return addressOf(identity)?.key ?? identity.toLowerCase();
}

function lower(domain: string): string {
  return domain.toLowerCase();
}

function table(
  entries: Readonly<Record<string, readonly string[]>>,
  normalise: (value: string) => string,
): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(Object.entries(entries).map(([key, values]) => [keyOf(key), new Set(values.map(normalise))]));
}
