import { expect } from 'chai';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';
import { within } from '../support/within.js';

const BARNEY = 'barney@rubble.com';
const FRED = 'fred@example.com';
const TOMORROW = new Date(Date.now() + 86_400_000);

describe('permission that is withdrawn, between endpoints of two relays', () => {
  let mesh: LocalMesh;
  before(async () => {
    mesh = await LocalMesh.start();
  });
  after(() => mesh.close());

  it('ends a subscription at once: the subscriber is told, and hears of no later publish', async () => {
    const [barney, fred] = [await mesh.attach(BARNEY), await mesh.attach(FRED)];
    await barney.access.allow(FRED, ['presence:subscribe', 'core:data']);
    await barney.presence.publish({ tuples: [{ destination: 'im:barney@rubble.com', availableUntil: TOMORROW }] });
    const feed = await fred.presence.subscribe(BARNEY, { duration: 3600 });
    const heard: string[] = [];
    const over = (async () => {
      for await (const { tuples } of feed) heard.push(tuples.map(({ destination }) => destination).join());
    })();
    await within(
      5000,
      until(() => heard.length > 0),
      'the first publish',
    );
    await barney.access.deny(FRED, ['presence:subscribe']);
    const ending = await within(
      2000,
      over.then(
        () => undefined,
        (error: Error) => error,
      ),
      'the end of the subscription',
    );
    await barney.presence.publish({ tuples: [{ destination: 'im:fred@home.example', availableUntil: TOMORROW }] });
    expect(heard).to.deep.equal(['im:barney@rubble.com']);
    expect(ending).to.include({ name: 'RefusedError' }).and.to.have.nested.property('reply.code', 537);
    expect((await failureOf(fred.presence.subscribe(BARNEY))).reply?.code).to.equal(537);
  });
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
}
