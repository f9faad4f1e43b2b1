/** APEX dialect (RFC 3340): the vocabulary of its profile. */
import type { Attach, Bind, Data, Terminate } from '../operation.js';
import { fromApex } from './apex-name.js';
import { APEX_OPTION, named, readApexOperation } from './apex-read.js';
import { writeApexAssociation, writeApexData, writeApexTerminate } from './apex-write.js';
import type { Dialect, DialectLimits } from './dialect.js';
import { DIALECT_LIMITS } from './dialect.js';
import { renamed } from './names.js';
import { type Vocabulary, XmlDialect } from './xml-dialect.js';

/** RFC 3340 §8.1. */
export const APEX_PROFILE = 'http://iana.org/beep/APEX';
/** RFC 3340 §4.1. */
const APEX_TYPE = 'application/beep+xml';

export const APEX: Vocabulary = Object.freeze({
  name: 'apex',
  profile: APEX_PROFILE,
  prefix: 'apex=',
  repliesImmediately: true,
  apexNames: true,
  controlType: APEX_TYPE,
  plain: { profile: APEX_PROFILE, controlType: APEX_TYPE, option: APEX_OPTION, names: { one: fromApex, named } },
  read: readApexOperation,
  write: (operation: Attach | Bind | Terminate) =>
    operation.type === 'terminate' ? writeApexTerminate(operation) : writeApexAssociation(operation),
  writeData: writeApexData,
  renamed: (data: Data) => renamed(data, 'apex='),
});

/** @param limits of control documents; missing ones have their defaults */
export function apexDialect(limits: Partial<DialectLimits> = {}): Dialect {
  return new ApexDialect({ ...DIALECT_LIMITS, ...limits });
}

/** The dialect that {@link apexDialect} returns. */
export class ApexDialect extends XmlDialect {
  constructor(limits: DialectLimits) {
    super(APEX, limits);
  }
}
