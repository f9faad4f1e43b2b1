/**
 * A document of a service as a Data: the one form in which services speak. Knows no service.
 */
import type { Data, Option } from '../imxp/operation.js';
import type { DeliverySink } from '../relay/target.js';

/** The mesh as a service sees it: `Relay.submit`. */
export type Submit = (data: Data, sink: DeliverySink) => void;

const NO_OPTIONS: readonly Option[] = [];

/**
 * @param from the service, for instance `imxp=report@example.com`
 * @param document one element
 * @param name of the data-content
 */
export function documentData(from: string, to: string, document: string, name = 'Content'): Data {
  return {
    type: 'data',
    originator: from,
    content: `#${name}`,
    recipients: [{ identity: to, options: NO_OPTIONS }],
    options: NO_OPTIONS,
    dataContent: { name, inner: Buffer.from(document) },
    source: undefined,
  };
}

/** For what is sent once and not missed when it does not arrive. */
export const UNHEARD: DeliverySink = Object.freeze({
  delivered: () => {},
  failed: () => {},
});
