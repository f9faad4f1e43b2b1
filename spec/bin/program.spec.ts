import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import module from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { allCommands, commandsFor } from '../../bin/commands.js';
import { makeProgram } from '../../bin/support/program.js';
import { type CliResult, imxp } from '../support/cli.js';
import { temporaryDirectory } from '../support/temporary.js';

const SEND = ['send', '--from', 'fred@example.com', '--to', 'barney@rubble.com'];

describe('the command line as a whole', function () {
  this.timeout(60_000);
  this.slow(5000);
  const path = temporaryDirectory();
  const run = (...args: readonly string[]): Promise<CliResult> =>
    imxp(args, { cwd: path(), env: { IMXP_PASSWORD: 'yabba' } });

  it('names the help to read, the allowed values and the nearest one', async () => {
    const [value, option, command] = await Promise.all([
      run(...SEND, '--tls', 'requir'),
      run(...SEND, '--form', 'x'),
      run('account', 'ad', 'fred@example.com'),
    ]);
    expect([value.code, option.code, command.code]).to.deep.equal([64, 64, 64]);
    expect(value.stderr).to.contain('Allowed choices are off, prefer, require.\n(Did you mean require?)');
    expect(value.stderr).to.contain('Try: imxp send --help');
    expect(option.stderr).to.contain("unknown option '--form'\n(Did you mean --from?)");
    for (const { stderr } of [option, command]) expect(stderr).not.to.contain('Did you mean ?');
    expect(command.stderr).to.contain("unknown command 'ad'").and.contain('Try: imxp account --help');
  });

  it('loads only the given command, and none for its help', async () => {
    const entries = async (...argv: readonly string[]): Promise<[name: string, loaded: boolean][]> =>
      (await commandsFor(argv)).map(({ name, register }) => [name, register !== undefined]);
    const all = (await allCommands()).map(({ name }) => name);
    expect(all).to.include.members(['relay', 'send', 'completion']);
    for (const name of all) {
      const needed = name === 'completion' ? all : [name];
      for (const argv of [[name], ['help', name], ['--', name]])
        expect(await entries(...argv), argv.join(' ')).to.deep.equal(needed.map((one) => [one, true]));
    }
    for (const argv of [[], ['help'], ['--help'], ['--help', 'send'], ['--from', 'send'], ['snd'], ['constructor']])
      expect(await entries(...argv), argv.join(' ')).to.deep.equal(all.map((one) => [one, false]));
  });

  it('keeps compiled code in the cache directory of the user where Node can, and does without a directory', async () => {
    const start = (cache: string, more = {}): Promise<CliResult> =>
      imxp(['send', '--help'], { cwd: path(), env: { XDG_CACHE_HOME: cache, NODE_COMPILE_CACHE: '', ...more } });
    const kept = join(path(), 'cache');
    await writeFile(join(path(), 'file'), '');
    const results = await Promise.all([
      start(kept),
      start(join(path(), 'off'), { NODE_DISABLE_COMPILE_CACHE: '1' }),
      // Cannot be made: below a file.
      start(join(path(), 'file')),
      start('relative', { HOME: 'relative' }),
    ]);
    for (const { code, stdout } of results) expect([code, stdout]).to.deep.equal([0, results[0]?.stdout]);
    const can = 'enableCompileCache' in module;
    expect(existsSync(join(kept, 'imxp', 'compiled'))).to.equal(can);
    // Code that others may change would be theirs.
    if (can) expect((await stat(kept)).mode & 0o022).to.equal(0);
    for (const none of ['off', 'relative', 'file/imxp']) expect(existsSync(join(path(), none)), none).to.equal(false);
  });

  it('has one help of itself, whether commands are loaded or not', async () => {
    const [entries, names] = [await allCommands(), await commandsFor([])];
    const help = (commands: typeof entries): string => makeProgram(commands).helpInformation();
    expect(help(names))
      .to.equal(help(entries))
      .and.match(/^ {2}send +send a message and report/m);
    const [misspelt, one, whole] = await Promise.all([run('snd'), run('help', 'send'), run('--help', 'send')]);
    expect(misspelt.stderr).to.contain('Did you mean send?');
    expect(one.stdout).to.match(/^Usage: imxp send .*\n[\s\S]*--return-trip <ms>/);
    expect(whole.stdout).to.match(/^Usage: imxp \[options\][\s\S]*\n {2}send +send a message/);
  });

  it('prints its version by either option, also beside others', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    for (const args of [['--version'], ['-V'], ['-V', 'send'], ['--version', '--help']]) {
      const { code, stdout } = await run(...args);
      expect([code, stdout], args.join(' ')).to.deep.equal([0, `${version}\n`]);
    }
  });

  it('says which port is out of range', async () => {
    const { code, stderr } = await run(...SEND, '--relay', 'tcp://127.0.0.1:109133');
    expect([code, stderr]).to.satisfy(
      () => code === 64 && stderr.includes('109133, which is out of range: 1 to 65535'),
    );
  });

  it('names what is wrong with a recipient', async () => {
    const from = ['--from', 'fred@example.com', '--relay', 'tcp://127.0.0.1:1'];
    const { code, stderr } = await run('send', 'bar ney@example.com', 'Hello', ...from);
    expect(stderr).to.match(/^error: "bar ney@example\.com" is not an address: the part before the "@" contains " "/);
    expect(code).to.equal(64);
  });

  it('says that an HTTP server is no relay, and exits 69', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await run(...SEND, '--relay', `tcp://127.0.0.1:${port}`);
    server.close();
    expect(stderr).to.match(/^error: no BEEP listener answers at 127\.0\.0\.1 port \d+, but an HTTP server/);
    expect(code).to.equal(69);
  });

  it('names every file that cannot be used, and what to do', async () => {
    await writeFile(join(path(), 'plain'), 'nothing');
    const attach = ['--from', 'fred@example.com', '--to', 'barney@rubble.com', '--relay', 'tcp://127.0.0.1:1'];
    const cases: readonly (readonly [args: readonly string[], code: number, file: string])[] = [
      [['certs', '--revoke', 'none'], 1, 'none'],
      [['certs', '--out', 'plain/x', '--domain', 'example.com'], 1, 'plain/x'],
      [['send', ...attach, 'none'], 64, 'none'],
      [['send', ...attach, '--password-file', 'none'], 78, 'none'],
      [['send', ...attach, '--ca', 'none', 'plain'], 78, 'none'],
      [['send', ...attach, '--identity', 'none', 'plain'], 78, 'none'],
      [['send', ...attach, '--encrypt-to', 'none', 'plain'], 78, 'none'],
      [['listen', 'fred@example.com', '--output', 'plain/x', '--relay', 'tcp://127.0.0.1:1'], 1, 'plain/x'],
      [['check', '--config', 'none'], 78, 'none'],
      [['check', '--dns', 'example.com', '--ca', 'none'], 78, 'none'],
      [['interop', '127.0.0.1:1', '--ca', 'none'], 64, 'none'],
      [['wire', 'none'], 64, 'none'],
    ];
    const check = async ([args, code, file]: (typeof cases)[number]): Promise<void> => {
      const { code: got, stderr, stdout } = await run(...args);
      const said = `${args.join(' ')}: ${stderr}${stdout}`;
      expect(got, said).to.equal(code);
      expect(`${stderr}${stdout}`, said).to.contain(file);
      expect(said).not.to.match(/ENOENT|ENOTDIR|EISDIR|EEXIST|EACCES|\n\s+at /);
    };
    for (let at = 0; at < cases.length; at += 4) await Promise.all(cases.slice(at, at + 4).map(check));
  }).timeout(180_000);

  it('prints JSON for failures as well, with every command that has --json', async () => {
    const nowhere = ['--relay', 'tcp://127.0.0.1:1'];
    const from = ['--from', 'fred@example.com'];
    const cases: readonly (readonly [args: readonly string[], expected: object])[] = [
      [[...SEND, ...nowhere], { error: 'CONNECT_FAILED', exitCode: 69 }],
      [['send', '--from', 'fred@example.com'], { error: 'USAGE', exitCode: 64 }],
      [['listen', 'fred@example.com', ...nowhere], { error: 'CONNECT_FAILED', exitCode: 69 }],
      [['ping', 'barney@rubble.com', ...from, ...nowhere], { error: 'CONNECT_FAILED', exitCode: 69 }],
      [['trace', 'barney@rubble.com', ...from, ...nowhere], { error: 'CONNECT_FAILED', exitCode: 69 }],
      [['access', 'get', ...from, ...nowhere], { error: 'CONNECT_FAILED', exitCode: 69 }],
      [['presence', 'poll', 'barney@rubble.com', ...from, ...nowhere], { error: 'CONNECT_FAILED', exitCode: 69 }],
      [['account', 'list'], { error: 'CONFIGURATION', exitCode: 78 }],
      [['status', '--admin', 'http://127.0.0.1:1'], { exitCode: 69 }],
      [['top', '--admin', 'http://127.0.0.1:1'], { exitCode: 69 }],
      [['certs', '--out', 'c'], { error: 'USAGE', exitCode: 64 }],
      [['wire', 'no-such-file'], { error: 'USAGE', exitCode: 64 }],
    ];
    const results = await Promise.all(cases.map(([args]) => run(...args, '--json')));
    for (const [index, { code, stdout, stderr }] of results.entries()) {
      const [args = [], expected = {}] = cases[index] ?? [];
      const title = `imxp ${args.join(' ')}: ${stderr}`;
      const lines = stdout.split('\n').filter(Boolean);
      expect(lines, title).to.have.lengthOf(1);
      const failure = JSON.parse(lines[0] ?? '');
      expect(failure, title).to.include({ failed: true, ...expected });
      expect(failure.text, title).to.be.a('string').and.not.equal('');
      expect(code, title).to.equal(failure.exitCode);
      expect(stderr, title).to.match(/^error: /);
    }
  });
});
