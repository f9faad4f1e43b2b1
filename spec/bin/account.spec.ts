import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { Accounts as AccountsType } from '../../lib/store/accounts.js';
import { Accounts } from '../../lib/store/accounts.js';
import { openLmdb } from '../../lib/store/lmdb.js';
import { type CliOptions, type CliResult, imxp } from '../support/cli.js';
import { temporaryDirectory } from '../support/temporary.js';

const CONFIG = {
  domains: ['example.com', 'quarry.example'],
  listen: [{ port: 10_913 }],
  // Certificates may be made after the accounts.
  tls: { certificate: 'certs/none.crt', key: 'certs/none.key' },
  store: { type: 'lmdb', path: 'var/example.com' },
};

describe('imxp account', function () {
  this.timeout(180_000);
  const path = temporaryDirectory();

  beforeEach(async () => {
    await writeFile(path('mesh.json'), JSON.stringify(CONFIG));
    await writeFile(path('password'), 'yabba-dabba\nsecond line\n', { mode: 0o600 });
  });

  function account(args: string[], options: Partial<CliOptions> = {}): Promise<CliResult> {
    return imxp(['account', ...args, '--config', 'mesh.json'], { cwd: path(), ...options });
  }

  async function stored<T>(action: (accounts: AccountsType) => Promise<T>): Promise<T> {
    const store = await openLmdb(path('var/example.com'));
    try {
      return await action(new Accounts(store));
    } finally {
      await store.close();
    }
  }

  it('adds an account with the password of a file, and keeps verifiers only', async () => {
    const added = await account(['add', 'fred@Example.com', '--password-file', 'password']);
    expect(added).to.deep.equal({ code: 0, stdout: 'fred@example.com: added\n', stderr: '' });
    const verifier = await stored((accounts) => accounts.lookup('fred', 'example.com'));
    expect(verifier?.account).to.equal('fred@example.com');
    const realms = verifier?.digestMd5.map(({ username, realm }) => `${username} ${realm}`);
    expect(realms).to.include.members(['fred example.com', 'fred@example.com quarry.example']);
    expect((await stat(path('var/example.com'))).mode & 0o777).to.equal(0o700);
    for (const file of await readdir(path('var/example.com'))) {
      const octets = await readFile(path('var/example.com', file));
      expect(octets.includes('yabba-dabba'), file).to.equal(false);
    }
  });

  it('takes the password from the environment, and changes it', async () => {
    await account(['add', 'fred@example.com'], { env: { IMXP_PASSWORD: 'one' } });
    const before = await stored((accounts) => accounts.find('fred@example.com'));
    const changed = await account(['passwd', 'fred@example.com'], { env: { IMXP_PASSWORD: 'two' } });
    expect(changed).to.deep.equal({ code: 0, stdout: 'fred@example.com: password changed\n', stderr: '' });
    const after = await stored((accounts) => accounts.find('fred@example.com'));
    expect(after?.created).to.equal(before?.created);
    expect(after?.verifier.digestMd5).to.not.deep.equal(before?.verifier.digestMd5);
  });

  it('prompts for a password on a terminal only', async () => {
    const { code, stderr } = await account(['add', 'fred@example.com'], { input: 'yabba\n' });
    expect(stderr).to.include('use --password-file FILE or IMXP_PASSWORD');
    expect(code).to.equal(64);
  });

  it('adds neighbour relays of other domains, by either name', async () => {
    const { stdout } = await account(['add', 'Rubble.com', '--password-file', 'password', '--json']);
    expect(JSON.parse(stdout)).to.deep.equal({ account: 'imxp=mesh@rubble.com', action: 'added' });
  });

  it('lists and removes', async () => {
    for (const name of ['wilma@quarry.example', 'fred@example.com', 'imxp=mesh@rubble.com']) {
      await account(['add', name, '--password-file', 'password']);
    }
    expect((await account(['remove', 'wilma@quarry.example'])).stdout).to.equal('wilma@quarry.example: removed\n');
    const { stdout } = await account(['list', '--json']);
    const listed: { account: string; kind: string }[] = JSON.parse(stdout);
    expect(listed.map(({ account: name, kind }) => [name, kind])).to.deep.equal([
      ['fred@example.com', 'endpoint'],
      ['imxp=mesh@rubble.com', 'relay'],
    ]);
    const [header, first] = (await account(['list'])).stdout.split('\n');
    expect(header).to.match(/^ACCOUNT +KIND +STATE +CREATED +PASSWORD OF +LAST ATTACHED +QUOTA$/);
    expect(first).to.match(/^fred@example\.com +endpoint +active +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d +never$/);
  });

  it('takes the password from standard input, and not from two sources', async () => {
    const added = await account(['add', 'fred@example.com', '--password-stdin'], { input: 'yabba\r\nmore\n' });
    expect(added).to.deep.equal({ code: 0, stdout: 'fred@example.com: added\n', stderr: '' });
    const kept = await stored((accounts) => accounts.find('fred@example.com'));
    await account(['passwd', 'fred@example.com', '--password-file', 'password']);
    const changed = await stored((accounts) => accounts.find('fred@example.com'));
    expect(changed?.verifier.digestMd5).to.not.deep.equal(kept?.verifier.digestMd5);
    const both = await account(['add', 'b@example.com', '--password-stdin', '--password-file', 'password']);
    const none = await account(['add', 'b@example.com', '--password-stdin'], { input: '\n' });
    expect(none.stderr).to.include('the first line of standard input is empty');
    expect([both.code, none.code]).to.deep.equal([64, 64]);
  });

  it('disables with a reason, shows it, and enables again', async () => {
    await account(['add', 'fred@example.com', '--password-file', 'password']);
    const disabled = await account(['disable', 'fred@example.com', '--reason', 'left the quarry']);
    expect(disabled).to.deep.equal({ code: 0, stdout: 'fred@example.com: disabled\n', stderr: '' });
    const [one] = JSON.parse((await account(['list', '--state', 'disabled', '--json'])).stdout);
    expect(one).to.deep.include({ account: 'fred@example.com', state: 'disabled', quota: {}, lastAttached: null });
    expect(one.disabled.reason).to.equal('left the quarry');
    const shown = await account(['show', 'fred@example.com']);
    expect(shown.stdout)
      .to.match(/^state +disabled\ndisabled +\S+ \S+, left the quarry$/m)
      .and.match(/^logs in by +DIGEST-MD5 in example\.com, quarry\.example; SCRAM-SHA-256/m)
      .and.not.match(/[0-9a-f]{32}/);
    expect((await account(['enable', 'fred@example.com'])).stdout).to.equal('fred@example.com: enabled\n');
    expect(JSON.parse((await account(['show', 'fred@example.com', '--json'])).stdout).state).to.equal('active');
    expect((await account(['disable', 'wilma@example.com'])).code).to.equal(1);
  });

  it('limits an account, and shows each limit with its source', async () => {
    await account(['add', 'fred@example.com', '--password-file', 'password']);
    const limited = await account(['quota', 'fred@example.com', '--data-per-second', '5', '--held-data', '0']);
    expect(limited.stdout)
      .to.match(/^ +dataPerSecond +5 +of this account$/m)
      .and.match(/^ +attachments +\d+ +limits\.attachment\.perAccount$/m);
    const back = await account(['quota', 'fred@example.com', '--data-per-second', 'default', '--json']);
    expect(JSON.parse(back.stdout)).to.deep.equal({ account: 'fred@example.com', quota: { heldData: 0 } });
    expect((await account(['quota', 'fred@example.com', '--attachments', '-1'])).code).to.equal(64);
    expect((await account(['quota', 'wilma@example.com'])).code).to.equal(1);
  });

  it('works while a relay has the store open', async () => {
    await stored(async (accounts) => {
      expect(await accounts.known('fred@example.com')).to.equal(false);
      await account(['add', 'fred@example.com', '--password-file', 'password']);
      expect(await accounts.known('fred@example.com')).to.equal(true);
    });
  });

  it('refuses to add an account twice, and to change or remove an unknown one', async () => {
    await account(['add', 'fred@example.com', '--password-file', 'password']);
    const again = await account(['add', 'fred@example.com', '--password-file', 'password']);
    expect(again.stderr).to.include('already has an account; imxp account passwd changes its password');
    const missing = await account(['passwd', 'wilma@example.com', '--password-file', 'password']);
    expect(missing.stderr).to.include('wilma@example.com has no account');
    const removed = await account(['remove', 'wilma@example.com']);
    expect([again.code, missing.code, removed.code]).to.deep.equal([1, 1, 1]);
  });

  for (const [address, reason] of [
    ['fred', 'is not an address; write for instance fred@example.com'],
    [
      'barney@rubble.com',
      'is not in a domain served here (example.com, quarry.example); a neighbour relay is imxp=mesh@rubble.com',
    ],
    ['imxp=report@example.com', 'names a service'],
    ['fr ed@example.com', 'not an address: '],
  ] as const) {
    it(`refuses ${address}`, async () => {
      const { code, stderr } = await account(['add', address, '--password-file', 'password']);
      expect(stderr).to.include(reason);
      expect(code).to.equal(64);
    });
  }

  it('exits 78 for an unusable configuration or password file', async () => {
    const file = await account(['add', 'fred@example.com', '--password-file', 'none']);
    expect(file.stderr).to.include('password file none: no such file');
    await writeFile(path('mesh.json'), JSON.stringify({ ...CONFIG, store: { type: 'memory' } }));
    const memory = await account(['list']);
    expect(memory.stderr).to.include('store.type is "memory"');
    await writeFile(path('mesh.json'), '{}');
    const broken = await account(['list']);
    expect(broken.stderr).to.include('mesh.json:1:1 domains: is missing');
    expect([file.code, memory.code, broken.code]).to.deep.equal([78, 78, 78]);
  });

  it('exits 78 and names the place when the store is open to everybody, or cannot be created', async () => {
    await mkdir(path('var/example.com'), { recursive: true });
    await chmod(path('var/example.com'), 0o755);
    const open = await account(['list']);
    expect(open.stderr).to.match(/mesh\.json:1:\d+ store\.path: .*chmod 700/);
    await writeFile(path('file'), '');
    await writeFile(path('mesh.json'), JSON.stringify({ ...CONFIG, store: { type: 'lmdb', path: 'file/store' } }));
    const impossible = await account(['list']);
    expect(impossible.stderr).to.match(/mesh\.json:1:\d+ store\.path: .*not a directory/);
    expect([open.code, impossible.code]).to.deep.equal([78, 78]);
  });

  it('exits 69 for a damaged store', async () => {
    await mkdir(path('var/example.com'), { recursive: true, mode: 0o700 });
    await writeFile(path('var/example.com/data.mdb'), 'rubble'.repeat(10_000));
    const { code, stderr } = await account(['list']);
    expect(stderr).to.include('data.mdb is damaged: it does not begin like a database');
    expect(code).to.equal(69);
  });
});
