import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { KnownDirectory } from '../../../lib/endpoint/known-directory.js';
import type { OpenEntity } from '../../../lib/message/smime/entity.js';
import { KNOWN_LIMITS } from '../../../lib/message/smime/known-certificates.js';
import { Secure, type SecureOptions } from '../../../lib/message/smime/secure.js';
import { TestAuthority, type TestCertificate } from '../../support/certificates.js';
import { arrived, authority, BARNEY, barney, cpim, FRED, forged, fred, person, text, WILMA } from './people.js';

describe('known certificates', () => {
  let directory: string;
  let known: KnownDirectory;
  const strangers = new TestAuthority('Strangers');
  const stranger = (address: string, ownKey = true): TestCertificate =>
    strangers.issue({ uris: [`im:${address}`], usages: ['mail'], ownKey });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'imxp-known-'));
    known = new KnownDirectory(directory);
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const signedBy = (signer: TestCertificate, content = text('x')) => arrived(forged(signer, content));
  const side = (options: SecureOptions = {}): Secure => new Secure({ ...barney, known, ...options });
  const thought = (signer: TestCertificate, from = FRED, options: SecureOptions = {}) => {
    const { valid, trust, reason } = side(options).open(signedBy(signer), from).signed ?? {};
    return { valid, trust, reason };
  };

  it('are trusted on first use and recognised later, and no other one is trusted for the address', () => {
    const [first, second] = [stranger(FRED), stranger(FRED)];
    expect(thought(first)).to.deep.equal({ valid: true, trust: 'first use', reason: undefined });
    expect(thought(first)).to.deep.equal({ valid: true, trust: 'known', reason: undefined });
    expect(thought(second)).to.deep.equal({ valid: false, trust: undefined, reason: 'changed' });
    expect(known.list().map(({ address, certificate }) => [address, certificate.raw.equals(first.der)])).to.deep.equal([
      [FRED, true],
    ]);
    expect(known.forget(FRED)).to.equal(1);
    expect(thought(second)).to.deep.equal({ valid: true, trust: 'first use', reason: undefined });
    expect(thought(first).reason).to.equal('changed');
  });

  it('are not learnt without the known option', () => {
    const { certificate, key } = barney;
    const { signed } = new Secure({ certificate, key }).open(signedBy(stranger(FRED)), FRED);
    expect([signed?.valid, signed?.reason]).to.deep.equal([false, 'untrusted']);
  });

  it('are renewed for the same key, and by a trusted authority', () => {
    const first = stranger(FRED);
    const renewed = strangers.issue({ uris: [`im:${FRED}`], usages: ['mail'] });
    expect(thought(first).trust).to.equal('first use');
    expect(thought(renewed).reason).to.equal('changed');
    known.forget(FRED);
    const [one, again] = [stranger(FRED, false), stranger(FRED, false)];
    expect([thought(one).trust, thought(again).trust]).to.deep.equal(['first use', 'known']);
    expect(known.find(FRED)).to.have.length(2);
    expect(thought(fred, FRED, { authorities: authority.certificate }).trust).to.equal('authority');
    expect(known.find(FRED)).to.have.length(3);
    expect(thought(fred).trust, 'without the authority').to.equal('known');
  });

  it('must name the sender, and be valid themselves', () => {
    expect(thought(stranger(WILMA)).reason).to.equal('untrusted');
    expect(thought(strangers.issue({ uris: [`im:${FRED}`], usages: ['client'] })).reason).to.equal('untrusted');
    const expired = strangers.issue({ uris: [`im:${FRED}`], usages: ['mail'], notAfter: new Date(0) });
    expect(thought(expired).reason).to.equal('untrusted');
    const both = strangers.issue({ uris: [`im:${FRED}`, `im:${WILMA}`], usages: ['mail'], ownKey: true });
    expect(thought(both).trust).to.equal('first use');
    // Nothing was said about Wilma.
    expect(known.find(WILMA)).to.deep.equal([]);
    const { signed } = side().open(signedBy(both, cpim(WILMA, 'x')), FRED);
    expect(signed?.valid, 'Fred may write as Wilma where his certificate names both').to.equal(true);
    const altered = signedBy(stranger('dino@example.com'), text('eight'));
    const body = Buffer.from(altered.body.toString('latin1').replace('eight', 'seven'), 'latin1');
    expect(side().open({ ...altered, body }, 'dino@example.com').signed?.reason).to.equal('altered');
    expect(known.find('dino@example.com')).to.deep.equal([]);
  });

  it('are used for encryption without being configured', () => {
    thought(fred);
    const sealed = side({ authorities: authority.certificate }).seal(text('Dinner'), {
      encrypt: true,
      from: BARNEY,
      to: [`${FRED.replace('@', '/appl=wb@')}`],
    });
    expect(new Secure({ ...fred }).open(arrived(sealed), BARNEY).entity.body.toString()).to.equal('Dinner');
    expect(() => side().seal(text('x'), { encrypt: true, from: BARNEY, to: [WILMA] })).to.throw(
      `no certificate of ${WILMA} is known`,
    );
  });

  it('do not count once they are revoked, whichever certificates of the path are missing', () => {
    const root = new TestAuthority('Root');
    const between = new TestAuthority('Between', root);
    const leaf = between.issue({ uris: [`im:${FRED}`], usages: ['mail'], ownKey: true });
    const withChain = { ...leaf, certificate: leaf.certificate + between.certificate };
    expect(thought(leaf).trust).to.equal('first use');
    const revoked = between.revocations([leaf.serial]);
    const reason = (signer: TestCertificate, options: SecureOptions) => thought(signer, FRED, options).reason;
    const trusted = { authorities: root.certificate };
    expect(reason(withChain, { ...trusted, revoked }), 'whole').to.equal('revoked');
    expect(reason(leaf, { ...trusted, revoked }), 'without the intermediate').to.equal('revoked');
    expect(reason(withChain, { revoked }), 'without the root').to.equal('revoked');
    expect(reason(leaf, { revoked }), 'alone').to.equal('revoked');
    expect(reason(leaf, { revoked: between.revocations([], new Date(0)) })).to.equal('revocation unknown');
    const intermediate = new X509Certificate(between.certificate).serialNumber;
    const ofRoot = root.revocations([intermediate.toLowerCase()]);
    expect(reason(withChain, { revoked: ofRoot }), 'the intermediate').to.equal('revoked');
    // Others, and lists that somebody else signed in the name of a trusted CA, do not count.
    expect(reason(leaf, { revoked: between.revocations(['7f']) })).to.equal(undefined);
    const forgery = new TestAuthority('Between').revocations([leaf.serial]);
    expect(reason(leaf, { authorities: between.certificate, revoked: forgery })).to.equal(undefined);
    expect(() => side({ revoked }).seal(text('x'), { encrypt: true, from: BARNEY, to: [FRED] })).to.throw(
      'was revoked',
    );
    expect(side().seal(text('x'), { encrypt: true, from: BARNEY, to: [FRED] }).type).to.include('pkcs7');
  });

  it('are read once for each message, and not for one that is not signed', () => {
    let reads = 0;
    const counted = {
      find: (address: string) => {
        reads += 1;
        return known.find(address);
      },
      learn: (address: string, certificate: string) => known.learn(address, certificate),
    };
    const open = (entity: OpenEntity) => new Secure({ ...barney, known: counted }).open(entity, FRED).signed?.trust;
    const first = stranger(FRED);
    const twice = arrived(forged(first, forged(first, text('x'))));
    expect([open(twice), reads]).to.deep.equal(['known', 1]);
    expect([open(twice), reads]).to.deep.equal(['known', 2]);
    expect([open(arrived(text('x'))), reads]).to.deep.equal([undefined, 2]);
  });

  it('are files that people can read, add and remove', () => {
    writeFileSync(join(directory, `${WILMA}.crt`), person(WILMA, { ownKey: true }).certificate);
    writeFileSync(join(directory, 'README.txt'), 'notes');
    expect(thought(stranger(WILMA), WILMA).reason, 'that of the file counts').to.equal('changed');
    const slate = 'Mr.%41/x=y@EXAMPLE.com';
    const certificate = strangers.issue({ uris: [], mailboxes: [slate], usages: ['mail'] });
    expect(thought(certificate, slate).trust).to.equal('first use');
    expect(readdirSync(directory).sort()).to.deep.equal(['%4Dr.%2541@example.com.crt', 'README.txt', `${WILMA}.crt`]);
    expect(known.find('Mr.%41@example.com')).to.have.length(1);
    // A second program sees what the first one has learnt, and learns nothing else for it.
    const other = new KnownDirectory(directory);
    expect(other.list().map(({ address }) => address)).to.deep.equal(['Mr.%41@example.com', WILMA]);
    writeFileSync(join(directory, `${BARNEY}.crt`), 'no certificate');
    expect(() => other.find(BARNEY))
      .to.throw(`${BARNEY}.crt`)
      .with.property('code', 'CONFIGURATION');
  });

  it('are limited for each domain, and in all', () => {
    const { certificate } = fred;
    for (let count = 0; count < KNOWN_LIMITS.perDomain; count += 1) {
      writeFileSync(join(directory, `dino${count}@rubble.com.crt`), certificate);
    }
    expect(thought(stranger(BARNEY), BARNEY).reason).to.equal('untrusted');
    expect(thought(fred).trust, 'another domain').to.equal('first use');
  });
});
