/** An endpoint attached to a {@link ScriptedRelay}, as needed by most specs of the endpoint. */
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type EndpointOptions, settle } from '../../lib/endpoint/options.js';
import type { Data } from '../../lib/imxp/operation.js';
import { ScriptedRelay } from './scripted-relay.js';

export const FRED = 'fred@example.com';
export const BARNEY = 'barney@rubble.com';

export async function scripted(
  options: Partial<EndpointOptions> = {},
  relay = new ScriptedRelay(),
): Promise<{ readonly relay: ScriptedRelay; readonly fred: Endpoint }> {
  const settings = await settle({ address: FRED, relay: 'tcp://127.0.0.1:1', ...options });
  return { relay, fred: await Endpoint.through(relay, settings) };
}

/** A Data for fred, with XML inside the control document. */
export function dataFor(recipients: readonly string[], inner = '<note>hi</note>'): Data {
  return {
    type: 'data',
    originator: BARNEY,
    content: '#C',
    recipients: recipients.map((identity) => ({ identity, options: [] })),
    options: [],
    dataContent: { name: 'C', inner: Buffer.from(inner) },
    source: undefined,
  };
}
