/** JSON of what arrives over the mesh, for clients of the HTTP API and for webhooks. */
import type { Delivery } from '../endpoint/delivery.js';
import type { PresenceInfo } from '../endpoint/presence-info.js';

/** Types whose content is shown as text. */
const TEXTUAL = /^text\/|[/+](?:json|xml)$/;

export function describedDelivery(delivery: Delivery): object {
  const { originator: from, recipients: to, content } = delivery;
  if (content.kind === 'uri') return { from, to, uri: content.uri };
  if (content.kind === 'inline') return { from, to, type: 'application/xml', text: delivery.text() };
  const { type, body, headers } = content;
  const disposition = headers.get('Content-Disposition');
  const more = disposition === undefined ? {} : { disposition };
  if (TEXTUAL.test(type) || delivery.message !== undefined) return { from, to, type, ...more, text: delivery.text() };
  return { from, to, type, ...more, base64: body.toString('base64') };
}

export function describedPresence({ publisher, open, info, lastUpdate, tuples }: PresenceInfo): object {
  return {
    publisher,
    open,
    info,
    lastUpdate: lastUpdate.toISOString(),
    tuples: tuples.map(({ destination, open: reachable, availableUntil, info: more }) => {
      return { destination, open: reachable, availableUntil: availableUntil.toISOString(), info: more };
    }),
  };
}
