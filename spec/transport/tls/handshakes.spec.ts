import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { TransportError } from '../../../lib/errors.js';
import { Handshakes } from '../../../lib/transport/tls/handshakes.js';
import { within } from '../../support/within.js';

describe('transport/tls/handshakes', () => {
  const connection = { remote: { address: '192.0.2.1', port: 1 }, destroy: () => {} };
  const outcome = (turn: Promise<void>): Promise<string> =>
    turn.then(
      () => 'its turn',
      (error: unknown) => (error instanceof TransportError ? error.code : String(error)),
    );

  it('gives no turn to a connection that was closed while it waited', async () => {
    const handshakes = new Handshakes();
    const streams = Array.from({ length: 20 }, () => new PassThrough());
    const turns = streams.map((stream) => outcome(handshakes.turn(connection, stream)));
    for (const stream of streams.slice(1, -1)) stream.destroy();
    const outcomes = await within(5000, Promise.all(turns), 'all outcomes');
    expect(outcomes[0]).to.equal('its turn');
    expect(outcomes.at(-1)).to.equal('its turn');
    expect(outcomes.slice(1, -1)).to.deep.equal(Array.from({ length: 18 }, () => 'CONNECTION_LOST'));
    expect(await outcome(handshakes.turn(connection, streams[1] ?? new PassThrough()))).to.equal('CONNECTION_LOST');
  });
});
