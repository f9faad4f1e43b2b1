/** Steps shared by several areas: requests that every listener answers, and octets that end every session. */

import { refused } from '../answers.js';
import type { Context } from '../context.js';
import { expect } from '../finding.js';
import type { RawMessage } from '../peer/channel.js';
import * as document from '../peer/documents.js';
import { visible } from '../peer/octet-log.js';
import type { RawPeer } from '../peer/peer.js';

/** A profile that no listener has. */
export const NONE = 'http://example.com/profiles/none';

/** A start that must be refused: the shortest proof that a session is alive. */
export async function askNone(context: Context, peer: RawPeer): Promise<RawMessage> {
  const { reply } = await peer.start(NONE);
  refused(context, reply, { should: [550] });
  return reply;
}

/** How often to check whether something was received. */
const LOOK_MS = 20;

/** What was received except SEQ frames, made printable. */
function said(peer: RawPeer): string {
  const octets = peer.log.recorded.toString('latin1').replace(/SEQ \d+ \d+ \d+\r\n/g, '');
  return octets === '' ? '' : visible(Buffer.from(octets, 'latin1'), 160);
}

/** Sends octets that must end the session without a response other than SEQ. */
export async function silentEnd(peer: RawPeer, octets: Buffer | string): Promise<void> {
  const expected = 'the end of the session without a response';
  expect(peer.alive, 'an open session', 'its end before the fault');
  peer.log.record();
  peer.inject(octets);
  const deadline = Date.now() + peer.deadlineMs;
  while (peer.alive && said(peer) === '' && Date.now() < deadline) {
    // That this short wait times out is expected.
    await peer.ended(LOOK_MS).catch(() => {});
  }
  const words = said(peer);
  expect(words === '', expected, words);
  expect(!peer.alive, expected, 'no response, and a connection that stays open');
  // Throws if the kit itself ended the connection.
  await peer.ended();
}

/** A request that needs no attachment: terminate with an unknown transID. */
export async function askNothing(context: Context, peer: RawPeer, channel: number): Promise<RawMessage> {
  return await peer.ask(channel, nothing(context));
}

export const nothing = (context: Context): string => context.words.control(document.terminate(99));
