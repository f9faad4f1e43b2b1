/** Connections that die as soon as they are made, and everybody coming back at once: nobody is worn out by it. */
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { events } from '../../lib/ops/events.js';
import { freePort } from '../support/free-port.js';
import { Interceptor } from '../support/interceptor.js';
import { BARNEY, FRED, NodeFixture, passwordOf } from '../support/node-fixture.js';

import { inlineData } from '../support/raw-documents.js';
import { RawNeighbour } from '../support/raw-neighbour.js';

const WATCHED_MS = 5000;

describe('security: storms of reconnections', function () {
  this.timeout(60_000);
  let fixture: NodeFixture | undefined;
  let neighbour: RawNeighbour | undefined;
  let interceptor: Interceptor | undefined;

  afterEach(async () => {
    neighbour?.close();
    interceptor?.close();
    await fixture?.close();
    fixture = undefined;
    neighbour = undefined;
    interceptor = undefined;
  });

  it('dials a neighbour whose session ends right after each bind less and less often', async () => {
    const there = await RawNeighbour.listen();
    neighbour = there;
    const routes = [{ domain: 'rubble.com', relays: [there.url], tls: 'off' as const, lanes: 1 }];
    fixture = await NodeFixture.build({ config: { mesh: { dns: { enabled: false }, routes } } });
    const fred = await fixture.attached(FRED);
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

  it('logs an endpoint in less and less often when its connection ends right after each attach', async () => {
    fixture = await NodeFixture.build();
    const between = await Interceptor.between(fixture.port, {});
    interceptor = between;
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

  it('accepts all endpoints at its rate after a restart, refuses the rest with 421, and answers meanwhile', async () => {
    const port = await freePort();
    const listen = [{ transport: 'tcp' as const, host: '127.0.0.1', port }];
    const build = (loginsPerSecond: number, loginBurst: number): Promise<NodeFixture> =>
      NodeFixture.build({ limits: { node: { loginsPerSecond, loginBurst } }, config: { listen } });
    fixture = await build(0, 1);
    const count = 200;
    let back = 0;
    const endpoints = await Promise.all(
      Array.from({ length: count }, (_, at) =>
        Endpoint.connect({
          address: `barney/${at}@example.com`,
          relay: `tcp://127.0.0.1:${port}`,
          password: passwordOf(BARNEY),
          reconnect: { firstMs: 100, longestMs: 2000 },
        }),
      ),
    );
    for (const endpoint of endpoints) {
      endpoint.on('connect', () => {
        back += 1;
      });
    }
    await fixture.close();
    const logins: number[] = [];
    const refusals: number[] = [];
    const unsubscribe = [
      events.authenticated.subscribe(({ side }) => side === 'peer' && logins.push(performance.now())),
      events.refused.subscribe(({ what, code }) => what === 'session' && refusals.push(code)),
    ];
    const again = await build(40, 40);
    fixture = again;
    const times: number[] = [];
    const honest = await again.honest('127.0.0.9');
    const begun = performance.now();
    while (back < count && performance.now() - begun < 40_000) {
      times.push(await honest.served());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const stop of unsubscribe) stop();
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    const mostInASecond = Math.max(
      ...logins.map((at) => logins.filter((other) => other >= at && other < at + 1000).length),
    );
    times.sort((a, b) => a - b);
    const p99 = times[Math.floor(times.length * 0.99)] ?? 0;
    console.log(
      `      ${count} came back in ${Math.round(performance.now() - begun)} ms, ${mostInASecond} in a second at most, after ${refusals.length} refusals; honest p99 ${p99.toFixed(0)} ms`,
    );
    expect(back, 'all are back').to.equal(count);
    expect(mostInASecond, 'a burst and the rate').to.be.at.most(85);
    expect(refusals.length).to.be.greaterThan(0);
    expect(new Set(refusals)).to.deep.equal(new Set([421]));
    expect(p99).to.be.below(1000);
  });
});
