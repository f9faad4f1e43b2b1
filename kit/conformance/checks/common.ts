/** What checks of several areas do: a question that every listener answers, and octets that no listener bears. */

import type { Context } from '../context.js';
import { expect } from '../finding.js';
import { refused } from '../judge.js';
import type { RawMessage } from '../peer/channel.js';
import * as document from '../peer/documents.js';
import { visible } from '../peer/octet-log.js';
import type { RawPeer } from '../peer/peer.js';

/** A profile that nobody has. */
export const NONE = 'http://example.com/profiles/none';

/** A start that cannot but be refused: the shortest proof that a session lives. */
export async function askNone(context: Context, peer: RawPeer): Promise<RawMessage> {
  const { reply } = await peer.start(NONE);
  refused(context, reply, { should: [550] });
  return reply;
}

/** How often it is looked whether something was said. */
const LOOK_MS = 20;

/** What was said but SEQ, legible. */
function said(peer: RawPeer): string {
  const octets = peer.log.recorded.toString('latin1').replace(/SEQ \d+ \d+ \d+\r\n/g, '');
  return octets === '' ? '' : visible(Buffer.from(octets, 'latin1'), 160);
}

/** Octets that end the session, and to which nothing is said but SEQ. */
export async function silentEnd(peer: RawPeer, octets: Buffer | string): Promise<void> {
  const expected = 'the end of the session, and nothing said';
  expect(peer.alive, 'a session to begin with', 'its end before anything was wrong');
  peer.log.record();
  peer.inject(octets);
  const deadline = Date.now() + peer.deadlineMs;
  while (peer.alive && said(peer) === '' && Date.now() < deadline) {
    // Lateness of this short wait is no news.
    await peer.ended(LOOK_MS).catch(() => {});
  }
  const words = said(peer);
  expect(words === '', expected, words);
  expect(!peer.alive, expected, 'nothing said, and a connection that stays open');
  // Says so when it was the kit that ended it.
  await peer.ended();
}

/** One question on a channel of the mesh that needs no attachment: terminate of nothing. */
export async function askNothing(context: Context, peer: RawPeer, channel: number): Promise<RawMessage> {
  return await peer.ask(channel, nothing(context));
}

export const nothing = (context: Context): string => context.words.control(document.terminate(99));
