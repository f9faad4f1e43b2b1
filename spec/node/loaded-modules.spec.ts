import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { Command, lonely, type NodeProcess, Workshop } from '../support/node-process.js';
import { RUN_PROGRAM, RUN_SOURCES } from '../support/program.js';
import { projectFile, RUN_SCRIPT } from '../support/script.js';

const OBSERVED = `--import=${pathToFileURL(fileURLToPath(new URL('../support/loaded-modules.mjs', import.meta.url))).href}`;
const START_MS = 60_000;

/** What only a node needs that is one of several, or whose store is in PostgreSQL. */
const OF_CLUSTERS =
  /\/(lib\/cluster|lib\/store\/postgres|node_modules\/pg[-\w]*)\/|\/lib\/node\/(cluster|supervisor|worker)[-.\w]*$/;

describe('node: modules that are loaded', function () {
  this.timeout(120_000);
  this.slow(10_000);
  let workshop: Workshop;
  let node: NodeProcess;

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.node('plain', lonely({ admin: { port: 0 } }));
  });
  after(() => workshop?.close());

  /** Runs something until it says so. @returns the URLs of all modules that it has loaded by then */
  async function loadedBy(run: readonly string[], until: string): Promise<string[]> {
    const file = await workshop.file('loaded', '');
    const command = new Command([], workshop.directory, { IMXP_LOADED: file }, [...run]);
    try {
      await command.seen((output) => (output.includes(until) ? true : undefined), `says ${until}`, START_MS);
    } finally {
      await command.kill();
    }
    return readFileSync(file, 'utf8').split('\n').slice(0, -1);
  }

  it('are none of those of clusters, workers and PostgreSQL without "cluster", "workers" and "store.postgres"', async () => {
    const loaded = await loadedBy([OBSERVED, ...RUN_SOURCES, 'relay', '--config', node.config], '"ready"');
    expect(loaded.filter((url) => /\/lib\/node\/node\.[jt]s$/.test(url))).to.have.length(1);
    expect(loaded.filter((url) => OF_CLUSTERS.test(url))).to.deep.equal([]);
  });

  it('are no package of PostgreSQL in the program that is delivered, either', async () => {
    const loaded = await loadedBy([OBSERVED, ...RUN_PROGRAM, 'relay', '--config', node.config], '"ready"');
    expect(loaded.some((url) => url.includes('/node_modules/lmdb/'))).to.equal(true);
    expect(loaded.filter((url) => /\/node_modules\/pg[-\w]*\//.test(url))).to.deep.equal([]);
  });

  it('are told when they are those of clusters', async () => {
    const member = pathToFileURL(projectFile('lib/node/cluster-member.ts')).href;
    const script = `await import(${JSON.stringify(member)}); console.log('loaded all')`;
    const run = [OBSERVED, ...RUN_SCRIPT, '--input-type=module', '--eval', script];
    const loaded = await loadedBy(run, 'loaded all');
    const names = loaded.filter((url) => OF_CLUSTERS.test(url)).map((url) => url.replace(/^.*\/(?=lib\/|pg)/, ''));
    expect(names).to.include.members(['lib/node/cluster-member.ts', 'lib/store/postgres/membership.ts']);
    expect(names.some((name) => name.startsWith('lib/cluster/'))).to.equal(true);
    expect(loaded.some((url) => url.includes('/node_modules/pg/'))).to.equal(true);
  });
});
