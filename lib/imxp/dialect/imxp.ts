/** IMXP dialect (core-01): the vocabulary of its profile. */
import type { Attach, Bind, Data, Terminate } from '../operation.js';
import type { Dialect, DialectLimits } from './dialect.js';
import { DIALECT_LIMITS } from './dialect.js';
import { IMXP_OPTION, readImxpOperation } from './imxp-read.js';
import { writeImxpAssociation, writeImxpData, writeImxpTerminate } from './imxp-write.js';
import { renamed } from './names.js';
import { type Vocabulary, XmlDialect } from './xml-dialect.js';

/** core-01 §4.2. */
export const IMXP_PROFILE = 'http://xml.resource.org/profiles/IMXP';

export const IMXP: Vocabulary = Object.freeze({
  name: 'imxp',
  profile: IMXP_PROFILE,
  prefix: 'imxp=',
  repliesImmediately: false,
  apexNames: false,
  controlType: 'text/xml',
  plain: { profile: IMXP_PROFILE, controlType: 'text/xml', option: IMXP_OPTION },
  read: readImxpOperation,
  write: (operation: Attach | Bind | Terminate) =>
    operation.type === 'terminate' ? writeImxpTerminate(operation) : writeImxpAssociation(operation),
  writeData: writeImxpData,
  renamed: (data: Data) => renamed(data, 'imxp='),
});

/** @param limits of control documents; missing ones have their defaults */
export function imxpDialect(limits: Partial<DialectLimits> = {}): Dialect {
  return new ImxpDialect({ ...DIALECT_LIMITS, ...limits });
}

/** The dialect that {@link imxpDialect} returns. */
export class ImxpDialect extends XmlDialect {
  constructor(limits: DialectLimits) {
    super(IMXP, limits);
  }
}
