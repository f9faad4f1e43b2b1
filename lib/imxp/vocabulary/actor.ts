/**
 * Actors: endpoints, and patterns of endpoints, of access entries (access-01 §3, RFC 3341 §3). There is one set of patterns
 * for both dialects, because an owner has one list; what differs is how they are written. Knows nothing of who is granted what.
 *
 * In the form of IMXP, a star that is no wildcard is quoted, `"*"@example.com`, where it would be taken for one. In the
 * form of APEX names are not quoted, and a star that is no wildcard is `\*`.
 */
import { type Address, addressOf, isDomain, isLiteral } from '../address.js';
import { fromApex, toApex } from '../dialect/apex-name.js';
import type { Form } from './form.js';

/** An actor taken apart. */
export interface ActorPattern {
  /**
   * `everybody` is `*`, whoever is no service; `services` is `imxp=*` or `apex=*`; `subaddresses` is `name/*`, those of an
   * endpoint but not itself.
   */
  readonly kind: 'literal' | 'everybody' | 'services' | 'subaddresses';
  /** The canonical local part of one endpoint, or of the one that has the subaddresses. */
  readonly local: string;
  /** In lower case; undefined for every domain. */
  readonly domain: string | undefined;
  /** Whether the domains below are meant as well, at any depth: `*.example.com`. */
  readonly below: boolean;
}

const ALL_SERVICES = /^(?:imxp|apex)=\*$/i;
const SERVICE = /^(?:imxp|apex)=(.*)$/is;
const SUBADDRESSES = '/*';
/** Any domain will do to have a local part read. */
const SOME_DOMAIN = 'example.com';

/** @returns undefined when the text is neither an endpoint nor a pattern of endpoints (access-01 §3) */
export function parseActor(text: string): ActorPattern | undefined {
  const parts = divided(text);
  return parts === undefined ? undefined : patternOf(parts.local, parts.domains, (name) => name);
}

/** The same for the form of APEX (RFC 3341 §3): a star is a wildcard, `\*` a star and `\\` a backslash. */
export function parseApexActor(text: string): ActorPattern | undefined {
  const parts = divided(text);
  return parts === undefined ? undefined : patternOf(parts.local, parts.domains, unescaped);
}

/** A name in the notation of this program; no name where a star stands alone. */
function unescaped(name: string): string {
  const stars = name.replace(/\\[*\\]/g, '');
  return /[*\\]/.test(stars) ? '' : fromApex(name.replace(/\\([*\\])/g, '$1'));
}

interface Domains {
  readonly domain: string | undefined;
  readonly below: boolean;
}

function divided(text: string): { readonly local: string; readonly domains: Domains } | undefined {
  const at = text.lastIndexOf('@');
  if (at < 1) return undefined;
  const local = text.slice(0, at);
  const name = text.slice(at + 1).toLowerCase();
  if (name === '*') return { local, domains: { domain: undefined, below: false } };
  const below = name.startsWith('*.');
  const domain = below ? name.slice(2) : name;
  return isDomain(domain) || (!below && isLiteral(domain)) ? { local, domains: { domain, below } } : undefined;
}

/** @param read makes an address of what stands for it */
function patternOf(
  local: string,
  { domain, below }: Domains,
  read: (name: string) => string,
): ActorPattern | undefined {
  if (local === '*') return { kind: 'everybody', local, domain, below };
  if (ALL_SERVICES.test(local)) return { kind: 'services', local: 'imxp=*', domain, below };
  // RFC 3341 §3: what stands before the slash is an address without subaddress
  const all = local.indexOf('/') === local.length - SUBADDRESSES.length && local.endsWith(SUBADDRESSES);
  const name = all ? local.slice(0, -SUBADDRESSES.length) : local;
  const address = addressOf(read(`${name}@${domain ?? SOME_DOMAIN}`));
  if (address === undefined) return undefined;
  return { kind: all ? 'subaddresses' : 'literal', local: serviceless(address), domain, below };
}

/** `imxp=` and `apex=` name the same services: one spelling for both. */
function serviceless({ local, service }: Address): string {
  return service ? `imxp=${serviceName(local) ?? ''}` : local;
}

/** What follows `imxp=` or `apex=`, in lower case; undefined for anybody who is no service. */
export function serviceName(local: string): string | undefined {
  return SERVICE.exec(local)?.[1]?.toLowerCase();
}

