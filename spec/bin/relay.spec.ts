import { expect } from 'chai';
import { lonely, type NodeProcess, Workshop } from '../support/node-process.js';

describe('imxp relay', function () {
  this.timeout(60_000);
  this.slow(5000);
  let workshop: Workshop;
  let node: NodeProcess;

  const config = (port: number, more: object = {}): object => lonely({ store: { type: 'memory' }, ...more })(port);

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.node('mesh', config);
    await node.start();
  });

  after(() => workshop.close());

  it('logs "ready" with the addresses that it listens on', async () => {
    const line = await node.log(({ msg }) => msg === 'ready', 'ready');
    expect(line).to.deep.include({ listening: [`tcp://127.0.0.1:${node.port}`], domains: ['example.com'] });
  });

  it('reloads on SIGHUP and says what needs a restart', async () => {
    const since = node.mark;
    await workshop.file(
      'mesh.json',
      JSON.stringify(config(node.port, { log: { level: 'debug' }, limits: { link: { lanes: 2 } } })),
    );
    node.command.signal('SIGHUP');
    const line = await node.log(({ msg }) => msg === 'reloaded', 'reloaded', 10_000, since);
    expect(line).to.deep.include({ applied: ['log'], restart: ['limits'] });
  });

  it('keeps its configuration when the new one is invalid, and names the place', async () => {
    const since = node.mark;
    await workshop.file('mesh.json', JSON.stringify(config(node.port, { domain: ['example.com'] })));
    node.command.signal('SIGHUP');
    const line = await node.log(({ level }) => level === 'error', 'the error', 10_000, since);
    expect(line['msg']).to.contain('not reloaded');
    expect(JSON.stringify(line['reasons'])).to.contain('mesh.json:1:').and.to.contain('domain');
  });

  it('exits 78 with the reasons when the configuration is invalid', async () => {
    await workshop.file('wrong.json', JSON.stringify({ domains: [], listen: [{ port: 1 }] }));
    const { code, stderr } = await workshop.run(['relay', '--config', 'wrong.json']);
    expect(code).to.equal(78);
    expect(stderr.toString()).to.match(/^error: .*wrong\.json:1:\d+ domains/);
  });

  it('exits 69 when its port is in use, because that passes', async () => {
    await workshop.file('taken.json', JSON.stringify(config(node.port)));
    const { code, stderr } = await workshop.run(['relay', '--config', 'taken.json']);
    expect(code).to.equal(69);
    expect(stderr.toString()).to.contain(`port ${node.port}`);
  });

  it('stops in order on SIGTERM', async () => {
    const { code } = await node.stop();
    expect(code).to.equal(0);
    expect(node.output).to.contain('draining').and.to.contain('stopped');
  });
});
