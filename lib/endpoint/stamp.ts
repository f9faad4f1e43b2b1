/**
 * Stamp of a message: an identity and the time at which it was written, for content that has no header of its own. An option,
 * so that it fits any content; peers that do not know it ignore it.
 */
import { LocalError } from '../errors.js';
import type { Data } from '../imxp/operation.js';
import { parseXml } from '../xml/parse.js';
import { escapeAttribute } from '../xml/write.js';
import type { OptionInit } from './option.js';

const STAMP = 'urn:x-imxp:stamp';
/** As of a Message-ID in one line (RFC 5322 §2.1.1). */
const LONGEST_ID = 998;

export interface StampInit {
  /** Identity of the message, at most 998 printable ASCII characters; for the application, which may use it to find repetitions. */
  readonly id?: string;
  /** When it was written. */
  readonly time?: Date;
}

export interface Stamp {
  readonly id: string | undefined;
  readonly time: Date | undefined;
}

const NONE: Stamp = { id: undefined, time: undefined };

/** @throws LocalError ARGUMENT */
export function stampOf({ id, time }: StampInit): readonly OptionInit[] {
  if (id === undefined && time === undefined) return [];
  if (id !== undefined && (id.length > LONGEST_ID || !/^[!-~]+$/.test(id))) {
    throw new LocalError('ARGUMENT', `send: "id" must be 1 to ${LONGEST_ID} printable ASCII characters without spaces`);
  }
  if (time !== undefined && Number.isNaN(time.getTime())) throw new LocalError('ARGUMENT', 'send: "time" is not valid');
  const written = [
    ...(id === undefined ? [] : [` id='${escapeAttribute(id)}'`]),
    ...(time === undefined ? [] : [` time='${time.toISOString()}'`]),
  ];
  return [{ external: STAMP, xml: `<stamp${written.join('')} />` }];
}

/** The stamp of a Data operation. What is not valid is taken for no stamp: a sender may write anything. */
export function stampIn({ options }: Data): Stamp {
  const option = options.length === 0 ? undefined : options.find(({ external }) => external === STAMP);
  if (option === undefined) return NONE;
  try {
    const { attributes } = parseXml(option.inner);
    const [id, time] = [attributes.get('id'), new Date(attributes.get('time') ?? Number.NaN)];
    const valid = id !== undefined && id.length <= LONGEST_ID && /^[!-~]+$/.test(id);
    return { id: valid ? id : undefined, time: Number.isNaN(time.getTime()) ? undefined : time };
  } catch {
    return NONE;
  }
}
