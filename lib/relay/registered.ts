/** Registered options (core-01 §5.1, RFC 3342) that a relay understands according to its configuration. */

import { ATTACH_OVERRIDE, DATA_HOPPING, DATA_TIMING, HOLD_FOR_ENDPOINT } from './delivery-options.js';
import type { OptionRegistry } from './options.js';
import { statusOptions } from './status.js';

export interface OptionPolicy {
  readonly statusRequest: 'on' | 'border' | 'off';
  readonly dataTiming: 'on' | 'border' | 'off';
  /** `timed`: only messages with a time limit. */
  readonly hold4Endpoint: 'on' | 'timed' | 'off';
  readonly attachOverride: 'on' | 'off';
}

/** An option that is switched off is treated like an unknown one. */
export function registeredOptions(policy: OptionPolicy): OptionRegistry {
  const { statusRequest, dataTiming, hold4Endpoint, attachOverride } = policy;
  const understood = statusOptions(statusRequest);
  // D-OPT-01: RFC 3342 has them in data; on a recipient they apply to that recipient alone.
  if (dataTiming !== 'off') {
    understood.add(DATA_TIMING, ['data', 'recipient'], dataTiming === 'on' ? 'always' : 'border');
  }
  understood.add(DATA_HOPPING, ['data', 'recipient']);
  if (hold4Endpoint !== 'off') understood.add(HOLD_FOR_ENDPOINT, ['data', 'recipient']);
  if (attachOverride === 'on') understood.add(ATTACH_OVERRIDE, ['attach']);
  return understood;
}
