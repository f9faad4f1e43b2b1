import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DEFAULT_LIMITS } from '../lib/config/limits.js';

const contrib = (name: string): string => readFileSync(new URL(`../contrib/${name}`, import.meta.url), 'utf8');

describe('contrib/', () => {
  it('leaves a node time to stop before service managers kill it', () => {
    const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(contrib('imxp.service'))?.[1]);
    expect(seconds * 1000).to.be.greaterThan(DEFAULT_LIMITS.node.drainTimeoutMs);
    expect(DEFAULT_LIMITS.node.drainTimeoutMs, 'docker waits for 10 s').to.be.lessThan(9500);
  });

  it('has a unit that systemd accepts and finds well confined', async function () {
    this.timeout(30_000);
    if (spawnSync('systemd-analyze', ['--version']).error !== undefined) {
      console.log('      skipped: there is no systemd-analyze here');
      return this.skip();
    }
    const directory = await mkdtemp(join(tmpdir(), 'imxp-unit-'));
    try {
      const unit = join(directory, 'imxp.service');
      // The program is not installed here.
      await writeFile(unit, contrib('imxp.service').replaceAll('/usr/bin/imxp', '/bin/true'));
      const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', unit]);
      expect(status, `${stdout}${stderr}`).to.equal(0);
      const security = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit]);
      expect(security.status, security.stdout.toString().split('\n').slice(-3).join('\n')).to.equal(0);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('has a Dockerfile that copies existing files, runs without root and checks the health', () => {
    const text = contrib('Dockerfile');
    const copied = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names = '']) => names.split(' '));
    // What tsc compiles (tsconfig.json), and what makes the module for browsers.
    const { include }: { include: string[] } = JSON.parse(
      readFileSync(new URL('../tsconfig.json', import.meta.url), 'utf8'),
    );
    const compiled = include.map((pattern) => pattern.split('/')[0]);
    expect(copied).to.include.members([...compiled, 'web', 'package-lock.json']);
    const tracked = spawnSync('git', ['ls-files', '--', ...copied], {
      cwd: new URL('..', import.meta.url),
    }).stdout.toString();
    for (const name of copied) {
      if (tracked !== '') expect(tracked, name).to.match(new RegExp(`^${name.replace('.', '\\.')}(?:/|$)`, 'm'));
      expect(contrib('Dockerfile.dockerignore'), name).to.match(new RegExp(`^!${name.replace('.', '\\.')}$`, 'm'));
    }
    const stages = text.split(/^FROM /m);
    expect(stages.at(-1))
      .to.match(/^USER imxp$/m)
      .and.match(/^HEALTHCHECK [\s\S]*"status"/m);
    // The newest LTS, with which continuous integration runs specs, too.
    const [, tested] =
      /npm install .*node@(\d+)/.exec(readFileSync(new URL('../.ci/run', import.meta.url), 'utf8')) ?? [];
    expect(
      stages.slice(1).every((stage) => stage.startsWith(`node:${tested}-slim`)),
      `node ${tested}`,
    ).to.equal(true);
  });
});
