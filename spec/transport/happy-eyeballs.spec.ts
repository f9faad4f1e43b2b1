import { createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { connectFirst } from '../../lib/transport/happy-eyeballs.js';
import { RecentFailures } from '../../lib/transport/recent-failures.js';
import { failureOf } from '../support/failure.js';
import { freePort } from '../support/free-port.js';

/** No host answers there (RFC 5737), neither with a refusal. */
const HOLE = '192.0.2.1';

describe('connecting to one of several addresses', () => {
  let server: Server;
  let port: number;

  before(async () => {
    server = createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  });

  after(() => new Promise<void>((resolve) => server.close(() => resolve())));

  it('tries the next address at once when one refuses', async () => {
    // A head start for each of them would be longer than it may take in all.
    const refusing = Array.from({ length: 40 }, (_, index) => `127.0.0.${index + 2}`);
    const socket = await connectFirst([...refusing, '127.0.0.1'], port, { timeoutMs: 9000, name: 'relay' });
    expect(socket.remoteAddress).to.equal('127.0.0.1');
    socket.destroy();
  });

  it('gives each a head start, not more', async () => {
    const socket = await connectFirst([HOLE, '127.0.0.1'], port, { timeoutMs: 5000, name: 'relay' });
    expect(socket.remoteAddress).to.equal('127.0.0.1');
    socket.destroy();
  });

  it('gives the reason of the last failure, or says that it took too long', async () => {
    const closed = await freePort();
    const refused = await failureOf(
      connectFirst(['127.0.0.1', '127.0.0.2'], closed, { timeoutMs: 5000, name: 'relay' }),
    );
    expect(refused).to.include({
      code: 'CONNECT_FAILED',
      message: 'cannot connect to relay: nothing is listening there',
    });
    const late = await failureOf(connectFirst([HOLE], port, { timeoutMs: 30, name: 'relay' }));
    expect(late.code).to.be.oneOf(['TIMED_OUT', 'CONNECT_FAILED']); // the latter where there is no network at all
  });
});

describe('the failures of relays', () => {
  const relays = ['a', 'b', 'c'].map((url) => ({ url }));

  it('puts those that failed last, the oldest failure first, for a minute', () => {
    let now = 0;
    const failures = new RecentFailures(() => now);
    const order = (): string =>
      failures
        .sort(relays)
        .map(({ url }) => url)
        .join('');
    failures.failed('b');
    now = 1;
    failures.failed('a');
    expect(order()).to.equal('cba');
    failures.worked('b');
    expect(order()).to.equal('bca');
    now = 60_002;
    expect(order()).to.equal('abc');
  });
});
