import type { Socket } from 'node:net';
import { expect } from 'chai';
import { BARNEY, FRED, NodeFixture, PEBBLES, WILMA } from '../support/node-fixture.js';
import { beepXml, DIGEST_MD5, errorIn, GREETING, IMXP, start, TLS } from '../support/raw-documents.js';
import { frame } from '../support/raw-frame.js';
import { within } from '../support/within.js';

const ENEMY = '127.0.0.66';
/** Idle connections; IMXP_STRANGERS=10000 for the full number, which takes some kernels half a minute. */
const CONNECTIONS = Number(process.env['IMXP_STRANGERS'] ?? 2000);

describe('security: unauthenticated peers', () => {
  let fixture: NodeFixture;
  afterEach(() => fixture.close());

  it('admits and serves honest endpoints beside thousands of idle connections from one address, from that address too', async () => {
    fixture = await NodeFixture.build();
    const honest = await fixture.honest();
    const times: number[] = [];
    const open = new Set<Socket>();
    for (let batch = 0; batch < CONNECTIONS / 100; batch += 1) {
      const sockets = await Promise.all(Array.from({ length: 100 }, () => fixture.socket(ENEMY)));
      for (const socket of sockets) {
        open.add(socket);
        socket.once('close', () => open.delete(socket));
        socket.resume();
      }
      times.push(await honest.served());
    }
    // A newcomer from elsewhere, and one from the very address, among all of them.
    await fixture.attached(BARNEY, { from: '127.0.0.3' });
    await fixture.attached(PEBBLES, { from: ENEMY });
    times.push(await honest.served());
    expect(fixture.node.sessions).to.be.at.most(500 + 4);
    const reasons = fixture.closed.filter(({ reason }) => /disconnected for a newer/.test(reason ?? ''));
    expect(reasons.length).to.be.at.least(CONNECTIONS - 600);
    console.log(
      `      ${CONNECTIONS} connections: ${fixture.node.sessions} sessions stayed, slowest honest message ${Math.round(Math.max(...times))} ms`,
    );
  }).timeout(120_000);

  it('keeps unauthenticated peers of one address when another address opens many connections', async () => {
    fixture = await NodeFixture.build({ limits: { unauthenticated: { sessions: 20, sessionsPerAddress: 15 } } });
    const slow = await fixture.greeted({ from: '127.0.0.5' });
    for (let i = 0; i < 60; i += 1) await fixture.socket(i % 2 === 0 ? ENEMY : '127.0.0.67');
    expect((await slow.authenticate({ username: 'fred', password: 'quarry fred@example.com' })).keyword).to.equal(
      'RPY',
    );
  });

  it('drops the connections of whoever attacks from many addresses, the largest network first', async () => {
    fixture = await NodeFixture.build({ limits: { unauthenticated: { sessions: 40, sessionsPerAddress: 20 } } });
    const slow = await fixture.greeted({ from: '127.0.0.5' });
    for (let i = 0; i < 100; i += 1) await fixture.socket(`127.0.1.${1 + (i % 10)}`);
    expect((await slow.authenticate({ username: 'fred', password: 'quarry fred@example.com' })).keyword).to.equal(
      'RPY',
    );
    expect(fixture.node.sessions).to.be.at.most(41);
  });

  it('cuts off an unauthenticated peer that sends more octets than it may', async () => {
    fixture = await NodeFixture.build({ limits: { unauthenticated: { octets: 20_000 } } });
    const honest = await fixture.honest();
    const peer = await fixture.greeted();
    const talk = async (): Promise<void> => {
      // Each is refused in order, and costs.
      for (let i = 0; i < 200; i += 1) await peer.start('http://example.com/profiles/unknown');
    };
    await talk().catch(() => {});
    await peer.ended();
    await fixture.ended(/more than 20000 octets without authentication/);
    await honest.served();
  });

  it('lets an unauthenticated peer open a few channels only', async () => {
    fixture = await NodeFixture.build();
    const peer = await fixture.greeted();
    const codes: (number | undefined)[] = [];
    for (let i = 0; i < 12; i += 1) codes.push(errorIn((await peer.start(IMXP)).reply.payload)?.code);
    expect(codes).to.deep.equal([...new Array(8).fill(undefined), ...new Array(4).fill(530)]);
    // It may still log in on one less, and then open more.
    await peer.close(1);
    expect((await peer.authenticate({ username: 'fred', password: 'quarry fred@example.com' })).keyword).to.equal(
      'RPY',
    );
    for (let i = 0; i < 5; i += 1) expect((await peer.start(IMXP)).reply.keyword).to.equal('RPY');
  });

  it('drops unfinished TLS handshakes for newer ones, those of the same address first', async () => {
    fixture = await NodeFixture.build({ tls: 'mesh', limits: { node: { handshakes: 8 } } });
    const honest = await fixture.honest();
    const beginHandshake = async (): Promise<Socket> => {
      const socket = await fixture.socket(ENEMY);
      const ready = start({ channel: 1, uri: TLS, content: '<ready />' });
      socket.write(Buffer.concat([frame('RPY', 0, 0, '.', 0, GREETING), frame('MSG', 0, 1, '.', 52, ready)]));
      const proceeded = new Promise<void>((resolve) => {
        let text = '';
        socket.on('data', (octets) => {
          text += octets;
          if (text.includes('proceed')) resolve();
        });
      });
      await within(5000, proceeded, 'proceed');
      return socket;
    };
    const sockets: Socket[] = [];
    for (let i = 0; i < 30; i += 1) sockets.push(await beginHandshake());
    await fixture.attached(BARNEY, { tls: true, from: '127.0.0.3' });
    await fixture.attached(PEBBLES, { tls: true, from: ENEMY });
    await honest.served();
    expect(fixture.closed.filter(({ reason }) => /newer TLS handshake/.test(reason ?? '')).length).to.be.at.least(26);
  });

  it('delivers nothing from unauthenticated peers to an application', async () => {
    fixture = await NodeFixture.build();
    const honest = await fixture.honest();
    const peer = await fixture.greeted();
    const { number } = await peer.start(IMXP);
    const payload = `Content-Type: text/xml\r\n\r\n<data originator='${FRED}' content='#P'><recipient identity='${WILMA}' /><data-content Name='P'>x</data-content></data>`;
    expect(errorIn((await peer.ask(number, payload)).payload)?.code).to.equal(530);
    expect((await peer.ask(0, beepXml(`<start number='9'><profile uri='${DIGEST_MD5}' /></start>`))).keyword).to.equal(
      'RPY',
    );
    await honest.served();
  });
});
