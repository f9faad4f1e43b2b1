import { expect } from 'chai';
import { LocalError, type Reply } from '../../lib/errors.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import { Link } from '../../lib/mesh/link.js';
import type { Connection } from '../../lib/transport/connection.js';
import { within } from '../support/within.js';

describe('mesh/link', () => {
  const options = {
    name: 'rubble.com',
    dialects: () => [imxpDialect()],
    domains: ['example.com'],
    lanes: 1,
    accept: () => ({ message: () => {}, closed: () => {} }),
    bound: () => {},
    up: () => {},
  };

  it('does not let Data wait for a session longer than the limit, and goes on dialling', async () => {
    let down: (obstacle: Reply | undefined) => void = () => {};
    const told = new Promise<Reply | undefined>((resolve) => {
      down = resolve;
    });
    const link = new Link({ ...options, dataWaitMs: 30, connect: () => new Promise<Connection>(() => {}), down });
    link.connect();
    expect(await within(2000, told, 'an answer')).to.deep.equal({ code: 450, text: 'relay unavailable' });
    expect(link.state).to.equal('connecting');
    await link.close();
  });

  it('fails fast and comes back soon', async () => {
    let attempts = 0;
    let again: () => void = () => {};
    const second = new Promise<void>((resolve) => {
      again = resolve;
    });
    const obstacles: (number | undefined)[] = [];
    const link = new Link({
      ...options,
      dataWaitMs: 10_000,
      connect: () => {
        attempts += 1;
        if (attempts === 2) again();
        return Promise.reject(new LocalError('CONNECT_FAILED', 'nobody listens'));
      },
      down: (obstacle) => obstacles.push(obstacle?.code),
    });
    link.connect();
    await within(2000, second, 'a second attempt');
    expect(obstacles[0]).to.equal(450);
    await link.close();
    expect(obstacles.at(-1)).to.equal(421);
  });
});
