/**
 * Actors of access entries: endpoints, and patterns of endpoints (access-01 §3, RFC 3341 §3). Both dialects share one
 * set of patterns, because an owner has one list; they differ in notation.
 *
 * In the form of IMXP, a literal star is quoted where it would be taken for a wildcard: `"*"@example.com`. In the form
 * of APEX names are not quoted, and a literal star is `\*`.
 */
import { type Address, addressOf, isDomain, isLiteral } from '../address.js';
import { fromApex, toApex } from '../dialect/apex-name.js';
import type { Form } from './form.js';

/** A parsed actor. */
export interface ActorPattern {
  /**
   * `everybody` is `*`, any endpoint that is no service; `services` is `imxp=*` or `apex=*`; `subaddresses` is
   * `name/*`, the subaddresses of an endpoint without the endpoint itself.
   */
  readonly kind: 'literal' | 'everybody' | 'services' | 'subaddresses';
  /** The canonical local part of one endpoint, or of the one that has the subaddresses. */
  readonly local: string;
  /** In lower case; undefined for every domain. */
  readonly domain: string | undefined;
  /** Whether the domains below are included, at any depth: `*.example.com`. */
  readonly below: boolean;
}

const ALL_SERVICES = /^(?:imxp|apex)=\*$/i;
const SERVICE = /^(?:imxp|apex)=(.*)$/is;
const SUBADDRESSES = '/*';
/** Placeholder domain with which a local part is parsed. */
const SOME_DOMAIN = 'example.com';

/** @returns undefined if the text is neither an endpoint nor a pattern of endpoints (access-01 §3) */
export function parseActor(text: string): ActorPattern | undefined {
  const parts = divided(text);
  return parts === undefined ? undefined : patternOf(parts.local, parts.domains, (name) => name);
}

/** Parses the form of APEX (RFC 3341 §3): a star is a wildcard, `\*` a star and `\\` a backslash. */
export function parseApexActor(text: string): ActorPattern | undefined {
  const parts = divided(text);
  return parts === undefined ? undefined : patternOf(parts.local, parts.domains, unescaped);
}

/** Returns a name in the notation of this program; an invalid name if a star stands alone. */
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

/** @param read makes an address of the text for it */
function patternOf(
  local: string,
  { domain, below }: Domains,
  read: (name: string) => string,
): ActorPattern | undefined {
  if (local === '*') return { kind: 'everybody', local, domain, below };
  if (ALL_SERVICES.test(local)) return { kind: 'services', local: 'imxp=*', domain, below };
  // RFC 3341 §3: an address without subaddress precedes the slash.
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

/** Returns what follows `imxp=` or `apex=`, in lower case; undefined if it is no service. */
export function serviceName(local: string): string | undefined {
  return SERVICE.exec(local)?.[1]?.toLowerCase();
}

/** Writes an actor in a form; two actors are the same exactly if their texts of one form are. */
export function writeActor({ kind, local, domain, below }: ActorPattern, form: Form = 'imxp'): string {
  const domains = `${below ? '*.' : ''}${domain ?? '*'}`;
  if (kind === 'everybody') return `*@${domains}`;
  if (kind === 'services') return `${form}=*@${domains}`;
  const all = kind === 'subaddresses' ? SUBADDRESSES : '';
  return `${form === 'apex' ? escaped(local) : plain(local)}${all}@${domains}`;
}

/** A name that APEX cannot express stays as it is. */
function escaped(local: string): string {
  const name = toApex(`${local}@${SOME_DOMAIN}`);
  const text = name === undefined ? local : name.slice(0, name.lastIndexOf('@'));
  return text.replace(/[*\\]/g, '\\$&').replace(/^imxp=/, 'apex=');
}

/** Quotes a star at the end where it would be a wildcard. */
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

/** Whether the first matches every endpoint that the second matches. */
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
 * Compares two actors that match the same endpoint by closeness (RFC 3341 §3.1): the domain counts first, the local
 * part second; exact is closer than a wildcard, and a wildcard that stands for less is closer than one that stands for
 * more.
 *
 * @returns below 0 if the first is closer, above 0 if the second is, 0 if neither
 */
export function closeness(first: ActorPattern, second: ActorPattern): number {
  return domainRank(second) - domainRank(first) || localRank(second) - localRank(first);
}

/** More octets than any domain has. */
const EXACT_DOMAIN = 1000;

function domainRank({ domain, below }: ActorPattern): number {
  if (domain === undefined) return 0;
  return below ? domain.length : EXACT_DOMAIN;
}

function localRank({ kind }: ActorPattern): number {
  if (kind === 'literal') return 2;
  return kind === 'subaddresses' ? 1 : 0;
}
