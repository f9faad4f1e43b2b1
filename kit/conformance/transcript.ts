/** Transcript of one session for display: each frame with its meaning and octets. */
import { harmless } from '../../lib/ops/terminal.js';
import { type Entry, WatchedSession } from '../decoder/session.js';
import { type OctetLog, visible } from './peer/octet-log.js';

const LINES = 40;
const RAW_OCTETS = 240;
/** Larger sessions are not decoded. */
const MOST_OCTETS = 8_388_608;

/** The octets of each side, from which frames are extracted. */
class Tape {
  readonly #octets = { I: Buffer.alloc(0), L: Buffer.alloc(0) };

  add(side: 'I' | 'L', octets: Buffer): void {
    this.#octets[side] = Buffer.concat([this.#octets[side], octets]);
  }

  cut({ side, offset, octets }: Entry): Buffer {
    return this.#octets[side].subarray(offset, octets === 0 ? offset + RAW_OCTETS : offset + octets);
  }
}

function lines(entry: Entry, raw: Buffer): string[] {
  const { side, frame, meaning, fault, unread } = entry;
  const said = meaning === undefined ? '' : `  ${meaning.summary.replaceAll(/\s+/g, ' ')}`;
  const head = `${side}  ${frame === undefined ? (unread ?? 'not a frame') : frame.line}${said}`;
  return [
    harmless(head),
    ...(raw.length === 0 ? [] : [`   ${visible(raw, RAW_OCTETS)}`]),
    ...(fault === undefined ? [] : [harmless(`   fault ${fault.rule}: ${fault.text}`)]),
  ];
}

/** @param name name of the session */
export function transcript(name: string, log: OctetLog): string[] {
  const out: string[] = [];
  let [watched, tape] = [new WatchedSession(true), new Tape()];
  const whole = log.forgotten === 0 && log.entries.reduce((sum, { octets }) => sum + octets.length, 0) < MOST_OCTETS;
  for (const { from, octets, mark } of log.entries) {
    if (mark !== undefined) {
      [watched, tape] = [new WatchedSession(true), new Tape()];
      out.push(`-- ${mark}`);
    } else if (whole) {
      tape.add(from, octets);
      for (const entry of watched.take({ side: from, octets, time: undefined }))
        out.push(...lines(entry, tape.cut(entry)));
    } else {
      // Without the beginning of a session frame boundaries are unknown.
      out.push(`${from}  ${visible(octets, RAW_OCTETS)}`);
    }
  }
  if (whole) for (const entry of watched.finish()) out.push(...lines(entry, tape.cut(entry)));
  if (out.length === 0) out.push('   no octet from either side');
  const left = out.length - LINES;
  return [
    `-- ${name}; I: the kit, L: the listener`,
    ...(left > 0 ? [`   (${left} earlier lines omitted)`] : []),
    ...out.slice(-LINES),
  ];
}
