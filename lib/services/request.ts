/**
 * Request to a service, read from a Data operation: the originator, the domain whose service is asked, and the element.
 */
import { RemoteProtocolError } from '../errors.js';
import { type Address, parseAddress } from '../imxp/address.js';
import { contentOf } from '../imxp/content.js';
import { APEX_PROFILE } from '../imxp/dialect/apex.js';
import type { Data, Option } from '../imxp/operation.js';
import { TRANS_ID_MAX } from '../imxp/trans-id.js';
import { type Form, formOf } from '../imxp/vocabulary/form.js';
import { parseXml, type XmlElement } from '../xml/parse.js';

export interface ServiceRequest {
  readonly originator: Address;
  /** The domain whose service is asked, in lower case. */
  readonly domain: string;
  /** Form of the answer, unless the element itself says more (D-APEX-01). */
  readonly form: Form;
  readonly element: XmlElement;
  /** transID of the element, if it has a valid one: then an answer can be given. */
  readonly transID: number | undefined;
  /** Options of the Data operation. */
  readonly options: readonly Option[];
}

/**
 * @param octets the largest document accepted
 * @throws RemoteProtocolError with the reply for the Data operation as a whole: there is no document to answer
 */
export function requestOf(data: Data, octets: number): ServiceRequest {
  const element = parseXml(documentOf(data), { octets });
  const written = element.attributes.get('transID') ?? '';
  const transID = /^[0-9]{1,10}$/.test(written) ? Number(written) : 0;
  const service = data.recipients[0]?.identity ?? '';
  return {
    originator: parseAddress(data.originator),
    domain: parseAddress(service).domain,
    form: data.source?.profile === APEX_PROFILE ? 'apex' : formOf(service),
    element,
    transID: transID >= 1 && transID <= TRANS_ID_MAX ? transID : undefined,
    options: data.options,
  };
}

function documentOf(data: Data): Buffer {
  const content = contentOf(data);
  if (content.kind === 'inline') return content.inner;
  if (content.kind === 'part' && /^(?:text\/xml|application\/(?:beep\+)?xml)$/.test(content.type)) return content.body;
  const text = 'a service accepts one XML element, in data-content or as a part of type text/xml';
  throw new RemoteProtocolError('XML_INVALID', text, { reply: { code: 501, text } });
}
