/**
 * Publishes the relay's events for the operator. They never contain content or credentials; a refusal carries the code
 * that the peer was told and, separately, the reason for the log.
 */
import type { Reply } from '../errors.js';
import type { Data } from '../imxp/operation.js';
import { events } from '../ops/events.js';
import type { MeshChannel } from './channel.js';

/** An attachment or a binding, as far as it is reported. */
type ReportedAssociation = { readonly transID: number } & (
  | { readonly type: 'attach'; readonly key: string }
  | { readonly type: 'bind'; readonly domain: string }
);

/** Whether {@link forwarded} has a subscriber; checked before a Data operation is timed. */
export function tracing(): boolean {
  return events.forwarded.observed;
}

export function began(channel: MeshChannel, association: ReportedAssociation): void {
  const { transID } = association;
  const event = association.type === 'attach' ? events.attached : events.bound;
  event.publish({ channel: channel.id, subject: subjectOf(association), transID });
}

export function ended(channel: MeshChannel, association: ReportedAssociation): void {
  const { transID } = association;
  events.terminated.publish({ channel: channel.id, subject: subjectOf(association), transID });
}

/** @param reason for the operator; the peer is told only `reply` */
export function refused(channel: MeshChannel, what: string, subject: string, reply: Reply, reason: string): void {
  const { id: session, remote } = channel;
  events.refused.publish({ session, remote: remote.address, what, subject, code: reply.code, reason });
}

/** Publishes that an outgoing Data operation has its answer; `reply` is undefined for `ok`. */
export function forwarded(channel: string, octets: number, data: Data, reply: Reply | undefined, ms: number): void {
  const { originator } = data;
  const recipients = data.recipients.map(({ identity }) => identity);
  const outcome = reply === undefined ? { code: 250 } : { code: reply.code, reason: reply.text };
  events.forwarded.publish({ channel, originator, recipients, octets, ms, ...outcome });
}

/** Publishes an unexpected error that was contained; a peer that was affected received 451. */
export function fault(where: string, error: unknown): void {
  events.fault.publish({ session: where, error });
}

function subjectOf(association: ReportedAssociation): string {
  return association.type === 'attach' ? association.key : association.domain;
}
