/** What becomes of `imxp relay` when the place of its store is wrong, damaged, or another relay's. */
import { mkdir, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { freePort } from '../support/free-port.js';
import { lonely, type NodeProcess, Workshop } from '../support/node-process.js';

describe('the store of a relay', function () {
  this.timeout(120_000);
  this.slow(20_000);
  let workshop: Workshop;

  beforeEach(async () => {
    workshop = await Workshop.open();
  });
  afterEach(() => workshop.close());

  const config = (port: number, path = 'var'): object => lonely({ store: { type: 'lmdb', path } })(port);

  it('can be used by one relay at a time, and by the next as soon as the first has ended in whatever way', async () => {
    const first: NodeProcess = await workshop.node('first', config);
    const second = await workshop.node('second', config);
    await first.start();
    const refused = await workshop.run(['relay', '--config', second.config]);
    expect(refused.stderr.toString())
      .to.match(/the store .*var is in use by another relay: process \d+ on /)
      .and.include('stop that one first');
    expect(refused.code).to.equal(69);
    // Commands work beside it.
    const { code } = await workshop.run(['account', 'list', '--config', first.config]);
    expect(code).to.equal(0);
    await first.kill();
    await second.start();
    expect((await second.stop()).code).to.equal(0);
    await first.start();
    expect((await first.stop()).code).to.equal(0);
  });

  it('is refused, with the place in the configuration, where it cannot be created', async () => {
    await workshop.file('file', '');
    const long = `${'d'.repeat(300)}/var`;
    const places = ['file/var', long, ...(process.platform === 'linux' ? ['/proc/imxp/var'] : [])];
    const port = await freePort();
    for (const place of places) {
      const file = await workshop.file('wrong.json', JSON.stringify(config(port, place), null, 2));
      const { code, stderr } = await workshop.run(['relay', '--config', file]);
      expect(stderr.toString(), place).to.match(/^error: .*wrong\.json:\d+:\d+ store\.path: /);
      expect(code, place).to.equal(78);
    }
  });

  it('is named when it is damaged', async () => {
    const node = await workshop.node('damaged', config);
    await mkdir(workshop.path('var'), { mode: 0o700 });
    await writeFile(workshop.path('var/data.mdb'), 'rubble'.repeat(10_000));
    const { code, stderr } = await workshop.run(['relay', '--config', node.config]);
    expect(stderr.toString()).to.include('var/data.mdb is damaged').and.include('imxp account import');
    expect(code).to.equal(69);
  });
});
