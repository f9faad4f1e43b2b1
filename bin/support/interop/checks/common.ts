/** What checks of several areas do: a question that every listener answers, and octets that no listener bears. */
import { expect, Finding } from '../check.js';
import { type Context, causeText } from '../context.js';
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

/** Octets that end the session, and to which nothing is said but SEQ. */
export async function silentEnd(peer: RawPeer, octets: Buffer | string): Promise<void> {
  const expected = 'the end of the session, and nothing said';
  peer.log.record();
  peer.inject(octets);
  let open = false;
  try {
    await peer.ended();
  } catch (error) {
    open = peer.alive;
    if (!open) throw new Finding(expected, causeText(error));
  }
  const said = Buffer.from(
    peer.log
      .take()
      .toString('latin1')
      .replace(/SEQ \d+ \d+ \d+\r\n/g, ''),
    'latin1',
  );
  const words = said.length === 0 ? '' : `${visible(said, 160)}`;
  expect(!open, expected, words === '' ? 'the connection stays open' : `${words}, and the connection stays open`);
  expect(words === '', expected, words);
}

/** One question on a channel of the mesh that needs no attachment: terminate of nothing. */
export async function askNothing(context: Context, peer: RawPeer, channel: number): Promise<RawMessage> {
  return await peer.ask(channel, nothing(context));
}

export const nothing = (context: Context): string => context.words.control(document.terminate(99));
