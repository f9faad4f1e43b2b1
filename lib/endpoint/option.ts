/** Options of a message as an application gives them, turned into options of a Data operation (core-01 §5). */
import { LocalError } from '../errors.js';
import type { Option, TargetHop } from '../imxp/operation.js';
import { newTransId, TRANS_ID_MAX } from '../imxp/trans-id.js';
import { parseXml } from '../xml/parse.js';
import { checkKeys, type KnownKeys } from './keys.js';

/** An option of a message. Exactly one of `internal` and `external` is required. */
export interface OptionInit {
  /** A registered name, such as `statusRequest`. */
  readonly internal?: string;
  /** An absolute URI. */
  readonly external?: string;
  /** Which relays it applies to: `final` (default) the recipient's relay, `this` the next relay, `all` every relay. */
  readonly targetHop?: TargetHop;
  /** False: the message fails at a relay that does not understand the option. Default: true. */
  readonly seeNoEvil?: boolean;
  /** 1 to 2147483647; default: random. */
  readonly transID?: number;
  readonly localize?: string;
  /** XML inside the option. */
  readonly xml?: string | Buffer;
}

const OPTION_KEYS: KnownKeys<OptionInit> = {
  internal: true,
  external: true,
  targetHop: true,
  seeNoEvil: true,
  transID: true,
  localize: true,
  xml: true,
};

/** @throws LocalError ARGUMENT */
export function optionOf(init: OptionInit): Option {
  checkKeys(init, OPTION_KEYS, 'send: options');
  const { internal, external, xml = '', ...rest } = init;
  if ((internal === undefined) === (external === undefined)) {
    throw new LocalError('ARGUMENT', 'send: options: give exactly one of "internal" and "external"');
  }
  const { targetHop = 'final', seeNoEvil = true, transID = newTransId(), localize = 'i-default' } = rest;
  if (!Number.isInteger(transID) || transID < 1 || transID > TRANS_ID_MAX) {
    throw new LocalError('ARGUMENT', `send: options: transID must be an integer from 1 to ${TRANS_ID_MAX}`);
  }
  return { internal, external, targetHop, seeNoEvil, transID, localize, inner: innerOf(xml) };
}

function innerOf(xml: string | Buffer): Buffer {
  const inner = Buffer.from(xml);
  if (inner.length === 0) return inner;
  try {
    parseXml(Buffer.concat([Buffer.from('<option>'), inner, Buffer.from('</option>')]));
  } catch (cause) {
    throw new LocalError('ARGUMENT', 'send: options: "xml" is not well-formed', { cause });
  }
  return inner;
}
