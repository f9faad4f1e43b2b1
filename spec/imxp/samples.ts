/**
 * Payloads as core-01 §4.1 shows them, and short ways to have them read.
 */
import { RemoteProtocolError } from '../../lib/errors.js';
import { DIALECT_LIMITS } from '../../lib/imxp/dialect/dialect.js';
import { ImxpDialect, imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Data, Operation, Option } from '../../lib/imxp/operation.js';

export const dialect = imxpDialect();
export const parser = new ImxpDialect(DIALECT_LIMITS);
export const ALONE = 'Content-Type: text/xml\r\n\r\n';

export const decode = (text: string) => dialect.decode(Buffer.from(text));
export const xml = (document: string) => decode(ALONE + document);

export function fault(act: () => unknown): RemoteProtocolError {
  try {
    act();
  } catch (error) {
    if (error instanceof RemoteProtocolError) {
      return error;
    }
    throw error;
  }
  throw new Error('accepted');
}

export function data(operation: Operation): Data {
  if (operation.type !== 'data') {
    throw new Error(`not data but ${operation.type}`);
  }
  return operation;
}

export const octets = (payload: Buffer | Buffer[]) => (Buffer.isBuffer(payload) ? payload : Buffer.concat(payload));
/** What an operation says, without where it came from. */
export const said = (operation: Operation) => ({ ...operation, source: undefined });

export const INLINE = `${ALONE}<data originator='ines@harbour.example' content='#Payload'>\r
   <recipient identity='otto@quay.example' />\r
   <option internal='statusRequest' targetHop='final'\r
           seeNoEvil='true' transID='3301' />\r
   <data-content Name='Payload'>\r
      <note>tide is in</note>\r
   </data-content>\r
</data>\r
`;
export const RELATED = `Content-Type: multipart/related; boundary="=_m1";\r
 start="<c1.5f@harbour.example>"; type="text/xml"\r
\r
--=_m1\r
Content-Type: text/xml\r
Content-ID: <c1.5f@harbour.example>\r
\r
<data originator='ines@harbour.example'\r
      content='cid:c2.5f@harbour.example'>\r
   <recipient identity='otto@quay.example' />\r
</data>\r
--=_m1\r
Content-Type: text/plain; charset=UTF-8\r
Content-Transfer-Encoding: binary\r
Content-ID: <c2.5f@harbour.example>\r
\r
tide is in\r
--=_m1--\r
`;

export const STATUS_REQUEST: Option = {
  internal: 'statusRequest',
  external: undefined,
  targetHop: 'final',
  seeNoEvil: true,
  transID: 3301,
  localize: 'i-default',
  inner: Buffer.alloc(0),
};
