import { expect } from 'chai';
import { type NodeProcess, Workshop } from '../support/node-process.js';

/** Whether a process exists. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('imxp relay: workers', function () {
  this.timeout(120_000);
  this.slow(10_000);
  let workshop: Workshop;
  let node: NodeProcess;

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.relay([], '', { admin: { port: 0 }, workers: 2 });
  });

  after(() => workshop.close());

  /** Processes of the workers, by what the node says about itself. */
  async function workers(): Promise<readonly number[]> {
    const { admin = '' } = await node.log(({ msg }) => msg === 'ready', 'ready');
    const status: unknown = await (await fetch(`${String(admin)}/status`)).json();
    const { workers: all } = status as { readonly workers: readonly { readonly process: { readonly pid: number } }[] };
    return all.map(({ process: { pid } }) => pid);
  }

  it('says "ready" once, for all of them, and reloads and stops in order', async () => {
    const pids = await workers();
    expect(new Set(pids).size).to.equal(2);
    const since = node.mark;
    node.command.signal('SIGHUP');
    await node.log(({ msg }) => msg === 'reloaded', 'reloaded', 20_000, since);
    const { code } = await node.stop();
    expect(code).to.equal(0);
    expect(node.lines.filter(({ msg }) => msg === 'ready')).to.have.length(1);
    expect(node.lines.filter(({ level }) => level === 'error')).to.deep.equal([]);
    expect(pids.filter(lives)).to.deep.equal([]);
  });

  it('ends all of them when the supervisor is killed, and starts again on the same store', async () => {
    await node.start();
    const pids = await workers();
    await node.kill();
    while (pids.some(lives)) await new Promise((resolve) => setImmediate(resolve));
    await node.start();
    const { code } = await node.stop();
    expect(code).to.equal(0);
  });

  it('exits 64 for a number of workers that cannot be, and 78 for a store that they cannot share', async () => {
    const none = await workshop.run(['relay', '--config', 'mesh.json', '--workers', '0']);
    expect([none.code, none.stderr.toString()]).to.satisfy(
      ([code, text]: [number, string]) => code === 64 && text.includes('It must be auto, or a number from 1 to 256'),
    );
    const memory = { domains: ['example.com'], listen: [{ port: 0 }], store: { type: 'memory' }, workers: 2 };
    await workshop.file('memory.json', JSON.stringify(memory));
    const shared = await workshop.run(['relay', '--config', 'memory.json']);
    expect(shared.code).to.equal(78);
    expect(shared.stderr.toString()).to.match(/memory\.json:1:\d+ workers: needs a store of type "lmdb"/);
    await workshop.file('plain.json', JSON.stringify({ ...memory, workers: 1 }));
    const asked = await workshop.run(['relay', '--config', 'plain.json', '--workers', '2']);
    expect([asked.code, asked.stderr.toString()]).to.satisfy(
      ([code, text]: [number, string]) => code === 78 && text.includes('need a store of type "lmdb"'),
    );
  });

  it('exits 69 when its port is in use', async () => {
    await node.start();
    const other = { domains: ['example.com'], listen: [{ port: node.port }], store: { type: 'lmdb', path: 'other' } };
    await workshop.file('taken.json', JSON.stringify({ ...other, mesh: { dns: { enabled: false } }, workers: 2 }));
    const { code, stderr } = await workshop.run(['relay', '--config', 'taken.json']);
    expect([code, stderr.toString()]).to.satisfy(
      ([is, text]: [number, string]) => is === 69 && text.includes(`${node.port}`),
    );
    await node.stop();
  });
});
