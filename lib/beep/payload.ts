/** Payload of a message: one buffer, or several that are sent one after another without being copied together. */
export type Payload = Buffer | readonly Buffer[];

/** Length of a payload in octets; 0 for none. */
export function payloadOctets(payload: Payload | undefined): number {
  if (payload === undefined) return 0;
  if (Buffer.isBuffer(payload)) return payload.length;
  let octets = 0;
  for (const piece of payload) octets += piece.length;
  return octets;
}
