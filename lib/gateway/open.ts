/** Opens a gateway on an endpoint and supplies its timer. */

import { pause } from '../transport/backoff.js';
import type { CpimService } from './cpim-service.js';
import { Gateway, type GatewayOptions } from './gateway.js';
import type { ImxpPort } from './port.js';

export type EndpointGatewayOptions = Omit<GatewayOptions, 'port' | 'peer' | 'wait'>;

/**
 * Opens a gateway. The endpoint must be attached as every CPIM user who sends or receives, or as `*@` their domain; for
 * presence it must be the application that serves `imxp=presence@` of their domains (`policy.gateways`, `policy.services`).
 *
 * @param endpoint an {@link Endpoint}; its deliveries go to the gateway from now on
 * @throws LocalError ARGUMENT when a side does not have the required security
 * @example
 * const gateway = openGateway(endpoint, peer, { security: { authenticated: true, confidential: true } });
 */
export function openGateway(endpoint: ImxpPort, peer: CpimService, options: EndpointGatewayOptions): Gateway {
  return new Gateway({ ...options, port: endpoint, peer, wait: pause });
}
