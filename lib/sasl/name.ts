/**
 * Names with which endpoints and relays log in, and the account that each means. Implements the spelling rules of
 * D-SASL-05 (`fred` in realm `example.com`, `fred@example.com`, `imxp=mesh@example.com`, bare `example.com`); knows no
 * mechanism.
 */

/** The local part under which a relay authenticates (message-service-01 §6.1). */
export const MESH = 'imxp=mesh';
/** The same under APEX (D-APEX-01). */
export const APEX_MESH = 'apex=mesh';

const DOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;

function isDomain(name: string): boolean {
  return DOMAIN.test(name);
}

/** The domain a relay name speaks for: `imxp=mesh@domain`, `apex=mesh@domain` or a bare `domain`; `undefined` for others. */
export function relayDomain(name: string): string | undefined {
  const at = name.lastIndexOf('@');
  const domain = name.slice(at + 1).toLowerCase();
  const local = name.slice(0, Math.max(at, 0)).toLowerCase();
  if (at >= 0 && local !== MESH && local !== APEX_MESH) return undefined;
  return isDomain(domain) ? domain : undefined;
}

/**
 * The canonical spelling of an account: relays as `imxp=mesh@domain`, domains in lower case, local parts as they are.
 */
export function canonicalAccount(name: string): string {
  const domain = relayDomain(name);
  if (domain !== undefined) return `${MESH}@${domain}`;
  const at = name.lastIndexOf('@');
  return at < 0 ? name : name.slice(0, at + 1) + name.slice(at + 1).toLowerCase();
}

/**
 * The accounts a user name may mean, in the order to look them up. A name with `@` is complete; one without is a user
 * in the realm, or the bare domain of a relay.
 *
 * @param domains the node's: a realm that is none of them (or no realm at all, as with SCRAM) stands for the first one
 */
export function accountNames(
  username: string,
  realm: string | undefined,
  domains: readonly string[] = [],
): readonly string[] {
  if (username.includes('@')) return [canonicalAccount(username)];
  const names: string[] = [];
  const own = domains.find((domain) => domain.toLowerCase() === realm?.toLowerCase()) ?? domains[0] ?? realm;
  if (own !== undefined && own !== '') names.push(canonicalAccount(`${username}@${own}`));
  if (isDomain(username)) names.push(canonicalAccount(username));
  return names;
}

/** True when both names mean the same account. */
export function sameAccount(a: string, b: string): boolean {
  return canonicalAccount(a) === canonicalAccount(b);
}
