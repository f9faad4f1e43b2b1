/** Attaches as an endpoint with what the environment says; shared by the examples. */
import { Endpoint, type EndpointOptions } from 'imxp';

/**
 * @param address who to attach as
 * @param more options that an example needs besides
 */
export function connect(address: string, more: Partial<EndpointOptions> = {}): Promise<Endpoint> {
  const { IMXP_RELAY: relay, IMXP_PASSWORD: password, IMXP_CA: ca } = process.env;
  return Endpoint.connect({
    address,
    ...(relay === undefined ? {} : { relay }),
    ...(password === undefined ? {} : { password }),
    ...(ca === undefined ? {} : { ca }),
    ...more,
  });
}

/** The arguments of the program, or its usage and exit code 64 when one is missing. */
export function argumentsOr(usage: string, least: number): string[] {
  const given = process.argv.slice(2);
  if (given.length >= least) return given;
  console.error(`usage: ${usage}`);
  process.exit(64);
}
