/** Connections that die as soon as they are made, and everybody coming back at once: nobody is worn out by it. */
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { Middleman } from '../support/middleman.js';
import { inlineData } from '../support/raw-documents.js';
import { RawNeighbour } from '../support/raw-neighbour.js';
import { FRED, passwordOf, Stronghold } from '../support/stronghold.js';

const WATCHED_MS = 5000;

describe('security: storms of reconnections', function () {
  this.timeout(60_000);
  let stronghold: Stronghold | undefined;
  let neighbour: RawNeighbour | undefined;
  let middleman: Middleman | undefined;

  afterEach(async () => {
    neighbour?.close();
    middleman?.close();
    await stronghold?.fall();
    stronghold = undefined;
    neighbour = undefined;
    middleman = undefined;
  });

  it('a neighbour whose session ends right after each bind is dialled less and less often', async () => {
    const there = await RawNeighbour.listen();
    neighbour = there;
    const routes = [{ domain: 'rubble.com', relays: [there.url], tls: 'off' as const, lanes: 1 }];
    stronghold = await Stronghold.build({ config: { mesh: { dns: { enabled: false }, routes } } });
    const fred = await stronghold.attached(FRED);
    fred.peer.msg(fred.channel, inlineData(FRED, ['dino@rubble.com'], 'one'));
    const made: number[] = [];
    const begun = performance.now();
    const watching = (async (): Promise<void> => {
      for (;;) {
        const { session } = await there.linked(1);
        made.push(performance.now() - begun);
        session.destroy();
      }
    })();
    watching.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
    expect(made.length, made.map(Math.round).join(' ')).to.be.within(3, 9);
  });

  it('an endpoint whose connection ends right after each attach logs in less and less often', async () => {
    stronghold = await Stronghold.build();
    const between = await Middleman.between(stronghold.port, {});
    middleman = between;
    const endpoint = await Endpoint.connect({
      address: FRED,
      relay: between.url,
      password: passwordOf(FRED),
      reconnect: { firstMs: 50, longestMs: 10_000 },
    });
    let logins = 0;
    endpoint.on('connect', () => {
      logins += 1;
      between.cut();
    });
    between.cut();
    await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
    await endpoint.close();
    expect(logins).to.be.within(3, 9);
  });
});
