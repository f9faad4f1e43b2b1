/** Sessions of a node as rows for people. */
import type { SessionFacts } from '../../lib/ops/session-facts.js';
import { shownName } from './names.js';

export const SESSION_COLUMNS: readonly string[] = ['SESSION', 'PEER', 'FROM', 'PROVEN BY', 'TLS', 'ATTACHED AS'];

export function sessionRows(sessions: readonly SessionFacts[]): string[][] {
  return sessions.map(({ session, remote, role, identity, mechanism, tls, attached }) => [
    session,
    identity === undefined ? '-' : shownName(identity),
    role === 'initiator' ? `${remote} (opened here)` : remote,
    mechanism ?? '-',
    tls ?? '-',
    attached.length === 0 ? '-' : attached.map(shownName).join(' '),
  ]);
}
