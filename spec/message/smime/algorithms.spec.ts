import { constants, generateKeyPairSync, sign } from 'node:crypto';
import { expect } from 'chai';
import { AlgorithmIdentifier, RSASSAPSSParams } from 'pkijs';
import { algorithmOf, verified } from '../../../lib/message/smime/algorithms.js';
import { OID } from '../../../lib/message/smime/asn1.js';
import { runNow } from '../../../lib/message/smime/work.js';

const SIGNED = Buffer.from('Bowling tonight?');
const SALT_OCTETS = 32;

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
// Node's minimum for the salt is the length of the digest.
const pss = generateKeyPairSync('rsa-pss', {
  modulusLength: 2048,
  hashAlgorithm: 'sha256',
  mgf1HashAlgorithm: 'sha256',
});
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const dsa = generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 });
const ed25519 = generateKeyPairSync('ed25519');

const inPss = (saltLength: number) => ({ padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
const pssAlgorithm = (saltLength: number): AlgorithmIdentifier => {
  const params = new RSASSAPSSParams({ hashAlgorithm: algorithmOf(OID.SHA256), saltLength });
  return new AlgorithmIdentifier({ algorithmId: OID.RSA_PSS, algorithmParams: params.toSchema() });
};
const named = (algorithmId: string): AlgorithmIdentifier => new AlgorithmIdentifier({ algorithmId });

/** What each key signs in its own way. */
const SIGNERS = [
  { name: 'RSA', ...rsa, signature: sign('sha256', SIGNED, rsa.privateKey) },
  { name: 'RSA-PSS', ...rsa, signature: sign('sha256', SIGNED, { key: rsa.privateKey, ...inPss(SALT_OCTETS) }) },
  { name: 'PSS alone', ...pss, signature: sign('sha256', SIGNED, { key: pss.privateKey, ...inPss(SALT_OCTETS) }) },
  { name: 'ECDSA', ...ec, signature: sign('sha256', SIGNED, ec.privateKey) },
  { name: 'DSA', ...dsa, signature: sign('sha256', SIGNED, dsa.privateKey) },
  { name: 'Ed25519', ...ed25519, signature: sign(null, SIGNED, ed25519.privateKey) },
] as const;

const ALGORITHMS = [
  { algorithm: named(OID.RSA), fits: ['RSA'] },
  { algorithm: named('1.2.840.113549.1.1.11'), fits: ['RSA'] },
  { algorithm: pssAlgorithm(SALT_OCTETS), fits: ['RSA-PSS', 'PSS alone'] },
  { algorithm: named('1.2.840.10045.4.3.2'), fits: ['ECDSA'] },
  { algorithm: named('2.16.840.1.101.3.4.3.2'), fits: ['DSA'] },
  { algorithm: named('1.3.101.112'), fits: ['Ed25519'] },
] as const;

describe('S/MIME signature algorithms', () => {
  for (const { algorithm, fits } of ALGORITHMS) {
    it(`${algorithm.algorithmId} verifies the signatures of ${fits.join(' and ')}, and of no other kind of key`, () => {
      const good = SIGNERS.filter(({ publicKey, signature }) =>
        ['good', 'outdated'].includes(runNow(verified(algorithm, 'sha256', publicKey, SIGNED, signature))),
      );
      expect(good.map(({ name }) => name)).to.deep.equal(fits);
    });
  }

  it('RSASSA-PSS does not verify a signature whose salt has another length than its parameters say', () => {
    const { publicKey, signature } = SIGNERS[1];
    // -2 means any length to OpenSSL.
    for (const length of [-2, -1, 20, 2 ** 31]) {
      expect(['wrong', 'unsupported']).to.include(
        runNow(verified(pssAlgorithm(length), 'sha256', publicKey, SIGNED, signature)),
        String(length),
      );
    }
  });

  it('an RSASSA-PSS key that allows one digest and salt refuses others without an exception', () => {
    const { publicKey, signature } = SIGNERS[2];
    expect(runNow(verified(pssAlgorithm(20), 'sha256', publicKey, SIGNED, signature))).to.equal('wrong');
  });
});
