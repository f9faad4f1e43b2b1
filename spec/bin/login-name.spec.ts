import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { lonely, type NodeProcess, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const PASSWORD = 'yabba dabba doo';

describe('--login-name', function () {
  this.timeout(180_000);
  this.slow(20_000);
  let workshop: Workshop;
  let node: NodeProcess;

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.node('mesh', lonely({ sasl: { mechanisms: ['DIGEST-MD5'] } }));
    await workshop.file('secrets/fred', `${PASSWORD}\n`);
  });

  after(() => workshop.close());

  it('logs in to an account whose verifier was made for another name, of which the import warns', async () => {
    const digest = (name: string): string => createHash('md5').update(`${name}:example.com:${PASSWORD}`).digest('hex');
    const lines = ['fred', WILMA].map((name) => `${name}:example.com:${digest(name)}\n`);
    await workshop.file('.htdigest', lines.join(''));
    const imported = await workshop.run(['account', 'import', '.htdigest', '--config', node.config]);
    expect([imported.code, imported.stdout.toString()]).to.deep.equal([0, '2 added, 0 updated\n']);
    expect(imported.stderr.toString()).to.equal(
      'warning: the verifier of fred@example.com is for the name fred: programs log in with the whole address unless they are told the name (--login-name fred, loginName)\n',
    );
    await node.start();
    const ways = ['--relay', `tcp://127.0.0.1:${node.port}`, '--tls', 'off', '--password-file', 'secrets/fred'];
    const ping = (...words: string[]) => workshop.run(['ping', FRED, '--count', '1', ...words], { deadlineMs: 60_000 });
    const without = await ping('--from', FRED, ...ways);
    expect(without.code).to.equal(77);
    // Nobody is attached as fred: the relay has let him in, and says so.
    const named = await ping('--from', FRED, '--login-name', 'fred', ...ways);
    expect([named.code, named.stdout.toString()]).to.satisfy(([code, text]: [number, string]) => {
      return code === 1 && text.startsWith('fred@example.com: 450 ');
    });
    const login = await workshop.run(['login', FRED, '--login-name', 'fred', ...ways], { deadlineMs: 60_000 });
    expect([login.code, login.stderr.toString()]).to.deep.equal([0, '']);
    const after = await ping();
    expect(after.stdout.toString()).to.match(/^fred@example\.com: 450 /);
  });
});
