/**
 * Mapping between addresses of the mesh and XMPP addresses: by domains that stand for each other, with names escaped by
 * XEP-0106; by source-routed names (`xmpp=host/user@gateway`, RFC 3860 Appendix B.2); and by one XMPP domain for users of
 * any mesh domain (`fred\40example.com@mesh.example`). Pure.
 */
import { type Address, addressOf, localOf, parseAddress, wordsOf } from '../../imxp/address.js';
import { foreignAddress, parseForeignAddress } from '../../message/uri.js';
import { type BareJid, escapeLocal, isLocal, isSameJid, unescapeLocal } from './jid.js';

/** Two domains that stand for each other. */
export interface DomainPair {
  readonly mesh: string;
  readonly xmpp: string;
}

export interface XmppDomains {
  /** Domains of XMPP users, and the mesh domains that stand for them. */
  readonly users: readonly DomainPair[];
  /** Domains of components, and the mesh domains whose users they stand for; `*` for all others. */
  readonly components: readonly DomainPair[];
  /** Mesh domain under which users of any XMPP domain have source-routed names. */
  readonly sourceRouted?: string | undefined;
}

/** The mesh domain for which a component stands that stands for all others. */
export const ANY_DOMAIN = '*';

export class XmppAddresses {
  readonly #domains: XmppDomains;

  constructor(domains: XmppDomains) {
    this.#domains = domains;
  }

  /** The mesh domains that this gateway serves. */
  get served(): string[] {
    const { users, sourceRouted } = this.#domains;
    return [...users.map(({ mesh }) => mesh), ...(sourceRouted === undefined ? [] : [sourceRouted])];
  }

  /** Whether the configuration names an XMPP domain; only the users of others have source-routed names alone. */
  isListed(domain: string): boolean {
    const { users, components } = this.#domains;
    return [...users, ...components].some(({ xmpp }) => xmpp === domain);
  }

  /**
   * The XMPP address of an XMPP user.
   *
   * @param address in a mesh domain that this gateway serves
   * @returns undefined if it names no XMPP user
   */
  userJid(address: string): BareJid | undefined {
    const { users, sourceRouted } = this.#domains;
    const parsed = addressOf(address);
    if (parsed === undefined || parsed.service) return undefined;
    if (parsed.domain === sourceRouted) return sourceRoutedJid(parsed);
    const pair = users.find(({ mesh }) => mesh === parsed.domain);
    const local = pair && escapeLocal(nameOf(parsed).toLowerCase());
    return pair === undefined || local === undefined ? undefined : { local, domain: pair.xmpp };
  }

  /**
   * The mesh address of an XMPP user.
   *
   * @returns undefined if the mesh has no name for it, or an answer to that name would go to another user: two local parts
   *   may unescape to the same text
   */
  userAddress(jid: BareJid): string | undefined {
    const { local, domain } = jid;
    const { users, components, sourceRouted } = this.#domains;
    // What comes from a domain of this gateway would go round in a circle.
    if (local === '' || components.some(({ xmpp }) => xmpp === domain)) return undefined;
    const pair = users.find(({ xmpp }) => xmpp === domain);
    const plain = pair && meshAddress(unescapeLocal(local), pair.mesh);
    if (plain !== undefined && isSameJid(this.userJid(plain), jid)) return plain;
    if (sourceRouted === undefined) return undefined;
    const routed = foreignAddress({ protocol: 'xmpp', host: domain, user: local, gateway: sourceRouted });
    return isSameJid(this.userJid(routed), jid) ? routed : undefined;
  }

  /**
   * The XMPP address of a user of the mesh.
   *
   * @returns undefined if no component stands for the user's domain, or XMPP has no such name: it does not tell upper from
   *   lower case, nor a quoted `/` from that before a subaddress, so that an answer would go elsewhere
   */
  meshJid(address: string): BareJid | undefined {
    const parsed = addressOf(address);
    const jid = parsed && this.#jidOf(parsed);
    return jid !== undefined && this.#addressAt(jid) === parsed?.key ? jid : undefined;
  }

  #jidOf(parsed: Address): BareJid | undefined {
    const { components } = this.#domains;
    if (parsed.service || this.served.includes(parsed.domain)) return undefined;
    const own = components.find(({ mesh }) => mesh === parsed.domain);
    const component = own ?? components.find(({ mesh }) => mesh === ANY_DOMAIN);
    if (component === undefined) return undefined;
    const name = own === undefined ? `${nameOf(parsed)}@${parsed.domain}` : nameOf(parsed);
    const local = name === name.toLowerCase() ? escapeLocal(name) : undefined;
    return local === undefined ? undefined : { local, domain: component.xmpp };
  }

  /**
   * The mesh address that an address at a component stands for.
   *
   * @returns undefined if it stands for none, or another address at the component is that user's
   */
  meshAddress(jid: BareJid): string | undefined {
    const address = this.#addressAt(jid);
    return address !== undefined && isSameJid(this.#jidOf(parseAddress(address)), jid) ? address : undefined;
  }

  #addressAt({ local, domain }: BareJid): string | undefined {
    const component = this.#domains.components.find(({ xmpp }) => xmpp === domain);
    if (component === undefined || local === '') return undefined;
    const name = unescapeLocal(local);
    if (component.mesh !== ANY_DOMAIN) return meshAddress(name, component.mesh);
    const at = name.lastIndexOf('@');
    const address = at < 1 ? undefined : meshAddress(name.slice(0, at), name.slice(at + 1).toLowerCase());
    // Neither back to XMPP nor in another way than by the component that stands for the domain.
    return address === undefined || this.served.includes(parseAddress(address).domain) ? undefined : address;
  }
}

/** The local part without its quotes; a `/` stands before the subaddress. */
function nameOf(address: Address): string {
  const { base, rest } = wordsOf(address);
  return rest === undefined ? base : `${base}/${rest}`;
}

/** @returns undefined if the mesh does not have such a name, or it is that of a service */
function meshAddress(name: string, domain: string): string | undefined {
  const slash = name.indexOf('/');
  const base = slash < 0 ? name : name.slice(0, slash);
  if (base === '') return undefined;
  const parsed = addressOf(`${localOf(base, slash < 0 ? undefined : name.slice(slash + 1))}@${domain}`);
  return parsed === undefined || parsed.service || parsed.apexOnly ? undefined : parsed.key;
}

function sourceRoutedJid({ key }: Address): BareJid | undefined {
  const foreign = parseForeignAddress(key);
  if (foreign === undefined || foreign.protocol !== 'xmpp') return undefined;
  // A name may be escaped by XEP-0106 or not; one that XMPP has is itself, because `a\5cb` and `a\b` are two users.
  const user = foreign.user.toLowerCase();
  const local = isLocal(user) ? user : escapeLocal(unescapeLocal(user));
  const domain = foreign.host.toLowerCase();
  return local === undefined || !/^[a-z0-9_.-]+$/.test(domain) ? undefined : { local, domain };
}
