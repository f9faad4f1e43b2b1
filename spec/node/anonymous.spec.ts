import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { EndpointOptions } from '../../lib/endpoint/options.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const ENTRY = 'anonymous/*@example.com';

describe('anonymous endpoints', function () {
  this.timeout(60_000);
  let mesh: LocalMesh;
  const open: Endpoint[] = [];

  before(async () => {
    mesh = await LocalMesh.start({
      config: { sasl: { mechanisms: ['DIGEST-MD5', 'ANONYMOUS'] }, policy: { anonymous: true } },
      limits: { anonymous: { sessionsPerAddress: 3 } },
    });
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((endpoint) => endpoint.close()));
    await mesh.leave();
  });

  after(() => mesh.close());

  async function anonymous(more: Partial<EndpointOptions> = {}): Promise<Endpoint> {
    const endpoint = await Endpoint.connect({ anonymous: 'example.com', relay: mesh.url('example.com'), ...more });
    open.push(endpoint);
    return endpoint;
  }

  it('REQ-IMPP-040 get a random address of their own', async () => {
    const [first, second] = [await anonymous(), await anonymous()];
    for (const { addresses } of [first, second]) {
      expect(addresses).to.have.length(1);
      expect(addresses[0]).to.match(/^anonymous\/[0-9a-f]{32}@example\.com$/);
    }
    expect(first.addresses[0]).to.not.equal(second.addresses[0]);
  });

  it('REQ-IMPP-040 REQ-IMPP-050 subscribe and poll where an entry names them, here and in another domain', async () => {
    for (const address of [FRED, BARNEY]) {
      const publisher = await mesh.attach(address);
      await publisher.access.set([
        { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
        { actor: address, actions: ['all:all'] },
      ]);
      await publisher.presence.publish({
        tuples: [{ destination: `im:${address}`, availableUntil: new Date(Date.now() + 60_000) }],
      });
      const nobody = await anonymous();
      const refused = await failureOf(nobody.presence.poll(address));
      expect(refused.reply?.code, '*@* does not stand for those whom nobody vouches for').to.equal(537);
      const { entries } = await publisher.access.get();
      await publisher.access.set([{ actor: ENTRY, actions: ['presence:subscribe'] }, ...entries]);
      expect((await nobody.presence.poll(address)).open).to.equal(true);
      const feed = await nobody.presence.subscribe(address);
      const seen = feed[Symbol.asyncIterator]();
      expect((await seen.next()).value?.open).to.equal(true);
      await publisher.presence.publish({ tuples: [{ destination: `im:${address}`, availableUntil: new Date(0) }] });
      expect((await seen.next()).value?.open).to.equal(false);
      await feed.end();
      // Barred again by the owner.
      await publisher.access.set(entries);
      expect((await failureOf(nobody.presence.poll(address))).reply?.code).to.equal(537);
      await publisher.close();
    }
  });

  it('send where an entry names them, and are answered', async () => {
    const fred = await mesh.attach(FRED);
    const heard: Delivery[] = [];
    fred.receive((delivery) => void heard.push(delivery));
    await fred.access.set([
      { actor: FRED, actions: ['all:all'] },
      { actor: '*@*', actions: ['core:data'] },
    ]);
    const nobody = await anonymous();
    expect((await failureOf(nobody.send({ to: FRED, content: 'Yabba' }))).reply?.code).to.equal(537);
    await fred.access.set([
      { actor: FRED, actions: ['all:all'] },
      { actor: ENTRY, actions: ['core:data'] },
      { actor: '*@*', actions: ['core:data'] },
    ]);
    await nobody.send({ to: FRED, content: 'Yabba' });
    expect(heard.map(({ originator }) => originator)).to.deep.equal(nobody.addresses);
    const answers: string[] = [];
    nobody.receive((delivery) => void answers.push(delivery.text()));
    await fred.send({ to: heard[0]?.originator ?? '', content: 'Dabba' });
    expect(answers).to.deep.equal(['Dabba']);
  });

  it('do nothing else, whatever an entry says', async () => {
    const fred = await mesh.attach(FRED);
    await fred.access.set([
      { actor: ENTRY, actions: ['all:all'] },
      { actor: FRED, actions: ['all:all'] },
    ]);
    const nobody = await anonymous();
    expect((await failureOf(nobody.access.get({ owner: FRED }))).reply?.code).to.equal(537);
    expect((await failureOf(nobody.presence.who(FRED))).reply?.code).to.equal(537);
    const publish = nobody.presence.publish(
      { tuples: [{ destination: 'im:x@example.com', availableUntil: new Date(0) }] },
      { publisher: FRED },
    );
    expect((await failureOf(publish)).reply?.code).to.equal(537);
    expect((await failureOf(nobody.attach('fred/appl=x@example.com'))).reply?.code).to.equal(537);
    expect((await failureOf(nobody.attach(`anonymous/${'0'.repeat(32)}@example.com`))).reply?.code).to.equal(554);
    expect((await failureOf(nobody.send({ to: FRED, content: 'x', from: 'wilma@example.com' }))).reply?.code).to.equal(
      537,
    );
  });

  it('are not taken over by those who know their name, nor by accounts', async () => {
    const nobody = await anonymous();
    const [name = ''] = nobody.addresses;
    const fred = await mesh.attach(FRED);
    expect((await failureOf(fred.attach(name))).reply?.code).to.equal(537);
  });

  it('are as many as the limit for their address allows; the oldest makes room', async () => {
    const first = await anonymous();
    const lost = new Promise((resolve) => first.on('close', resolve));
    for (let count = 0; count < 3; count += 1) await anonymous();
    await lost;
    expect(open).to.have.length(4);
  });

  it('send as fast as the limit for their address allows, together', async () => {
    const [first, second] = [await anonymous(), await anonymous()];
    const codes = new Set<number | undefined>();
    for (let count = 0; count < 15; count += 1) {
      for (const one of [first, second]) codes.add((await failureOf(one.send({ to: FRED, content: 'x' }))).reply?.code);
    }
    expect(codes).to.include(450);
  });

  it('are refused unless the policy says otherwise, and there the mechanism is needed', async () => {
    const strict = await LocalMesh.start({ config: { sasl: { mechanisms: ['DIGEST-MD5', 'ANONYMOUS'] } } });
    try {
      const relay = strict.url('example.com');
      expect((await failureOf(Endpoint.connect({ anonymous: 'example.com', relay }))).reply?.code).to.equal(530);
    } finally {
      await strict.close();
    }
    const config = { domains: ['example.com'], listen: [{ port: 0 }], store: { type: 'memory' } };
    expect(() => parseConfig({ ...config, policy: { anonymous: true } }, '/')).to.throw('ANONYMOUS');
  });

  it('have neither an address nor a password', async () => {
    for (const more of [{ address: FRED }, { password: 'x' }] as const) {
      expect((await failureOf(anonymous(more))).message).to.include('anonymous goes without');
    }
  });
});
