import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { imxp } from '../support/cli.js';
import { temporaryDirectory } from '../support/temporary.js';

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

describe('imxp completion', function () {
  this.timeout(60_000);
  this.slow(5000);
  const path = temporaryDirectory();

  async function script(shell: string): Promise<string> {
    const { code, stdout } = await imxp(['completion', shell], { cwd: path() });
    expect(code).to.equal(0);
    return stdout;
  }

  /** What bash offers for the last of the words. */
  function offered(source: string, ...words: string[]): string[] {
    const line = words.map((word) => `'${word}'`).join(' ');
    const { stdout, stderr } = spawnSync(
      'bash',
      [
        '--norc',
        '-c',
        `${source}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _imxp; printf '%s\\n' "\${COMPREPLY[@]}"`,
      ],
      { cwd: path() },
    );
    expect(stderr.toString()).to.equal('');
    return stdout.toString().split('\n').filter(Boolean);
  }

  it('completes in bash: commands, commands below them, options, their values', async function () {
    if (!has('bash')) {
      console.log('      skipped: there is no bash here');
      return this.skip();
    }
    const source = await script('bash');
    expect(offered(source, 'imxp', 'st')).to.deep.equal(['status', 'store']);
    expect(offered(source, 'imxp', '')).to.include.members(['relay', 'top', 'wire', 'help']);
    expect(offered(source, 'imxp', 'account', 'pa')).to.deep.equal(['passwd']);
    expect(offered(source, 'imxp', 'account', 'add', '--'))
      .to.include('--password-file')
      .and.not.include('--domain');
    expect(offered(source, 'imxp', 'status', '--js')).to.deep.equal(['--json']);
    expect(offered(source, 'imxp', 'send', '--tls', 'p')).to.deep.equal(['prefer']);
    expect(offered(source, 'imxp', 'completion', 'f')).to.deep.equal(['fish']);
    spawnSync('touch', ['mesh.json'], { cwd: path() });
    expect(offered(source, 'imxp', 'relay', '--config', 'me')).to.deep.equal(['mesh.json']);
    expect(offered(source, 'imxp', 'wire', 'me')).to.deep.equal(['mesh.json']);
  });

  it('names every command and option in the scripts for zsh and fish, and these shells can read them', async () => {
    for (const [shell, check] of [
      ['zsh', ['-n']],
      ['fish', ['--no-execute']],
    ] as const) {
      const source = await script(shell);
      expect(source).to.include('status').and.include('passwd').and.include('password-file');
      if (!has(shell)) {
        console.log(`      ${shell} is not installed: its script was not read by it`);
        continue;
      }
      const { status, stderr } = spawnSync(shell, [...check], { input: source });
      expect(status, stderr.toString()).to.equal(0);
    }
  });

  it('supports three shells', async () => {
    const { code, stderr } = await imxp(['completion', 'tcsh'], { cwd: path() });
    expect(code).to.equal(64);
    expect(stderr).to.include('bash, zsh, fish');
  });
});

describe('the help of every command', function () {
  this.timeout(120_000);
  this.slow(30_000);
  const path = temporaryDirectory();

  it('explains the command and its options, and shows an example', async () => {
    const { stdout } = await imxp(['--help'], { cwd: path() });
    const commands = [...stdout.matchAll(/^ {2}([a-z]+)(?: |$)/gm)].flatMap(([, name]) => name ?? []);
    const names = [...new Set(commands)].filter((name) => !['help', 'imxp', 'echo'].includes(name));
    expect(names).to.include.members(['relay', 'check', 'status', 'top', 'wire', 'completion', 'account', 'send']);
    const wrong: string[] = [];
    for (const name of names) {
      const help = await imxp([name, '--help'], { cwd: path() });
      if (help.code !== 0 || !help.stdout.includes('Usage: imxp')) wrong.push(`${name}: no help`);
      if (!new RegExp(`(?:^|[ (;|])imxp ${name}\\b(?! \\[)`, 'm').test(help.stdout.replace(/^Usage:.*$/m, '')))
        wrong.push(`${name}: no example`);
    }
    expect(wrong, wrong.join('\n')).to.deep.equal([]);
  });
});
