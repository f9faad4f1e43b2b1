/**
 * Report service, `imxp=report` (core-01 §6.2): tells originators what became of their Data operations. The relay
 * decides what is reported, and whether; this file writes the documents. A report that does not arrive is dropped.
 */
import type { Reply } from '../errors.js';
import { type Destination, writeStatusResponse } from '../imxp/vocabulary/status.js';
import { localized } from '../relay/languages.js';
import type { Reporter, StatusReport } from '../relay/status.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../relay/target.js';
import { documentData, type Submit, UNHEARD } from './outgoing.js';

/** Local part of the service. */
export const REPORT = 'imxp=report';

const TAKES_NOTHING: Reply = { code: 550, text: 'the report service only sends' };

export class ReportService implements Reporter, DeliveryTarget {
  readonly #submit: Submit;

  constructor(submit: Submit) {
    this.#submit = submit;
  }

  report({ domain, to, transID, localize, destinations, options }: StatusReport): void {
    const document = writeStatusResponse({
      transID,
      destinations: destinations.map(({ identity, reply }) => destinationOf(identity, reply, localize)),
    });
    const data = documentData(`${REPORT}@${domain}`, to, document, 'R');
    this.#submit(options === undefined ? data : { ...data, options }, UNHEARD);
  }

  /** core-01 §6.2: consumers never initiate. */
  deliver(_delivery: OutboundDelivery, sink: DeliverySink): void {
    sink.failed(TAKES_NOTHING);
  }
}

function destinationOf(identity: string, reply: Reply | undefined, localize: string): Destination {
  if (reply === undefined) return { identity, reply: { code: 250, text: '', lang: undefined } };
  return { identity, reply: { code: reply.code, ...localized(reply, localize) } };
}
