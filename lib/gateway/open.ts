/**
 * A gateway to CPIM on an endpoint: the port that `lib/message` asks for, and the clock it has not. Knows nothing of CPIM.
 */

import { pause } from '../transport/backoff.js';
import type { CpimService } from './cpim-service.js';
import { Gateway, type GatewayOptions } from './gateway.js';
import type { ImxpPort } from './port.js';

export type EndpointGatewayOptions = Omit<GatewayOptions, 'port' | 'peer' | 'wait'>;

/**
 * Opens a gateway. The endpoint is to be attached as everybody in CPIM who sends or receives, and `imxp=presence@` of their
 * domains for presence, as far as the relay's policy lets it.
 *
 * @param endpoint an {@link Endpoint}; what it receives goes to the gateway from now on
 * @throws LocalError ARGUMENT when a side does not have the security that a gateway must have
 * @example
 * const gateway = openGateway(endpoint, peer, { security: { authenticated: true, confidential: true } });
 */
export function openGateway(endpoint: ImxpPort, peer: CpimService, options: EndpointGatewayOptions): Gateway {
  return new Gateway({ ...options, port: endpoint, peer, wait: pause });
}
