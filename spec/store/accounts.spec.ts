import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { parseAddress } from '../../lib/imxp/address.js';
import { makeVerifier, type Verifier } from '../../lib/sasl/verifier.js';
import { AccessEntries } from '../../lib/store/access.js';
import { Accounts } from '../../lib/store/accounts.js';
import { AttachmentNotes } from '../../lib/store/last-attached.js';
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

  it('finds an account by any spelling of its domain', async () => {
    const made = await verifier('fred@Example.COM');
    expect(await accounts.add(made)).to.equal(true);
    const stamp = '2001-02-03T04:05:06.000Z';
    const account = {
      address: 'fred@example.com',
      verifier: made,
      created: stamp,
      changed: stamp,
    };
    const { generation, ...found } = (await accounts.find('fred@EXAMPLE.com')) ?? {};
    expect(found).to.deep.equal(account);
    expect(generation).to.match(/^[\da-f-]{36}$/);
    expect(await accounts.find('Fred@example.com')).to.equal(undefined);
  });

  it('adds no account twice', async () => {
    const first = await verifier('fred@example.com');
    await accounts.add(first);
    expect(await accounts.add(await verifier('fred@example.com', 'other'))).to.equal(false);
    expect((await accounts.find('fred@example.com'))?.verifier).to.deep.equal(first);
  });

  it('changes the password of an existing account', async () => {
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

  it('finds verifiers by any name with which an account may log in', async () => {
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

  it('knows endpoints and their subaddresses, and takes no relay as one', async () => {
    await accounts.add(await verifier('fred@example.com'));
    await accounts.add(await verifier('imxp=mesh@rubble.com'));
    expect(await accounts.known('fred@Example.com')).to.equal(true);
    expect(await accounts.known('fred/appl=wb@example.com')).to.equal(true);
    expect(await accounts.known('barney@example.com')).to.equal(false);
    expect(await accounts.known('imxp=mesh@rubble.com')).to.equal(false);
  });

  it('takes a quoted address as the one that it means', async () => {
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

  describe('what an operator decides', () => {
    const names = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of store.list('')) found.push(key);
      return found;
    };

    beforeEach(async () => {
      await accounts.add(await verifier('fred@example.com'));
    });

    it('disables and enables, and records when and why', async () => {
      expect(accounts.suspended('fred@example.com')).to.equal(undefined);
      expect(await accounts.disable('fred@Example.com', 'left the quarry')).to.equal(true);
      const reason = 'fred@example.com is disabled since 2001-02-03T04:05:06.000Z: left the quarry';
      expect(accounts.suspended('fred@example.com')).to.equal(reason);
      expect(accounts.suspended('fred/appl=wb@example.com')).to.equal(reason);
      expect((await accounts.profile('fred@example.com'))?.state.disabled?.reason).to.equal('left the quarry');
      expect(await accounts.enable('fred@example.com')).to.equal(true);
      expect(accounts.suspended('fred@example.com')).to.equal(undefined);
      expect(await names()).to.deep.equal(['account/fred@example.com']);
      expect(await accounts.disable('barney@example.com')).to.equal(false);
      expect(accounts.suspended('x'.repeat(2000))).to.equal(undefined);
    });

    it('keeps verifier, creation and password', async () => {
      const before = await accounts.find('fred@example.com');
      await accounts.disable('fred@example.com');
      await accounts.limit('fred@example.com', { attachments: 2 });
      expect(await accounts.find('fred@example.com')).to.deep.equal(before);
    });

    it('sets and removes limits one at a time', async () => {
      await accounts.limit('fred@example.com', { attachments: 2, dataPerSecond: 5 });
      await accounts.limit('fred@example.com', { dataPerSecond: 0, heldOctets: 1000 });
      const { quota } = accounts.states.of('fred@example.com').state;
      expect(quota).to.deep.equal({ attachments: 2, dataPerSecond: 0, heldOctets: 1000 });
      const none = { attachments: undefined, dataPerSecond: undefined, heldOctets: undefined };
      await accounts.limit('fred@example.com', none);
      expect(accounts.states.of('fred@example.com').state).to.deep.equal({});
      expect(await names()).to.deep.equal(['account/fred@example.com']);
    });

    it('remembers that an account was removed, and nothing else of it', async () => {
      await accounts.disable('fred@example.com');
      await accounts.remove('fred@example.com');
      const { state } = accounts.states.of('fred@example.com');
      expect(state).to.deep.equal({ removed: '2001-02-03T04:05:06.000Z' });
      await accounts.add(await verifier('fred@example.com'));
      expect(accounts.suspended('fred@example.com')).to.equal(undefined);
    });

    it('changes its revision for decisions only', async () => {
      const before = accounts.states.revision;
      await accounts.change(await verifier('fred@example.com', 'other'));
      expect(accounts.states.revision).to.equal(before);
      await accounts.disable('fred@example.com');
      expect(accounts.states.revision).to.be.greaterThan(before);
    });

    it('counts', async () => {
      await accounts.disable('fred@example.com');
      await accounts.add(await verifier('imxp=mesh@rubble.com'));
      expect(await accounts.count()).to.equal(2);
    });
  });

  describe('several at once', () => {
    it('writes all of them or none, and names the account that prevents it', async () => {
      await accounts.add(await verifier('fred@example.com'));
      const records = [
        { verifier: await verifier('barney@example.com') },
        { verifier: await verifier('fred@example.com', 'other') },
      ];
      expect(await accounts.write(records)).to.deep.equal(['fred@example.com']);
      expect(await accounts.count()).to.equal(1);
      now = new Date('2002-01-01T00:00:00Z');
      expect(await accounts.write(records, true)).to.deep.equal([]);
      const fred = await accounts.find('fred@example.com');
      expect(fred?.verifier).to.deep.equal(records[1]?.verifier);
      expect(fred?.created).to.match(/^2001/);
      expect(fred?.changed).to.match(/^2002/);
    });

    it('keeps what belongs to an account when an update changes its time of creation', async () => {
      const fred = parseAddress('fred@example.com');
      const made = await verifier('fred@example.com');
      await accounts.add(made);
      const entries = new AccessEntries(store, []);
      const list = [{ actor: 'wilma@example.com', actions: ['core:data'] }];
      await entries.replace(fred, entries.of(fred), list, now.getTime());
      const before = await accounts.generation('fred@example.com');
      await accounts.write([{ verifier: made, created: '1999-01-01T00:00:00.000Z' }], true);
      expect((await accounts.find('fred@example.com'))?.created).to.match(/^1999/);
      expect(await accounts.generation('fred/x@example.com')).to.equal(before);
      expect(entries.of(fred).entries.map(({ actor }) => actor)).to.deep.equal(['wilma@example.com']);
      await accounts.remove('fred@example.com');
      await accounts.add(made);
      expect(await accounts.generation('fred@example.com'), 'another account').to.not.equal(before);
      expect(entries.of(fred).entries).to.deep.equal([]);
    });

    it('keeps what an account of an earlier version has, which had no generation but a date', async () => {
      const [fred, created] = [parseAddress('fred@example.com'), '2000-01-01T00:00:00.000Z'];
      const made = await verifier('fred@example.com');
      const digestMd5 = made.digestMd5.map(({ username, realm, hashes }) => ({ username, realm, hashes }));
      const value = { address: fred.key, verifier: { account: made.account, digestMd5 }, created, changed: created };
      await store.put(`account/${fred.key}`, value);
      await store.put(`access/${fred.key}`, {
        entries: [{ actor: 'x@y.z', actions: [] }],
        lastUpdate: 0,
        account: created,
      });
      const entries = new AccessEntries(store, []);
      const actors = (): string[] => entries.of(fred).entries.map(({ actor }) => actor);
      expect(actors()).to.deep.equal(['x@y.z']);
      await accounts.change(await verifier('fred@example.com', 'other'));
      await accounts.write([{ verifier: made, created: '1999-01-01T00:00:00.000Z' }], true);
      expect(actors()).to.deep.equal(['x@y.z']);
    });

    it('gives an account back as it was', async () => {
      const record = {
        verifier: await verifier('fred@example.com'),
        created: '1999-01-01T00:00:00.000Z',
        changed: '2000-01-01T00:00:00.000Z',
        disabled: { since: '2000-06-01T00:00:00.000Z', reason: 'on leave' },
        quota: { attachments: 3 },
        lastAttached: { at: '2000-05-31T00:00:00.000Z', from: '192.0.2.1' },
      };
      await accounts.write([record]);
      const { disabled, quota, ...rest } = record;
      const profile = { address: 'fred@example.com', ...rest, state: { disabled, quota } };
      const { generation: _, ...found } = (await accounts.profile('fred@example.com')) ?? {};
      expect(found).to.deep.equal(profile);
      await accounts.write([{ verifier: record.verifier, disabled: null }], true);
      expect((await accounts.profile('fred@example.com'))?.state).to.deep.equal({ quota });
    });
  });

  describe('times of attachment', () => {
    it('is written in batches, for accounts only, and forgotten with them', async () => {
      await accounts.add(await verifier('fred@example.com'));
      const notes = new AttachmentNotes(store, (account) => accounts.exists(account));
      notes.note('fred@example.com', '192.0.2.1', new Date('2001-01-01T00:00:00Z'));
      notes.note('fred@example.com', '192.0.2.2', now);
      notes.note('nobody@example.com', '192.0.2.3', now);
      expect((await accounts.profile('fred@example.com'))?.lastAttached).to.equal(undefined);
      await Promise.all([notes.write(), notes.write()]);
      const last = { at: now.toISOString(), from: '192.0.2.2' };
      expect((await accounts.profile('fred@example.com'))?.lastAttached).to.deep.equal(last);
      expect(await store.count('attached/')).to.equal(1);
      await accounts.remove('fred@example.com');
      expect(await store.count('attached/')).to.equal(0);
    });

    it('is kept for the next time when it cannot be written, unless there is something newer', async () => {
      await accounts.add(await verifier('fred@example.com'));
      const notes = new AttachmentNotes(store, (account) => accounts.exists(account));
      const { commit } = store;
      store.commit = () => Promise.reject(new LocalError('STORE_FAILED', 'the disk is full'));
      notes.note('fred@example.com', '192.0.2.1', now);
      const failure = await notes.write().catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(LocalError);
      store.commit = commit;
      await notes.write();
      expect((await accounts.profile('fred@example.com'))?.lastAttached?.from).to.equal('192.0.2.1');
    });
  });
});
