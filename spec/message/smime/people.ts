/** People with certificates, and entities, for the specs of S/MIME. */

import { writeCpim } from '../../../lib/message/cpim/document.js';
import { signingOf } from '../../../lib/message/smime/algorithms.js';
import {
  type MadeEntity,
  multipartSigned,
  type OpenEntity,
  octetsOfEntity,
} from '../../../lib/message/smime/entity.js';
import { readIdentity } from '../../../lib/message/smime/identity.js';
import { Secure, type SecureOptions } from '../../../lib/message/smime/secure.js';
import { makeSignedData } from '../../../lib/message/smime/signed-data.js';
import { runNow } from '../../../lib/message/smime/work.js';
import { parseEntity } from '../../../lib/mime/entity.js';
import { formatHeaders } from '../../../lib/mime/headers.js';
import { TestAuthority, type TestCertificate, type TestCertificateOptions } from '../../support/certificates.js';

export const FRED = 'fred@example.com';
export const BARNEY = 'barney@rubble.com';
export const WILMA = 'wilma@example.com';

export const authority = new TestAuthority();
export const person = (address: string, options: TestCertificateOptions = {}): TestCertificate =>
  authority.issue({ uris: [`im:${address}`, `pres:${address}`], usages: ['mail'], ...options });

export const fred = person(FRED, { ownKey: true });
export const barney = person(BARNEY, { ownKey: true });
export const wilma = person(WILMA, { ownKey: true });
const people = [fred, barney, wilma].map(({ certificate }) => certificate);

/** Somebody who believes the authority and knows everybody. */
export const secureOf = ({ certificate, key }: TestCertificate, more: SecureOptions = {}): Secure =>
  new Secure({ certificate, key, authorities: authority.certificate, people, ...more });

export const text = (body: string): MadeEntity => ({ type: 'text/plain; charset=UTF-8', body: Buffer.from(body) });

export const cpim = (from: string, body: string): MadeEntity => ({
  type: 'Message/CPIM',
  body: writeCpim({
    from: { phrase: undefined, uri: `im:${from}` },
    to: [{ phrase: undefined, uri: `im:${BARNEY}` }],
    dateTime: new Date(),
    content: { type: 'text/plain; charset=utf-8', body: Buffer.from(body) },
  }),
});

/** As octets with headers, the way a file has it. */
export const written = ({ type, headers = [], body }: MadeEntity): Buffer =>
  Buffer.concat([Buffer.from(`${formatHeaders([{ name: 'Content-Type', value: type }, ...headers])}\r\n`), body]);

/** As it is where it arrives. */
export const arrived = (made: MadeEntity): OpenEntity => parseEntity(written(made));

/** What somebody signs whose program checks nothing. */
export function forged({ certificate, key }: TestCertificate, content: MadeEntity): MadeEntity {
  const octets = octetsOfEntity(content);
  const identity = readIdentity(certificate, key);
  const by = signingOf(identity.key, false);
  return multipartSigned(octets, runNow(makeSignedData(octets, identity, by, new Date(), true)), by.micalg);
}
