import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { isScram, readDigest, readScram, writeDigest, writeScram } from '../../lib/sasl/verifier-text.js';

const SALT = Buffer.alloc(16, 1).toString('base64');
const KEY = Buffer.alloc(32, 2).toString('base64');
const SECRET = { salt: SALT, iterations: 10_000, storedKey: KEY, serverKey: KEY };

function reasonOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof LocalError) return error.message;
    throw error;
  }
  return 'none';
}

describe('verifiers as other programs write them', () => {
  it('reads what htdigest writes', () => {
    // htdigest -c FILE example.com fred, with the password yabba-dabba
    const line = 'fred:example.com:1D0E8C7A2BB0F2B2F5D1E8C0A4B6D2F1';
    expect(readDigest(line)).to.deep.equal({
      username: 'fred',
      realm: 'example.com',
      hashes: ['1d0e8c7a2bb0f2b2f5d1e8c0a4b6d2f1'],
    });
  });

  it('reads SCRAM-SHA-256 in the forms of RFC 5803, of modular crypt and of Dovecot', () => {
    for (const text of [
      `SCRAM-SHA-256$10000:${SALT}$${KEY}:${KEY}`,
      `$scram-sha-256$10000$${SALT}$${KEY}$${KEY}`,
      `{SCRAM-SHA-256}10000,${SALT},${KEY},${KEY}`,
    ]) {
      expect(isScram(text), text).to.equal(true);
      expect(readScram(text), text).to.deep.equal(SECRET);
    }
    expect(isScram('scramble')).to.equal(false);
  });

  it('reads what it writes', async () => {
    const { digestMd5, scramSha256 } = await makeVerifier('fred@example.com', 'yabba', {
      realms: ['example.com'],
      scramIterations: 4096,
    });
    expect(digestMd5.flatMap(writeDigest).map(readDigest)).to.deep.equal(digestMd5);
    expect(scramSha256 === undefined ? undefined : readScram(writeScram(scramSha256))).to.deep.equal(scramSha256);
  });

  for (const [text, reason] of [
    [`SCRAM-SHA-1$4096:${SALT}$${KEY}:${KEY}`, 'is one of SCRAM-SHA-1; only SCRAM-SHA-256 is accepted'],
    [`$scram-sha-512$4096$${SALT}$${KEY}$${KEY}`, 'is one of SCRAM-SHA-512; only SCRAM-SHA-256 is accepted'],
    [`SCRAM-SHA-256$100:${SALT}$${KEY}:${KEY}`, 'must have 4096 to 1000000 iterations'],
    [`SCRAM-SHA-256$9999999:${SALT}$${KEY}:${KEY}`, 'must have 4096 to 1000000 iterations'],
    [`SCRAM-SHA-256$4096:${SALT}$${KEY}`, 'must have four parts'],
    [`SCRAM-SHA-256$4096:$${KEY}:${KEY}`, 'has no salt'],
    [`SCRAM-SHA-256$4096:${SALT}$AAAA:${KEY}`, 'has a stored key that is not 32 octets'],
    [`SCRAM-SHA-256$4096:${SALT}$${KEY}:?`, 'has a server key that is not base64'],
  ] as const) {
    it(`refuses ${text.slice(0, 22)}…: ${reason}, without repeating it`, () => {
      const said = reasonOf(() => readScram(text));
      expect(said).to.include(reason).and.not.include(KEY);
    });
  }

  it('refuses lines that are not of htdigest', () => {
    for (const text of [
      '',
      'fred',
      'fred:example.com',
      ':example.com:00',
      'a:b:c:d',
      `fred:example.com:${'g'.repeat(32)}`,
    ]) {
      expect(
        reasonOf(() => readDigest(text)),
        text,
      ).to.include('the verifier ');
    }
  });
});