/** An actor as a text of that form; two actors are the same exactly when their texts of one form are. */
export function writeActor({ kind, local, domain, below }: ActorPattern, form: Form = 'imxp'): string {
  const domains = `${below ? '*.' : ''}${domain ?? '*'}`;
  if (kind === 'everybody') return `*@${domains}`;
  if (kind === 'services') return `${form}=*@${domains}`;
  const all = kind === 'subaddresses' ? SUBADDRESSES : '';
  return `${form === 'apex' ? escaped(local) : plain(local)}${all}@${domains}`;
}

/** What APEX cannot name stays as it is. */
function escaped(local: string): string {
  const name = toApex(`${local}@${SOME_DOMAIN}`);
  const text = name === undefined ? local : name.slice(0, name.lastIndexOf('@'));
  return text.replace(/[*\\]/g, '\\$&').replace(/^imxp=/, 'apex=');
}

/** A star at the end is quoted where it would be a wildcard. */
function plain(local: string): string {
  const wild = local === '*' || local.endsWith(SUBADDRESSES) || ALL_SERVICES.test(local);
  return wild ? `${local.slice(0, -1)}"*"` : local;
}

/** Whether an actor matches an endpoint; every star stands for something (RFC 3341 §3.1). */
export function matchesActor({ kind, local, domain, below }: ActorPattern, actor: Address): boolean {
  if (domain !== undefined && domain !== actor.domain && !(below && isBelow(actor.domain, domain))) return false;
  if (kind === 'everybody') return !actor.service;
  if (kind === 'services') return actor.service;
  if (kind === 'subaddresses') return actor.local.length > local.length + 1 && actor.local.startsWith(`${local}/`);
  return local === (actor.service ? serviceless(actor) : actor.local);
}

function isBelow(domain: string, above: string): boolean {
  return domain.length > above.length && domain.endsWith(above) && domain.at(-above.length - 1) === '.';
}

/** Whether any endpoint is matched by both. */
export function overlaps(first: ActorPattern, second: ActorPattern): boolean {
  return sharesDomain(first, second) && sharesLocal(first, second);
}

function sharesDomain(first: ActorPattern, second: ActorPattern): boolean {
  return coversDomain(first, second) || coversDomain(second, first);
}

function sharesLocal(first: ActorPattern, second: ActorPattern): boolean {
  return coversLocal(first, second) || coversLocal(second, first);
}

/** Whether whoever the second matches is matched by the first. */
export function covers(first: ActorPattern, second: ActorPattern): boolean {
  return coversDomain(first, second) && coversLocal(first, second);
}

function coversDomain(first: ActorPattern, second: ActorPattern): boolean {
  if (first.domain === undefined) return true;
  if (second.domain === undefined) return false;
  if (first.below) return first.domain === second.domain || isBelow(second.domain, first.domain);
  return first.domain === second.domain && !second.below;
}

function coversLocal(first: ActorPattern, second: ActorPattern): boolean {
  const service = second.kind === 'services' || (second.kind !== 'everybody' && isService(second));
  if (first.kind === 'everybody') return !service;
  if (first.kind === 'services') return service;
  if (first.kind === 'literal') return second.kind === 'literal' && first.local === second.local;
  if (second.kind === 'subaddresses') return first.local === second.local;
  return second.kind === 'literal' && second.local.startsWith(`${first.local}/`);
}

function isService({ local }: ActorPattern): boolean {
  return serviceName(local) !== undefined;
}

/**
 * Which of two actors that match the same endpoint is the closer match (RFC 3341 §3.1): the domain counts first, the local
 * part second; exact is closer than a wildcard, a wildcard that stands for less closer than one that stands for more.
 *
 * @returns below 0 for the first, above 0 for the second, 0 for neither
 */
export function closeness(first: ActorPattern, second: ActorPattern): number {
  return domainRank(second) - domainRank(first) || localRank(second) - localRank(first);
}

/** No domain has as many octets. */
const EXACT_DOMAIN = 1000;

function domainRank({ domain, below }: ActorPattern): number {
  if (domain === undefined) return 0;
  return below ? domain.length : EXACT_DOMAIN;
}

function localRank({ kind }: ActorPattern): number {
  if (kind === 'literal') return 2;
  return kind === 'subaddresses' ? 1 : 0;
}
