/** Accounts in words and in JSON: a row of a table, or all there is to know about one. Shows no verifier. */
import type { Limits } from '../../../lib/config/limits.js';
import type { NodeConfig } from '../../../lib/config/schema.js';
import { harmless, paint } from '../../../lib/ops/terminal.js';
import type { Verifier } from '../../../lib/sasl/verifier.js';
import { QUOTA_NAMES, type Quota, type QuotaName } from '../../../lib/store/account-state.js';
import type { AccountProfile } from '../../../lib/store/accounts.js';
import { shownName } from '../names.js';
import { kindOf } from './accounts.js';

/** The limit of the configuration that a quota stands for. */
const LIMIT_OF: Readonly<Record<QuotaName, { readonly path: string; readonly of: (limits: Limits) => number }>> = {
  attachments: { path: 'attachment.perAccount', of: ({ attachment }) => attachment.perAccount },
  dataPerSecond: { path: 'rate.dataPerSecond', of: ({ rate }) => rate.dataPerSecond },
  octetsPerSecond: { path: 'rate.dataOctetsPerSecond', of: ({ rate }) => rate.dataOctetsPerSecond },
  heldData: { path: 'offline.messages', of: ({ offline }) => offline.messages },
  heldOctets: { path: 'offline.octets', of: ({ offline }) => offline.octets },
};

/** For scripts; the fields of `list --json` and `show --json`. */
export function profileJson({ address, created, changed, state, lastAttached }: AccountProfile) {
  const { disabled, quota = {} } = state;
  return {
    account: address,
    kind: kindOf(address),
    state: disabled === undefined ? 'active' : 'disabled',
    ...(disabled === undefined ? {} : { disabled }),
    quota,
    created,
    changed,
    lastAttached: lastAttached ?? null,
  };
}

export const COLUMNS = ['ACCOUNT', 'KIND', 'STATE', 'CREATED', 'PASSWORD OF', 'LAST ATTACHED', 'QUOTA'];

export function row({ address, created, changed, state, lastAttached }: AccountProfile): string[] {
  return [
    shownName(address),
    kindOf(address),
    state.disabled === undefined ? 'active' : 'disabled',
    created.slice(0, 10),
    changed.slice(0, 10),
    lastAttached === undefined ? 'never' : moment(lastAttached.at),
    quotaText(state.quota ?? {}),
  ];
}

export function quotaText(quota: Quota): string {
  return QUOTA_NAMES.flatMap((name) => (quota[name] === undefined ? [] : [`${name} ${quota[name]}`])).join(', ');
}

/** What holds for an account, quota by quota, and where that is from. */
export function quotaRows(quota: Quota, { limits }: Pick<NodeConfig, 'limits'>): string[][] {
  return QUOTA_NAMES.map((name) => {
    const own = quota[name];
    const { path, of } = LIMIT_OF[name];
    const source = own === undefined ? `limits.${path}` : 'of this account';
    return [name, String(own ?? of(limits)), source];
  });
}

export function describe(profile: AccountProfile, config: NodeConfig): string[][] {
  const { address, created, changed, state, lastAttached, verifier } = profile;
  const { disabled, quota = {} } = state;
  const [first, ...more] = quotaRows(quota, config).map(([name = '', value = '', source = '']) => {
    return `${name} ${value} (${source})`;
  });
  return [
    ['account', shownName(address)],
    ['kind', kindOf(address)],
    ['state', disabled === undefined ? paint('green', 'active') : paint('red', 'disabled')],
    ...(disabled === undefined ? [] : [['disabled', `${moment(disabled.since)}, ${reasonText(disabled.reason)}`]]),
    ['created', moment(created)],
    ['password of', moment(changed)],
    ['last attached', lastAttached === undefined ? 'never' : `${moment(lastAttached.at)} from ${lastAttached.from}`],
    ['logs in by', mechanisms(verifier)],
    ['quota', first ?? ''],
    ...more.map((text) => ['', text]),
  ];
}

export function reasonText(reason: string): string {
  return reason === '' ? 'no reason given' : harmless(reason);
}

/** Which mechanisms a verifier is good for, and in which realms. */
export function mechanisms({ digestMd5, scramSha256 }: Verifier): string {
  const realms = [...new Set(digestMd5.map(({ realm }) => realm))];
  const names = [
    ...(realms.length === 0 ? [] : [`DIGEST-MD5 in ${realms.join(', ')}`]),
    ...(scramSha256 === undefined ? [] : [`SCRAM-SHA-256 and PLAIN (${scramSha256.iterations} iterations)`]),
  ];
  return names.join('; ') || 'a certificate only';
}

/** To the minute, in UTC. */
function moment(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')}Z`;
}
