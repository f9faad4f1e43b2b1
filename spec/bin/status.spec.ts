import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { lonely, type NodeProcess, Workshop } from '../support/node-process.js';
import { RUN_PROGRAM } from '../support/program.js';

describe('imxp status and imxp top', function () {
  this.timeout(60_000);
  this.slow(5000);
  let workshop: Workshop;
  let node: NodeProcess;
  let url = '';

  const routes = [{ domain: 'rubble.com', relays: ['tcp://127.0.0.1:1'], tls: 'off' }];
  const mesh = { routes, dns: { enabled: false } };
  const config = (port: number, more: object = {}): object =>
    lonely({ store: { type: 'memory' }, mesh, admin: { port: 0 }, ...more })(port);

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.node('mesh', config);
    await node.start();
    const ready = await node.log(({ msg }) => msg === 'ready', 'ready');
    url = String(ready['admin']);
  });

  after(() => workshop.close());

  async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const { code, stdout, stderr } = await workshop.run(args);
    return { code, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  it('names the admin URL in "ready"', () => {
    expect(url).to.match(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('describes the node in words', async () => {
    const { code, stdout, stderr } = await run('status', '--admin', url);
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout).to.match(/^example\.com: ready since \d\d:\d\d:\d\d \(imxp \d/);
    expect(stdout)
      .to.include(`tcp://127.0.0.1:${node.port}`)
      .and.match(/rubble\.com +idle/)
      .and.match(/held +nothing/);
  });

  it('prints everything as JSON', async () => {
    const { code, stdout } = await run('status', '--admin', url.replace('http://', ''), '--json');
    expect(code).to.equal(0);
    const status: Record<string, unknown> = JSON.parse(stdout);
    expect(status).to.include({ state: 'ready', attachments: 0, outstanding: 0 });
    expect(status).to.have.nested.property('process.pid', node.command.pid);
    expect(status).to.have.nested.property('sessions.listener', 0);
  });

  it('finds the node by its configuration', async () => {
    const listed = await workshop.file(
      'named.json',
      JSON.stringify(config(1, { admin: { port: Number(new URL(url).port) } })),
    );
    expect(await run('status', '--config', listed)).to.include({ code: 0 });
    const unsaid = await run('status', '--config', 'mesh.json');
    expect(unsaid.code).to.equal(78);
    expect(unsaid.stderr).to.include('admin.port is 0').and.include('--admin');
    await workshop.file('none.json', JSON.stringify(config(1, { admin: undefined })));
    const none = await run('status', '--config', 'none.json');
    expect(none.code).to.equal(78);
    expect(none.stderr).to.include('has no "admin"');
  });

  it('exits 69 where no node answers, or something else does', async () => {
    const nobody = await run('status', '--admin', 'http://127.0.0.1:1');
    expect(nobody.code).to.equal(69);
    expect(nobody.stderr).to.match(
      /^error: no node answers at http:\/\/127\.0\.0\.1:1: nothing is listening there\nhint: .*\n$/,
    );
    const relay = await run('top', '--count', '1', '--admin', `http://127.0.0.1:${node.port}`);
    expect(relay.code).to.equal(69);
    const wrong = await run('status', '--admin', 'https://127.0.0.1');
    expect(wrong.code).to.equal(64);
  });

  it('prints a line for each sample without a terminal', async () => {
    const { code, stdout } = await run('top', '--admin', url, '--count', '2', '--interval', '0.2');
    expect(code).to.equal(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).to.have.length(2);
    for (const line of lines) {
      expect(line).to.match(/^\d\d:\d\d:\d\d {2}ready {2}sessions 0 {2}attached 0 {2}data 0\/s .* p99 - .* memory \d/);
    }
  });

  it('prints rates as JSON', async () => {
    const { stdout } = await run('top', '--admin', url, '--count', '1', '--json');
    expect(JSON.parse(stdout)).to.have.nested.property('total.perSecond', 0);
  });

  it('shows a screen in a terminal, and restores it on q', function () {
    const found = spawnSync('script', ['--version']);
    if (found.status !== 0) {
      console.log('      skipped: needs script(1) of util-linux for a terminal');
      return this.skip();
    }
    const command = [process.execPath, ...RUN_PROGRAM, 'top', '--admin', url, '--interval', '0.1'].join(' ');
    const { stdout, status } = spawnSync('script', ['-qec', `stty rows 24 cols 60; ${command}`, '/dev/null'], {
      cwd: workshop.directory,
      env: { ...process.env, TERM: 'xterm', NODE_OPTIONS: '' },
      input: 'q',
      timeout: 30_000,
    });
    const shown = stdout.toString();
    expect(status, shown).to.equal(0);
    expect(shown).to.include('\u001b[?1049h').and.include('example.com').and.include('q: quit');
    expect(shown.lastIndexOf('\u001b[?1049l')).to.be.greaterThan(shown.lastIndexOf('q: quit'));
  });
});
