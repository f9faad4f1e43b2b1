/** Attaches an endpoint to a relay that is reached in the caller's own way. */
import { dialectNamed } from '../imxp/dialect/named.js';
import { RelayConnector } from './connection.js';
import type { Dialling } from './dialling.js';
import { Endpoint } from './endpoint.js';
import { type EndpointOptions, settle } from './options.js';

/** @throws as `Endpoint.connect` */
export async function connectThrough(
  dialling: Pick<Dialling, 'relays' | 'dial'>,
  options: EndpointOptions,
): Promise<Endpoint> {
  const settings = await settle(options);
  return await Endpoint.through(new RelayConnector(settings, dialectNamed(settings.dialect), dialling), settings);
}
