import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { Accounts } from '../../../lib/store/accounts.js';
import { openLmdb } from '../../../lib/store/lmdb.js';
import { type CliResult, imxp } from '../../support/cli.js';
import { temporaryDirectory } from '../../support/temporary.js';

const CONFIG = {
  domains: ['example.com'],
  listen: [{ port: 10_913 }],
  sasl: { mechanisms: ['DIGEST-MD5'] },
  store: { type: 'lmdb', path: 'var' },
};
const KEY = Buffer.alloc(32, 2).toString('base64');
const SCRAM = `SCRAM-SHA-256$4096:c2FsdA==$${KEY}:${KEY}`;
const digest = (name: string, password: string): string => {
  const text = `${name}:example.com:`;
  return text + createHash('md5').update(`${text}${password}`).digest('hex');
};

describe('imxp account import and export', function () {
  this.timeout(180_000);
  this.slow(10_000);
  const path = temporaryDirectory();

  beforeEach(() => writeFile(path('mesh.json'), JSON.stringify(CONFIG)));

  function account(args: string[], input = ''): Promise<CliResult> {
    return imxp(['account', ...args, '--config', 'mesh.json'], { cwd: path(), input });
  }

  async function stored<T>(action: (accounts: Accounts) => Promise<T>): Promise<T> {
    const store = await openLmdb(path('var'));
    try {
      return await action(new Accounts(store));
    } finally {
      await store.close();
    }
  }

  it('reports everything that is wrong before it writes anything', async () => {
    await stored((accounts) => accounts.write([{ verifier: { account: 'fred@example.com', digestMd5: [] } }]));
    const lines = [
      'address,verifier',
      'barney@example.com,fine',
      'fred@example.com,there already',
      'barney@rubble.com,elsewhere',
      'barney@example.com,twice',
      'fr ed@example.com,no address',
      'fred/appl=x@example.com,a subaddress',
      'wilma@example.com,"bell\u0007"',
      `betty@example.com,${digest('wilma', 'x')}`,
      `dino@example.com,${digest('dino', 'x').replace('example.com', 'other')}`,
    ];
    await writeFile(path('people.csv'), lines.join('\n'));
    const { code, stdout, stderr } = await account(['import', 'people.csv']);
    expect(stderr.split('\n').filter(Boolean)).to.have.length(8);
    for (const [line, words] of [
      [4, 'is not in a domain served here'],
      [5, 'barney@example.com is on line 2 already'],
      [6, 'not an address'],
      [7, 'is a subaddress; the account is that of fred@example.com'],
      [8, 'has a password with control characters'],
      [9, 'which is not betty@example.com'],
      [10, 'for the realm "other", which is not used here'],
    ] as const) {
      expect(stderr).to.match(new RegExp(`people\\.csv:${line}: .*${words.replace(/[.;"]/g, '\\$&')}`));
    }
    expect(stderr).to.include('7 problems; nothing was written');
    expect(stdout).to.equal('');
    expect(code).to.equal(1);
    const told = JSON.parse((await account(['import', 'people.csv', '--json'])).stdout);
    expect(told).to.include({ failed: true, exitCode: 1 });
    expect(told.problems.map(({ line }: { line: number }) => line)).to.deep.equal([4, 5, 6, 7, 8, 9, 10]);
    expect(await stored((accounts) => accounts.count())).to.equal(1);
  });

  it('imports passwords and verifiers, changes nothing in a dry run, and updates where asked', async () => {
    const people = `fred@example.com,${digest('fred', 'yabba')}\nimxp=mesh@rubble.com,quarry\n`;
    const dry = await account(['import', '-', '--dry-run'], people);
    expect(dry).to.include({ code: 0, stdout: 'would add 2 and update 0; nothing was written\n' });
    expect(await stored((accounts) => accounts.count())).to.equal(0);
    const real = await account(['import', '-', '--json'], people);
    expect(JSON.parse(real.stdout)).to.deep.equal({ added: 2, updated: 0, existing: 0, dryRun: false });
    const fred = await stored((accounts) => accounts.lookup('fred', 'example.com'));
    expect(fred?.digestMd5.map(({ hashes }) => hashes)).to.deep.equal([[digest('fred', 'yabba').split(':')[2]]]);
    const again = await account(['import', '-'], people);
    expect(again).to.include({ code: 0, stdout: '0 added, 0 updated; 2 existed already (--update changes them)\n' });
    const updated = await account(['import', '-', '--update'], `fred@example.com,"${SCRAM}"\n`);
    expect(updated.stdout).to.equal('0 added, 1 updated\n');
    expect(updated.stderr).to.include('nobody can log in as fred@example.com').and.include('has no SCRAM-SHA-256');
  });

  it('goes on where an import was interrupted, and leaves what exists as it is', async () => {
    const lines = Array.from({ length: 1000 }, (_, at) => digest(`user${at}`, 'yabba'));
    await writeFile(path('.htdigest'), lines.join('\n'));
    await stored((accounts) =>
      accounts.write(
        Array.from({ length: 450 }, (_, at) => ({ verifier: { account: `user${at}@example.com`, digestMd5: [] } })),
      ),
    );
    const { code, stdout } = await account(['import', '.htdigest', '--json']);
    expect(JSON.parse(stdout)).to.deep.equal({ added: 550, updated: 0, existing: 450, dryRun: false });
    expect(code).to.equal(0);
    const [old, added] = await stored(async (accounts) => [
      await accounts.find('user449@example.com'),
      await accounts.find('user450@example.com'),
    ]);
    expect(old?.verifier.digestMd5).to.deep.equal([]);
    expect(added?.verifier.digestMd5).to.have.length(1);
    const updated = await account(['import', '.htdigest', '--update', '--json']);
    expect(JSON.parse(updated.stdout)).to.deep.equal({ added: 0, updated: 1000, existing: 0, dryRun: false });
  });

  it('shows a thousand problems of a file that is wrong throughout, and counts all of them', async () => {
    await writeFile(path('people.csv'), 'fred@other.example,x\n'.repeat(20_000));
    const { code, stderr } = await account(['import', 'people.csv']);
    expect(code).to.equal(1);
    expect(stderr).to.include('20000 problems (the first 1000 are shown); nothing was written');
    expect(stderr.split('\n').filter((line) => line.includes('people.csv:'))).to.have.length.within(1000, 1001);
  });

  it('says that a file is no text, wherever in it that shows', async () => {
    const good = Buffer.from(`${digest('fred', 'x')}\n`.repeat(3000));
    await writeFile(path('people.csv'), Buffer.concat([good, Buffer.from([0xff, 0xfe, 10])]));
    const { code, stderr } = await account(['import', 'people.csv']);
    expect([code, stderr]).to.deep.equal([1, 'error: people.csv: is not text in UTF-8; save it as UTF-8\n']);
  });

  it('exports accounts and imports them unchanged, in a file for the owner only', async () => {
    await writeFile(path('password'), 'yabba\n', { mode: 0o600 });
    await account(['add', 'fred@example.com', '--password-file', 'password']);
    await account(['disable', 'fred@example.com', '--reason', 'on leave']);
    await account(['quota', 'fred@example.com', '--attachments', '3']);
    const before = await stored((accounts) => accounts.profile('fred@example.com'));
    await writeFile(path('accounts.jsonl'), 'older', { mode: 0o644 });
    const written = await account(['export', 'accounts.jsonl', '--json']);
    expect(JSON.parse(written.stdout)).to.deep.equal({ file: 'accounts.jsonl', accounts: 1 });
    expect((await stat(path('accounts.jsonl'))).mode & 0o777).to.equal(0o600);
    const text = await readFile(path('accounts.jsonl'), 'utf8');
    expect(text).to.not.include('yabba');
    expect((await account(['export'])).stdout).to.equal(text);
    await account(['remove', 'fred@example.com']);
    expect((await account(['import', 'accounts.jsonl'])).code).to.equal(0);
    const after = await stored((accounts) => accounts.profile('fred@example.com'));
    // It was removed in between: what was kept for the former account does not belong to this one.
    expect(after?.generation).to.not.equal(before?.generation);
    const lasting = (profile: typeof before) => ({
      ...profile,
      generation: undefined,
      state: { ...profile?.state, removed: undefined },
    });
    expect(lasting(after)).to.deep.equal(lasting(before));
    expect(await readdir(path())).to.have.members(['accounts.jsonl', 'mesh.json', 'password', 'var']);
  });

  it('names the file that cannot be read or written', async () => {
    const missing = await account(['import', 'none.csv']);
    expect(missing.stderr).to.include('none.csv: no such file');
    const impossible = await account(['export', 'none/accounts.jsonl']);
    expect(impossible.stderr).to.include('none/accounts.jsonl: no such file');
    expect([missing.code, impossible.code]).to.deep.equal([1, 1]);
  });
});
