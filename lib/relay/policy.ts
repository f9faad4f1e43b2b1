/**
 * Policy of the relay: as whom a peer may attach, for whom it may bind and send, and what it may pass on (core-01
 * §4.5). Depends only on identity, privacy, configuration and operation.
 */
import type { Reply } from '../errors.js';
import { type Address, addressOf } from '../imxp/address.js';
import type { Identity } from '../imxp/identity.js';

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
  /** Identities with the further endpoints that they may attach as; the only way to attach as a reserved local part. */
  readonly attach: Readonly<Record<string, readonly string[]>>;
  /**
   * Attached endpoints with the further originators that they may send for, besides themselves and their subaddresses.
   */
  readonly originators: Readonly<Record<string, readonly string[]>>;
  /** Identities with the further domains that they may bind for. */
  readonly relays: Readonly<Record<string, readonly string[]>>;
  /** Relays that may forward Data operations of any originator and to any domain. */
  readonly trusted: readonly string[];
}

/** Nobody does anything but in their own name, and nobody has to use TLS. */
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

  /** Checks core-01 §4.4.1 step 3: who may attach as an endpoint and all its subaddresses. */
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
    const further = this.#attach.get(key);
    return endpoint !== undefined && (further?.has(endpoint.key) === true || further?.has(endpoint.base) === true);
  }

  /** Whether the peer is a trusted intermediary (core-01 §4.5.2), which may forward from and to foreign domains. */
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
    // Checked before 530, so that nobody is invited to authenticate in the clear.
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
