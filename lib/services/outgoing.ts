/** Wraps a document of a service into a Data operation; every service sends its documents this way. */
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

/** For operations that are sent once and whose loss does not matter. */
export const UNHEARD: DeliverySink = Object.freeze({
  delivered: () => {},
  failed: () => {},
});
