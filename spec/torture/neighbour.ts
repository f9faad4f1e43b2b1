/** A neighbour relay with every misbehaviour in a table: each session it is given takes the next one. */
import type { RawMessage } from '../support/raw-channel.js';
import { beepXml, IMXP, OK, textXml } from '../support/raw-documents.js';
import { accept, closeChannel, grant } from '../support/raw-neighbour.js';
import type { RawRelay, RawRelaySession } from '../support/raw-relay.js';

/** How long a session lasts at most. */
const TURN_MS = 2500;

type Misbehaviour = (session: RawRelaySession, message: RawMessage) => void | Promise<void>;

const MISBEHAVIOURS: Readonly<Record<string, Misbehaviour>> = {
  'answers ok': (session, message) => accept(session, message),
  'never answers': () => {},
  'answers what is no XML': (session, { channel, msgno }) => session.reply(channel, 'RPY', msgno, textXml('<ok')),
  'answers with another element': (session, { channel, msgno }) =>
    session.reply(channel, 'RPY', msgno, textXml("<attach endpoint='a@b' transID='1' />")),
  'answers with an unknown code': (session, { channel, msgno }) =>
    session.reply(channel, 'ERR', msgno, textXml("<error code='999'>?</error>")),
  'answers by NUL': (session, { channel, msgno }) => session.write(session.channel(channel).build('NUL', msgno, '')),
  'breaks framing': (session) => session.write(Buffer.from('MSG what is this\r\n')),
  'ends a frame wrongly': (session, { channel, msgno }) => {
    const octets = session.channel(channel).build('RPY', msgno, OK);
    session.write(Buffer.concat([octets.subarray(0, octets.length - 5), Buffer.from('DNE\r\n')]));
  },
  'resets the connection': (session) => session.destroy(),
  'closes the channel and stays': (session, { channel }) => closeChannel(session, channel),
  'says nothing more on the session': (session) => session.deafen(),
};

export const MISBEHAVIOUR_NAMES = Object.keys(MISBEHAVIOURS);

/** Serves sessions until the relay is closed. */
export class HostileNeighbour {
  /** How often each misbehaviour was tried. */
  readonly tried = new Map<string, number>();
  #next = 0;

  constructor(relay: RawRelay) {
    void this.#serve(relay);
  }

  async #serve(relay: RawRelay): Promise<void> {
    for (;;) {
      const session = await relay.session();
      const name = MISBEHAVIOUR_NAMES[this.#next % MISBEHAVIOUR_NAMES.length] ?? '';
      this.#next += 1;
      // What ends such a session is the relay's matter; here it only must not end this program.
      this.#session(session, name).catch(() => session.destroy());
    }
  }

  async #session(session: RawRelaySession, name: string): Promise<void> {
    session.onRequest = (message) => {
      this.tried.set(name, (this.tried.get(name) ?? 0) + 1);
      Promise.resolve(MISBEHAVIOURS[name]?.(session, message)).catch(() => session.destroy());
    };
    await session.greet(IMXP);
    // One that stays forever would keep the others from their turn.
    setTimeout(() => session.destroy(), TURN_MS).unref();
    for (;;) this.#management(session, await session.nextRequest(0, 2 * TURN_MS));
  }

  #management(session: RawRelaySession, { msgno, payload }: RawMessage): void {
    if (payload.includes('<start')) grant(session, session.parseStart(msgno, payload));
    else session.reply(0, 'RPY', msgno, beepXml('<ok />'));
  }
}
