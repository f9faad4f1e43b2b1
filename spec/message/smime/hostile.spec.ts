import { expect } from 'chai';
import { ImxpError } from '../../../lib/errors.js';
import { readCertificates } from '../../../lib/message/smime/certificate.js';
import { type MadeEntity, opaque } from '../../../lib/message/smime/entity.js';
import { makeEnveloped } from '../../../lib/message/smime/enveloped-data.js';
import { SMIME_LIMITS } from '../../../lib/message/smime/fault.js';
import type { Secure } from '../../../lib/message/smime/secure.js';
import { runNow } from '../../../lib/message/smime/work.js';
import { arrived, BARNEY, barney, cpim, FRED, fred, person, secureOf, text, WILMA, wilma } from './people.js';

const to = [BARNEY];
/** Of the processor. Names that take time by the square of their length took seconds. */
const LIMIT_MS = 250;

/** What the sender of something sees, and what is written down here. */
function refusal(side: Secure, made: MadeEntity, originator = FRED): { code: string; reply: unknown; message: string } {
  try {
    side.open(arrived(made), originator);
  } catch (error) {
    if (error instanceof ImxpError) return { code: error.code, reply: error.reply, message: error.message };
    throw error;
  }
  throw new Error('it was opened');
}

describe('hostile S/MIME content', () => {
  const fredsSide = secureOf(fred);
  const barneysSide = secureOf(barney);
  const classic = secureOf(fred, { classic: '3.2' });
  const sealed = (side: Secure, how: object, entity = text('Bowling tonight?')): MadeEntity =>
    side.seal(entity, { from: FRED, to, ...how });
  const flipped = (made: MadeEntity, at: number): MadeEntity => {
    const body = Buffer.from(made.body);
    body[body.length + at] = (body.at(at) ?? 0) ^ 1;
    return { ...made, body };
  };

  it('REQ-CPIM-014 detects changes to encrypted content', () => {
    const made = sealed(fredsSide, { encrypt: true });
    for (const at of [-1, -16, -30]) expect(refusal(barneysSide, flipped(made, at)).code).to.equal('SMIME_UNREADABLE');
  });

  it('accepts AES-CBC content when a signature inside it protects it, or when configured to', () => {
    expect(barneysSide.open(arrived(sealed(classic, { sign: true, encrypt: true })), FRED).signed?.valid).to.equal(
      true,
    );
    const bare = sealed(classic, { encrypt: true });
    expect(refusal(barneysSide, bare).message).to.include('AES-CBC does not detect, and it is not signed');
    expect(secureOf(barney, { classic: '3.2' }).open(arrived(bare), FRED).encrypted).to.equal(true);
  });

  it('reads a certificate with a very long name quickly, and ignores that name', () => {
    const name = (uri: string): number => {
      const { certificate } = person(FRED, { uris: [`im:${FRED}`, uri] });
      const begin = process.cpuUsage();
      expect(readCertificates(certificate)[0]?.identities).to.deep.equal([FRED]);
      const { user, system } = process.cpuUsage(begin);
      return (user + system) / 1000;
    };
    const hostile = [
      `im:${'%3C'.repeat(21_000)}`,
      `im:a${'%20'.repeat(21_000)}b@x`,
      `im:%22${'%5C%22'.repeat(10_000)}`,
    ];
    for (const uri of hostile) expect(name(uri), uri.slice(0, 20)).to.be.below(LIMIT_MS);
    expect(name(`im:${WILMA}?subject=${'x'.repeat(5000)}`)).to.be.below(LIMIT_MS);
  });

  it('gives the same answer for every decryption failure, so that senders cannot find out contents', () => {
    const forBarney = (content: Buffer): MadeEntity =>
      opaque('enveloped-data', runNow(makeEnveloped(content, readCertificates(barney.certificate), '3.2')));
    const signed = sealed(classic, { sign: true, encrypt: true });
    const wrongKey = Buffer.from(signed.body);
    const keyAt = wrongKey.indexOf(Buffer.from('2a864886f70d010101', 'hex')) + 20;
    wrongKey[keyAt] = (wrongKey[keyAt] ?? 0) ^ 1;
    const asked = [
      flipped(signed, -1),
      flipped(signed, -40),
      { ...signed, body: wrongKey },
      sealed(classic, { encrypt: true }),
      forBarney(Buffer.from('no MIME\n')),
      forBarney(Buffer.from('Content-Type: message/cpim\r\n\r\nno message')),
      forBarney(
        Buffer.from('Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=x\r\n\r\n'),
      ),
      forBarney(Buffer.from('Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nAAAA')),
      classic.seal(secureOf(wilma).seal(text('x'), { sign: true, from: 'wilma@example.com', to }), {
        from: FRED,
        to,
        encrypt: true,
      }),
    ].map((made) => refusal(barneysSide, made));
    for (const { code, reply } of asked) {
      expect([code, reply]).to.deep.equal([
        'SMIME_UNREADABLE',
        { code: 550, text: 'the content is encrypted and cannot be read here' },
      ]);
    }
    // here it is told apart
    expect(new Set(asked.map(({ message }) => message)).size).to.be.above(3);
  });

  it('does not accept a signature around AES-CBC content in place of one inside it, since anybody could add it', () => {
    const encrypted = sealed(classic, { encrypt: true });
    expect(refusal(barneysSide, fredsSide.seal(encrypted, { sign: true, from: FRED, to })).message).to.include(
      'it is not signed',
    );
  });

  it('refuses content that claims to be signed or encrypted and is not', () => {
    const entities: readonly MadeEntity[] = [
      { type: 'application/pkcs7-mime; smime-type=signed-data', body: Buffer.from('hello') },
      { type: 'application/pkcs7-mime', body: Buffer.alloc(0) },
      { type: 'application/pkcs7-mime', body: Buffer.from('3080', 'hex') },
      { type: 'application/pkcs7-mime', body: Buffer.from('300b06092a864886f70d010702', 'hex') },
      {
        type: 'multipart/signed; protocol="application/pkcs7-signature"; boundary=x',
        body: Buffer.from('--x\r\n\r\na\r\n--x--'),
      },
      {
        type: 'multipart/signed; protocol="application/pkcs7-signature"; boundary=x',
        body: Buffer.from('--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--'),
      },
    ];
    for (const made of entities) expect(refusal(barneysSide, made)).to.include({ code: 'SMIME_INVALID' });
    const bare = sealed(fredsSide, { sign: true }).body.toString('latin1');
    const der = Buffer.from(/smime\.p7s"\r\n\r\n([^-]*)/.exec(bare)?.[1] ?? '', 'base64');
    expect(refusal(barneysSide, opaque('signed-data', der)).message).to.include('the signed content is missing');
  });

  it('has limits on octets, layers, recipients and nesting', () => {
    let made = text('x');
    for (let layer = 0; layer < SMIME_LIMITS.layers; layer += 1) made = sealed(fredsSide, { sign: true }, made);
    expect(barneysSide.open(arrived(made), FRED).signed?.valid).to.equal(true);
    expect(refusal(barneysSide, sealed(fredsSide, { sign: true }, made)).message).to.include('more than 4 layers');
    const small = (limits: object): Secure => secureOf(barney, { limits });
    const signed = sealed(fredsSide, { sign: true }, cpim(FRED, 'x'.repeat(5000)));
    expect(refusal(small({ octets: 4000 }), signed).message).to.include('more than 4000 octets');
    expect(() => small({ octets: 10 }).seal(text('hello world'), { sign: true, from: BARNEY, to })).to.throw(
      'limited to 10',
    );
    expect(refusal(small({ values: 50 }), signed).code).to.equal('SMIME_INVALID');
    expect(refusal(small({ certificates: 0 }), signed).message).to.include('too many');
    const encrypted = sealed(fredsSide, { encrypt: true, to: [BARNEY, 'wilma@example.com'] });
    expect(refusal(small({ recipients: 1 }), encrypted).message).to.include('more than 1 recipients');
    const nested = Buffer.concat([...new Array<Buffer>(5000).fill(Buffer.from('3080', 'hex')), Buffer.alloc(10_000)]);
    expect(refusal(barneysSide, opaque('signed-data', nested)).code).to.equal('SMIME_INVALID');
  });
});
