import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { identityOf, meshPeer } from '../../lib/mesh/identity.js';
import { decoyDigest, decoyScram } from '../../lib/sasl/decoy.js';
import type { Authentication } from '../../lib/sasl/mechanism.js';
import { accountNames, canonicalAccount, relayDomain, sameAccount } from '../../lib/sasl/name.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';

const authentication = (more: Partial<Authentication>): Authentication => ({
  username: 'fred',
  realm: 'example.com',
  authzid: undefined,
  account: undefined,
  mechanism: 'DIGEST-MD5',
  layer: undefined,
  ...more,
});

describe('the identity after authentication', () => {
  const proof = { mechanism: 'DIGEST-MD5', privacy: true };
  const endpoint = (address: string) => ({ kind: 'endpoint', address, proof });
  const relay = (...domains: string[]) => ({ kind: 'relay', domains, proof });

  const table: readonly [string, Partial<Authentication>, object][] = [
    ['user name and realm', {}, endpoint('fred@example.com')],
    ['a user name with domain', { username: 'fred@Rubble.com' }, endpoint('fred@rubble.com')],
    ['the account of the verifier', { account: 'fred@rubble.com' }, endpoint('fred@rubble.com')],
    [
      'the authzid, if sent, and whose proof it was',
      { account: 'fred@example.com', authzid: 'wilma@example.com' },
      { ...endpoint('wilma@example.com'), proof: { ...proof, account: 'fred@example.com' } },
    ],
    ['a relay', { username: 'imxp=mesh@rubble.com' }, relay('rubble.com')],
    ['a relay by account', { username: 'rubble.com', account: 'imxp=mesh@rubble.com' }, relay('rubble.com')],
    ['a relay by bare domain', { username: 'Rubble.com', realm: undefined }, relay('rubble.com')],
    ['a person whose name looks like a domain', { username: 'rubble.com' }, endpoint('rubble.com@example.com')],
    ['nobody', { username: 'anonymous', mechanism: 'ANONYMOUS' }, { kind: 'none' }],
  ];
  for (const [name, given, expected] of table) {
    it(`REQ-SASL-010 REQ-SASL-011 is ${name}`, () => {
      expect(identityOf(meshPeer(authentication(given), true))).to.deep.equal(expected);
    });
  }

  it('is empty when only a local part is known', () => {
    expect(identityOf(meshPeer(authentication({ username: 'fred flintstone', realm: '' }), true))).to.deep.equal({
      kind: 'none',
    });
  });
});

describe('names to log in with', () => {
  it('knows relays', () => {
    expect(relayDomain('imxp=mesh@Example.com')).to.equal('example.com');
    expect(relayDomain('IMXP=MESH@example.com')).to.equal('example.com');
    expect(relayDomain('apex=mesh@example.com')).to.equal('example.com');
    expect(sameAccount('apex=mesh@example.com', 'imxp=mesh@example.com')).to.equal(true);
    expect(relayDomain('example.com')).to.equal('example.com');
    for (const name of [
      'fred@example.com',
      'imxp=mesh@',
      'imxp=mesh@a..b',
      '-a.com',
      '',
      'imxp=report@example.com',
      'a b',
    ]) {
      expect(relayDomain(name), name).to.equal(undefined);
    }
  });

  it('has one spelling for each account', () => {
    expect(canonicalAccount('Fred@EXAMPLE.com')).to.equal('Fred@example.com');
    expect(canonicalAccount('Example.com')).to.equal('imxp=mesh@example.com');
    expect(sameAccount('example.com', 'imxp=mesh@EXAMPLE.com')).to.equal(true);
    expect(sameAccount('Fred@example.com', 'fred@example.com')).to.equal(false);
  });

  it('lists the accounts that a name may mean', () => {
    expect(accountNames('fred@Example.com', 'rubble.com')).to.deep.equal(['fred@example.com']);
    expect(accountNames('fred', 'example.com')).to.deep.equal(['fred@example.com', 'imxp=mesh@fred']);
    expect(accountNames('rubble.com', 'example.com')).to.deep.equal(['rubble.com@example.com', 'imxp=mesh@rubble.com']);
    expect(accountNames('fr ed', undefined)).to.deep.equal([]);
    expect(accountNames('fr ed', 'Bedrock Realm', ['example.com'])).to.deep.equal(['fr ed@example.com']);
    expect(accountNames('fr ed', 'rubble.com', ['example.com', 'rubble.com'])).to.deep.equal(['fr ed@rubble.com']);
  });
});

describe('verifiers', () => {
  it('REQ-SASL-034 contain no password, and survive JSON', async () => {
    const verifier = await makeVerifier('fred@Example.com', 'yabba-42', {
      realms: ['example.com'],
      scramIterations: 4096,
    });
    const json = JSON.stringify(verifier);
    expect(JSON.parse(json)).to.deep.equal(verifier);
    expect(json).to.not.include('yabba');
    expect(json).to.not.include(Buffer.from('yabba-42').toString('base64').slice(0, 8));
    expect(verifier.account).to.equal('fred@example.com');
  });

  it('serve every form of a name in the realms of the node', async () => {
    const forms = async (account: string, more = {}) => {
      const options = { realms: ['example.com', 'rubble.com'], scramIterations: 4096, ...more };
      return (await makeVerifier(account, 'x', options)).digestMd5.map(({ username, realm }) => `${username} ${realm}`);
    };
    expect(await forms('fred@example.com')).to.have.members([
      'fred@example.com example.com',
      'fred@example.com rubble.com',
      'fred example.com',
    ]);
    expect(await forms('imxp=mesh@slate.com', { realms: ['example.com'] })).to.have.members([
      'imxp=mesh@slate.com example.com',
      'imxp=mesh@slate.com slate.com',
      'apex=mesh@slate.com example.com',
      'apex=mesh@slate.com slate.com',
      'slate.com example.com',
      'slate.com slate.com',
    ]);
    expect(await forms('fred@example.com', { realms: ['Bedrock'], sharedRealm: 'Bedrock' })).to.include('fred Bedrock');
    expect(await forms('fred@example.com', { realms: [] })).to.include('fred@example.com ');
  });

  it('have their own salts, and enough iterations', async () => {
    const options = { realms: [], scramIterations: 4096 };
    const [one, two] = [await makeVerifier('a@b', 'x', options), await makeVerifier('a@b', 'x', options)];
    expect(one.scramSha256?.salt).to.not.equal(two.scramSha256?.salt);
    const few = await makeVerifier('a@b', 'x', { realms: [], scramIterations: 4095 }).catch((error: unknown) => error);
    expect(few).to.be.instanceOf(LocalError);
  });

  it('cannot be made of an empty password or control characters', async () => {
    for (const password of ['', 'a\0b', '\x07']) {
      const error = await makeVerifier('a@b', password, { realms: [] }).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(LocalError);
    }
  });

  it('have decoys that depend only on the secret and the name', () => {
    const [secret, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    expect(decoyScram(secret, 'fred')).to.deep.equal(decoyScram(secret, 'fred'));
    expect(decoyScram(secret, 'fred').salt).to.not.equal(decoyScram(secret, 'wilma').salt);
    expect(decoyScram(secret, 'fred').salt).to.not.equal(decoyScram(other, 'fred').salt);
    expect(decoyDigest(secret, 'fred')).to.match(/^[0-9a-f]{32}$/);
    expect(Buffer.from(decoyScram(secret, 'fred').salt, 'base64')).to.have.length(16);
  });
});
