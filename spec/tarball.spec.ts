import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const top = fileURLToPath(new URL('..', import.meta.url));
/** Scripts of packages are for platforms without a built one; those of this project would build it in the middle of other specs. */
const QUIETLY = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];

interface Locked {
  readonly version?: string;
  readonly dev?: boolean;
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

const npm = (cwd: string, ...args: readonly string[]) =>
  spawnSync('npm', args, { cwd, encoding: 'utf8', timeout: 240_000 });

const jsonOf = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** The package at a place below `node_modules`. */
const nameOf = (place: string): string => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** Versions by place, without those that are for development. */
function versionsOf(lock: string): Map<string, string> {
  const { packages } = jsonOf(lock) as { packages: Record<string, Locked> };
  const rows = Object.entries(packages).filter(([place, { dev }]) => place !== '' && dev !== true);
  return new Map(rows.map(([place, { version = '' }]) => [place, version]));
}

describe('the package of npm pack', function () {
  this.timeout(600_000);
  this.slow(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'imxp-pack-'));
  const manifest = jsonOf(join(top, 'package.json')) as Manifest;
  const pinned = { ...manifest.dependencies, ...manifest.optionalDependencies };
  let tarball = '';

  function must(cwd: string, ...args: readonly string[]): void {
    const { status, stdout, stderr } = npm(cwd, ...args);
    expect(status, `npm ${args.join(' ')}: ${stdout}${stderr}`).to.equal(0);
  }

  before(function () {
    const skipping = (reason: string): never => {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    };
    if (process.env['IMXP_DIST'] === undefined) skipping('the program is not built (IMXP_DIST=1 says that it is)');
    if (npm(top, 'view', `lmdb@${pinned['lmdb']}`, 'version').status !== 0) skipping('no package registry is reached');
    must(top, 'run', 'prepack');
    try {
      must(top, 'pack', '--ignore-scripts', '--pack-destination', directory);
    } finally {
      must(top, 'run', 'postpack');
    }
    tarball = join(directory, readdirSync(directory).find((name) => name.endsWith('.tgz')) ?? '');
  });

  after(() => rmSync(directory, { recursive: true, force: true }));

  it('names the exact version of each package that it needs', () => {
    for (const [name, version] of Object.entries(pinned)) expect(version, name).to.match(/^\d+\.\d+\.\d+$/);
    // npm applies them in a checkout only: whoever installs the package would have other versions than those tested.
    expect(manifest).to.not.have.property('overrides');
  });

  it('installs the tested versions of them from a file, and the program and the library work', () => {
    const project = join(directory, 'project');
    mkdirSync(project);
    must(project, 'install', tarball, ...QUIETLY);
    const installed = versionsOf(join(project, 'node_modules/.package-lock.json'));
    const found = Object.keys(pinned).map((name) => [name, installed.get(`node_modules/${name}`)]);
    expect(Object.fromEntries(found)).to.deep.equal(pinned);
    // What other packages ask for of them is of a version that was tested, too.
    const tested = [...versionsOf(join(top, 'package-lock.json'))].map(
      ([place, version]) => `${nameOf(place)} ${version}`,
    );
    const those = [...installed].filter(([place]) => nameOf(place) in pinned);
    for (const [place, version] of those) expect(tested, place).to.include(`${nameOf(place)} ${version}`);
    const run = (command: string, ...args: string[]) => spawnSync(command, args, { cwd: project, encoding: 'utf8' });
    expect(run(join(project, 'node_modules/.bin/imxp'), '--version').stdout).to.match(/^\d+\.\d+\.\d+/);
    const library = run(
      'node',
      '--input-type=module',
      '-e',
      "import { Endpoint } from 'imxp'; console.log(Endpoint.name)",
    );
    expect(library.stdout, library.stderr).to.equal('Endpoint\n');
  });

  it('installs all the versions that were tested, to the last, where npm ci is run in the unpacked package', () => {
    const { status } = spawnSync('tar', ['xzf', tarball, '-C', directory]);
    expect(status).to.equal(0);
    const unpacked = join(directory, 'package');
    expect(existsSync(join(unpacked, 'npm-shrinkwrap.json'))).to.equal(true);
    must(unpacked, 'ci', '--omit=dev', ...QUIETLY);
    const tested = versionsOf(join(top, 'package-lock.json'));
    const installed = versionsOf(join(unpacked, 'node_modules/.package-lock.json'));
    const rows = [...installed].map(([place, version]) => [place, version, tested.get(place)]);
    expect(rows.filter(([, version, wanted]) => version !== wanted)).to.deep.equal([]);
    for (const name of Object.keys(pinned)) expect(installed.has(`node_modules/${name}`), name).to.equal(true);
  });
});
