/**
 * Whether a relay that binds for a domain is where the domain's SRV records say (IMXP core §7 step 2, A-1). Owns the DNS
 * queries of this check; who may bind at all was decided before.
 */
import { Resolver } from 'node:dns/promises';
import type { Identity } from '../imxp/identity.js';
import { plainAddress } from './network.js';

export interface BindCheckOptions {
  /** What is compared; the port only makes sense for relays that bind over a session this side opened. */
  readonly mode: 'off' | 'address' | 'address+port';
  /** Check also who authenticated for that very domain: a proof is stronger than an address. */
  readonly authenticated: boolean;
  /** Name servers; those of the system unless any are given. */
  readonly servers: readonly string[];
}

/** The peer that binds; a relay's channel has this shape. */
export interface Binder {
  readonly identity: Identity;
  readonly remote: { readonly address: string; readonly port: number };
}

/** One domain may not have us ask for more hosts than this. */
const TARGETS = 32;
/** Nothing is there to be found; anything else is a failure that may pass. */
const ABSENT = new Set(['ENOTFOUND', 'ENODATA', 'ENONAME']);

/** @param domain in lower case */
export type BindCheck = (domain: string, peer: Binder) => boolean | Promise<boolean>;

/** @returns the check; its promises reject when the DNS gives no answer */
export function bindCheck(options: BindCheckOptions): BindCheck {
  if (options.mode === 'off') return () => true;
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (options.servers.length > 0) resolver.setServers([...options.servers]);
  return (domain, peer) => {
    const { identity } = peer;
    const proven = identity.kind === 'relay' && identity.domains.some((own) => own.toLowerCase() === domain);
    return proven && !options.authenticated ? true : located(resolver, domain, peer, options.mode === 'address+port');
  };
}

async function located(resolver: Resolver, domain: string, { remote }: Binder, port: boolean): Promise<boolean> {
  const targets = await found(resolver.resolveSrv(`_imxp-mesh._tcp.${domain}`));
  const wanted = targets.filter((target) => target.name !== '' && (!port || target.port === remote.port));
  const names = [...new Set(wanted.map(({ name }) => name))].slice(0, TARGETS);
  const addresses = await Promise.all(
    names.flatMap((name) => [found(resolver.resolve4(name)), found(resolver.resolve6(name))]),
  );
  const own = canonical(remote.address);
  return addresses.flat().some((address) => canonical(address) === own);
}

async function found<Record>(records: Promise<Record[]>): Promise<Record[]> {
  try {
    return await records;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (ABSENT.has(code)) return [];
    throw error;
  }
}

/** One spelling for each address. */
function canonical(address: string): string {
  const plain = plainAddress(address.split('%', 1)[0] ?? '');
  return plain.includes(':') ? new URL(`http://[${plain}]`).hostname : plain;
}
