import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const top = fileURLToPath(new URL('..', import.meta.url));

/** Runs a program to its end, and gives what it printed. */
function run(command: string, args: readonly string[], timeout = 120_000): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: top, encoding: 'utf8', timeout });
  expect(status, `${command} ${args.join(' ')}: ${error?.message ?? ''}${stdout}${stderr}`).to.equal(0);
  return stdout;
}

/** Why the Debian package cannot be built here. */
function obstacle(): string | undefined {
  if (process.env['IMXP_DIST'] === undefined) return 'the program is not built (IMXP_DIST=1 says that it is)';
  return spawnSync('dpkg-deb', ['--version']).error === undefined ? undefined : 'there is no dpkg-deb here';
}

describe('the Debian package', function () {
  this.timeout(240_000);
  const directory = mkdtempSync(join(tmpdir(), 'imxp-deb-'));
  const root = join(directory, 'root');
  let file = '';

  before(function () {
    const reason = obstacle();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    file = run(join(top, 'contrib/deb/build.sh'), [directory]).trim();
    run('dpkg-deb', ['-x', file, root]);
    return undefined;
  });

  after(() => rmSync(directory, { recursive: true, force: true }));

  it('has a program that runs where nothing else of the project is', () => {
    const program = join(root, 'usr/bin/imxp');
    const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as { version: string };
    expect(run(program, ['--version'])).to.include(version);
    expect(run(program, ['demo'])).to.match(/delivered|arrived|received/i);
  });

  it('has the unit, the manual, the completions and the pages for browsers', () => {
    const names = [
      'usr/lib/systemd/system/imxp.service',
      'usr/share/man/man1/imxp-relay.1.gz',
      'usr/share/bash-completion/completions/imxp',
      'usr/share/zsh/vendor-completions/_imxp',
      'usr/share/fish/vendor_completions.d/imxp.fish',
      'usr/share/doc/imxp/copyright',
      'usr/lib/imxp/dist/web/console/index.html',
    ];
    expect(
      names.filter((name) => !existsSync(join(root, name)) || statSync(join(root, name)).size === 0),
    ).to.deep.equal([]);
  });

  it('needs the version of Node that the project needs, and belongs to root', () => {
    const { engines } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as { engines: { node: string } };
    const least = /[\d.]+/.exec(engines.node)?.[0];
    expect(run('dpkg-deb', ['-f', file, 'Depends'])).to.include(`nodejs (>= ${least})`);
    const owners = run('dpkg-deb', ['-c', file])
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/)[1]);
    expect(new Set(owners)).to.deep.equal(new Set(['root/root']));
    for (const script of ['postinst', 'prerm', 'postrm']) run('sh', ['-n', join(top, 'contrib/deb', script)]);
  });
});
