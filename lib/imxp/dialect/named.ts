/** Dialects by their names. */
import type { DialectName } from '../../config/dialects.js';
import { apexDialect } from './apex.js';
import type { Dialect, DialectLimits } from './dialect.js';
import { imxpDialect } from './imxp.js';

const BY_NAME = { imxp: imxpDialect, apex: apexDialect } as const;

/** @param limits of control documents; missing ones have their defaults */
export function dialectNamed(name: DialectName, limits?: Partial<DialectLimits>): Dialect {
  return BY_NAME[name](limits);
}
