import { expect } from 'chai';
import { LocalError, type Reply } from '../../lib/errors.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import { Link } from '../../lib/mesh/link.js';
import type { Connection } from '../../lib/transport/connection.js';
import { initiator } from '../support/echo.js';
import { inlineData } from '../support/raw-documents.js';
import { closeChannel, grant, RawNeighbour } from '../support/raw-neighbour.js';
import type { RawRelaySession } from '../support/raw-relay.js';
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

  it('limits how long Data wait for a session, and continues dialling', async () => {
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

  it('fails at once while the neighbour is unreachable, and dials again soon', async () => {
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

  describe('with a neighbour that is slow to answer starts', () => {
    let neighbour: RawNeighbour;
    let link: Link;
    let session: RawRelaySession;
    /** What came of each further lane. */
    let opened: boolean[];
    let told: () => void;

    beforeEach(async () => {
      neighbour = await RawNeighbour.listen();
      opened = [];
      const up = new Promise<void>((resolve) => {
        link = new Link({
          ...options,
          maximumLanes: 3,
          dataWaitMs: 10_000,
          connect: async () => {
            const { connection } = await initiator(neighbour.relay.port);
            await connection.greeted();
            return connection;
          },
          up: () => resolve(),
          down: () => {},
          opened: (lane) => {
            opened.push(lane !== undefined);
            told();
          },
        });
      });
      link.connect();
      ({ session } = await neighbour.linked(1));
      await within(2000, up, 'the link');
    });

    afterEach(async () => {
      neighbour.close();
      await link.close(100);
    });

    it('opens no more lanes than the link may have', async () => {
      const all = new Promise<void>((resolve) => {
        told = () => {
          if (opened.length === 4) resolve();
        };
      });
      for (let at = 0; at < 4; at += 1) link.openLane();
      const starts = [await session.started(), await session.started()];
      for (const asked of starts) grant(session, asked);
      await within(2000, all, 'what came of four lanes');
      expect(opened).to.deep.equal([false, false, true, true]);
    });

    it('asks for no further lane because of what the neighbour sends while enough are asked for', async () => {
      const both = new Promise<void>((resolve) => {
        told = () => {
          if (opened.length === 2) resolve();
        };
      });
      session.msg(1, inlineData('dino@rubble.com', ['fred@example.com'], 'one'));
      const starts = [await session.started(), await session.started()];
      // Time for several more.
      await new Promise((resolve) => setTimeout(resolve, 1000));
      for (const asked of starts) grant(session, asked);
      await within(2000, both, 'two lanes');
      // What was asked for before has arrived with the reply.
      await closeChannel(session, starts[0]?.channel ?? 0);
      expect(session.channel(0).requests).to.have.length(0);
    });
  });
});
