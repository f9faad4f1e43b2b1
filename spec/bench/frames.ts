/** Sections on single layers, in this process: BEEP frames, and the payload codec. */

import { Session } from '../../lib/beep/session.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import { payloadOctets } from '../../lib/mime/payload.js';
import { seconds } from './measure.js';

export interface Rate {
  readonly what: string;
  readonly perSecond: number;
  readonly microseconds: number;
}

function rate(what: string, count: number, elapsed: number): Rate {
  return { what, perSecond: count / elapsed, microseconds: (elapsed / count) * 1e6 };
}

const PROFILE = 'http://example.com/bench';

/** Two sessions wired together without a socket. */
class Pair {
  readonly initiator = new Session({ role: 'initiator', profiles: [], frameOctets: 65_536 });
  readonly listener = new Session({ role: 'listener', profiles: [PROFILE], frameOctets: 65_536 });
  channel = 0;

  constructor() {
    this.pump();
    this.channel = this.initiator.start({ profiles: [{ uri: PROFILE }] });
    this.pump();
    for (const session of [this.initiator, this.listener]) session.window(this.channel, 16_777_216);
    this.pump();
  }

  /** Moves octets until both are silent; answers what the listener gets. */
  pump(): void {
    for (let moved = true; moved; ) {
      moved = this.#carry(this.initiator, this.listener);
      moved = this.#carry(this.listener, this.initiator) || moved;
    }
  }

  #carry(from: Session, to: Session): boolean {
    const batch = from.transmit(262_144);
    for (const octets of batch) to.receive(octets);
    for (let event = to.nextEvent(); event !== undefined; event = to.nextEvent()) {
      if (event.type === 'start') to.acceptStart(event, PROFILE);
      else if (event.type === 'message') {
        to.consume(event.channel, payloadOctets(event.payload));
        to.send(event.channel, { kind: 'RPY', msgno: event.msgno, payload: REPLY });
      } else if (event.type === 'reply') to.consume(event.channel, event.payload.length);
    }
    return batch.length > 0;
  }
}

const REPLY = Buffer.from('Content-Type: text/xml\r\n\r\n<ok />');

/** MSG frames of a size encoded, decoded and answered, both sides in this process. */
async function frames(octets: number, count: number): Promise<Rate> {
  const pair = new Pair();
  const payload = Buffer.alloc(octets, 0x61);
  const elapsed = await seconds(() => {
    for (let sent = 0; sent < count; ) {
      for (let batch = 0; batch < 256 && sent < count; batch += 1, sent += 1) {
        pair.initiator.send(pair.channel, { kind: 'MSG', payload });
      }
      pair.pump();
    }
  });
  return rate(`BEEP: a MSG of ${octets} octets and its RPY, encoded and decoded`, count, elapsed);
}

const INLINE = Buffer.from(
  "Content-Type: text/xml\r\n\r\n<data originator='fred@example.com' content='#Content'>" +
    "<recipient identity='barney@rubble.com' /><data-content Name='Content'><note>yabba dabba doo</note></data-content></data>",
);

const MULTIPART = Buffer.from(
  [
    'Content-Type: multipart/related; boundary="=_b"; start="<1@example.com>"; type="text/xml"',
    '',
    '--=_b',
    'Content-Type: text/xml',
    'Content-ID: <1@example.com>',
    '',
    "<data originator='fred@example.com' content='cid:2@example.com'><recipient identity='barney@rubble.com' /></data>",
    '--=_b',
    'Content-Type: text/plain; charset=UTF-8',
    'Content-Transfer-Encoding: binary',
    'Content-ID: <2@example.com>',
    '',
    'yabba dabba doo',
    '--=_b--',
    '',
  ].join('\r\n'),
);

/** Data decoded and checked from octets. */
async function decode(what: string, payload: Buffer, count: number): Promise<Rate> {
  const dialect = imxpDialect();
  let decoded = 0;
  const elapsed = await seconds(() => {
    for (let i = 0; i < count; i += 1) if (dialect.decode(payload).type === 'data') decoded += 1;
  });
  if (decoded !== count) throw new Error(`${what}: only ${decoded} of ${count} were Data`);
  return rate(what, count, elapsed);
}

/** The section of the benchmark about single layers. @param count messages for each, the large ones fewer */
export async function layers(count: number): Promise<readonly Rate[]> {
  const once = async (): Promise<Rate[]> => [
    await frames(100, count),
    await frames(400, count),
    await frames(65_536, count / 40),
    await decode('IMXP: Data with inline content, decoded and checked', INLINE, count),
    await decode('IMXP: Data as multipart/related, decoded and checked', MULTIPART, count),
  ];
  await once(); // compilers need a warm-up
  return once();
}
