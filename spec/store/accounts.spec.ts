import { expect } from 'chai';
import { makeVerifier, type Verifier } from '../../lib/sasl/verifier.js';
import { Accounts } from '../../lib/store/accounts.js';
import { MemoryStore } from '../../lib/store/memory.js';

function verifier(account: string, password = 'yabba-dabba'): Promise<Verifier> {
  return makeVerifier(account, password, {
    realms: ['example.com'],
    scramIterations: 4096,
  });
}

describe('store/accounts', () => {
  let store: MemoryStore;
  let accounts: Accounts;
  let now: Date;

  beforeEach(() => {
    store = new MemoryStore();
    now = new Date('2001-02-03T04:05:06Z');
    accounts = new Accounts(store, { now: () => now, domains: ['example.com'] });
  });

  it('finds an account however its domain is written', async () => {
    const made = await verifier('fred@Example.COM');
    expect(await accounts.add(made)).to.equal(true);
    const stamp = '2001-02-03T04:05:06.000Z';
    const account = {
      address: 'fred@example.com',
      verifier: made,
      created: stamp,
      changed: stamp,
    };
    expect(await accounts.find('fred@EXAMPLE.com')).to.deep.equal(account);
    expect(await accounts.find('Fred@example.com')).to.equal(undefined);
  });

  it('adds no account twice', async () => {
    const first = await verifier('fred@example.com');
    await accounts.add(first);
    expect(await accounts.add(await verifier('fred@example.com', 'other'))).to.equal(false);
    expect((await accounts.find('fred@example.com'))?.verifier).to.deep.equal(first);
  });

  it('changes the password of an account that exists', async () => {
    const changed = await verifier('fred@example.com', 'other');
    expect(await accounts.change(changed)).to.equal(false);
    await accounts.add(await verifier('fred@example.com'));
    now = new Date('2002-01-01T00:00:00Z');
    expect(await accounts.change(changed)).to.equal(true);
    const account = await accounts.find('fred@example.com');
    expect(account?.verifier).to.deep.equal(changed);
    expect(account?.created).to.match(/^2001/);
    expect(account?.changed).to.match(/^2002/);
  });

  it('removes and lists', async () => {
    for (const name of ['wilma@example.com', 'fred@example.com', 'imxp=mesh@rubble.com']) {
      await accounts.add(await verifier(name));
    }
    expect(await accounts.remove('wilma@EXAMPLE.com')).to.equal(true);
    expect(await accounts.remove('wilma@example.com')).to.equal(false);
    const names: string[] = [];
    for await (const { address } of accounts.list()) names.push(address);
    expect(names).to.deep.equal(['fred@example.com', 'imxp=mesh@rubble.com']);
  });

  it('looks verifiers up by any name an account may log in with', async () => {
    await accounts.add(await verifier('fred@example.com'));
    await accounts.add(await verifier('imxp=mesh@rubble.com'));
    const found = async (name: string, realm?: string): Promise<string | undefined> =>
      (await accounts.lookup(name, realm))?.account;
    expect(await found('fred', 'example.com')).to.equal('fred@example.com');
    expect(await found('fred@example.com')).to.equal('fred@example.com');
    expect(await found('rubble.com', 'example.com')).to.equal('imxp=mesh@rubble.com');
    expect(await found('IMXP=mesh@Rubble.com', 'example.com')).to.equal('imxp=mesh@rubble.com');
    expect(await found('fred', 'rubble.com')).to.equal(undefined);
    // SCRAM and PLAIN have no realm: the first domain of the node stands for it.
    expect(await found('fred')).to.equal('fred@example.com');
    expect(await found('barney')).to.equal(undefined);
  });

  it('knows endpoints and the subaddresses of endpoints, and takes no relay for one', async () => {
    await accounts.add(await verifier('fred@example.com'));
    await accounts.add(await verifier('imxp=mesh@rubble.com'));
    expect(await accounts.known('fred@Example.com')).to.equal(true);
    expect(await accounts.known('fred/appl=wb@example.com')).to.equal(true);
    expect(await accounts.known('barney@example.com')).to.equal(false);
    expect(await accounts.known('imxp=mesh@rubble.com')).to.equal(false);
  });

  it('takes a quoted address for the one it means', async () => {
    await accounts.add(await verifier('fred@example.com'));
    expect(await accounts.known('"fred"@example.com')).to.equal(true);
    expect((await accounts.find('"fred"@example.com'))?.address).to.equal('fred@example.com');
    expect((await accounts.lookup('"fred"@example.com', undefined))?.account).to.equal('fred@example.com');
  });

  it('knows nobody by a name that no account can have', async () => {
    for (const name of ['', 'a\0b@example.com', `${'x'.repeat(2000)}@example.com`]) {
      expect(await accounts.known(name)).to.equal(false);
      expect(await accounts.lookup(name, 'example.com')).to.equal(undefined);
    }
  });

  it('never stores a password', async () => {
    await accounts.add(await verifier('fred@example.com', 'yabba-dabba'));
    const entries: string[] = [];
    for await (const entry of store.list('')) entries.push(JSON.stringify(entry));
    expect(entries).to.have.length(1);
    expect(entries.join()).to.not.include('yabba-dabba');
  });
});
