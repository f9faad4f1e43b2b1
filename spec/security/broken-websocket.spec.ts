import { expect } from 'chai';
import { NodeFixture } from '../support/node-fixture.js';
import { within } from '../support/within.js';

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

describe('security: WebSockets that break at once', () => {
  let fixture: NodeFixture;
  before(async () => {
    fixture = await NodeFixture.build({ config: { listen: [{ transport: 'any', host: '127.0.0.1', port: 0 }] } });
  });
  after(() => fixture.close());

  for (const [what, octets] of [
    ['a frame that is none', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['a frame without a mask', Buffer.from([0x82, 0x01, 0x41])],
    ['a message that is too long', Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3, 4])],
  ] as const) {
    it(`ends the connection and not the process on ${what} in the segment of the request`, async () => {
      const honest = await fixture.honest();
      const before = fixture.closed.length;
      const socket = await fixture.socket();
      const gone = new Promise((resolve) => socket.once('close', resolve));
      socket.resume();
      socket.write(Buffer.concat([Buffer.from(UPGRADE), octets]));
      await within(10_000, gone, 'the end of the connection');
      const { reason } = await fixture.until('the session ended', () => fixture.closed[before]);
      expect(reason).to.match(/WebSocket/);
      await honest.served();
      honest.fred.peer.destroy();
      honest.wilma.peer.destroy();
      expect(fixture.faults).to.deep.equal([]);
    });
  }
});
