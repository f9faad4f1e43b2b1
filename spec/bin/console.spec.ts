import { expect } from 'chai';
import { buildWeb } from '../../web/build.js';
import { lonely, Workshop } from '../support/node-process.js';

describe('imxp console', function () {
  this.timeout(180_000);
  this.slow(30_000);
  let workshop: Workshop;

  before(async () => {
    await buildWeb();
    workshop = await Workshop.open();
  });

  after(() => workshop.close());

  const configuration = (name: string, more: object) => lonely({ store: { type: 'lmdb', path: name }, ...more });

  it('prints a URL whose token works, of a node with workers as well', async () => {
    const node = await workshop.node('with', configuration('with', { admin: { port: 0 }, workers: 2 }));
    await node.start();
    const { stdout, code } = await workshop.run(['console', '--config', node.config, '--json']);
    expect(code).to.equal(0);
    const url = new URL(JSON.parse(stdout.toString()).url);
    expect(url.pathname).to.equal('/console/');
    const token = new URLSearchParams(url.hash.slice(1)).get('token');
    expect((await fetch(url)).status).to.equal(200);
    const ask = (given: string): Promise<Response> =>
      fetch(new URL('/api/v1/logins', url), { headers: { Authorization: `Bearer ${given}` } });
    expect((await ask(token ?? '')).status).to.equal(200);
    expect((await ask(`${token}x`)).status).to.equal(401);
  });

  it('says what is missing where there is no admin port, and when the node does not run', async () => {
    const node = await workshop.node('without', configuration('without', {}));
    const stopped = await workshop.run(['console', '--config', node.config]);
    expect(stopped.code).to.equal(69);
    await node.start();
    const { stderr, code } = await workshop.run(['console', '--config', node.config]);
    expect(code).to.equal(69);
    expect(stderr.toString()).to.include('"admin"');
  });
});
