import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { LocalError } from '../../lib/errors.js';
import { LocalMesh } from '../support/local-mesh.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

describe('endpoint: programs that share what arrives for their account (D-CORE-50)', function () {
  this.timeout(60_000);
  this.slow(3000);
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start();
  });

  afterEach(() => mesh.leave());

  after(() => mesh.close());

  it('get each message once, one of them in turn, and each what is for its own address', async () => {
    const fred = await mesh.attach(FRED);
    const workers = await Promise.all([1, 2, 3].map(() => mesh.attach(BARNEY, { queueGroup: true })));
    const addresses = workers.map(({ addresses: [own = ''] }) => own);
    for (const own of addresses) expect(own).to.match(/^barney\/group=[0-9a-f]{16}@rubble\.com$/);
    const heard = workers.map((): string[] => []);
    for (const [at, worker] of workers.entries()) worker.receive((delivery) => void heard[at]?.push(delivery.text()));
    for (let number = 0; number < 6; number += 1) await fred.send({ to: BARNEY, content: String(number) });
    expect(heard.flat().sort()).to.deep.equal(['0', '1', '2', '3', '4', '5']);
    expect(heard.map(({ length }) => length)).to.deep.equal([2, 2, 2]);
    await fred.send({ to: addresses[1] ?? '', content: 'you' });
    expect(heard[1]?.at(-1)).to.equal('you');
  });

  it('keep the subaddress that they are given, and cannot be programs that only send', async () => {
    const worker = await mesh.attach('barney/w1@rubble.com', { queueGroup: true });
    expect(worker.addresses).to.deep.equal(['barney/w1@rubble.com']);
    const failure = await Endpoint.connect({ address: FRED, sendOnly: true, queueGroup: true }).catch(
      (e: unknown) => e,
    );
    expect(failure).to.be.instanceOf(LocalError).with.property('code', 'ARGUMENT');
  });
});
