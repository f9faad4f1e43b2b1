import { expect } from 'chai';
import { TransportError } from '../../lib/errors.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import { Link } from '../../lib/mesh/link.js';
import { LinkPool } from '../../lib/mesh/link-pool.js';

interface Fake {
  readonly link: Link;
  busy: boolean;
}

/** A link that nothing is at the end of. */
function unconnected(name: string): Link {
  return new Link({
    name,
    dialects: () => [imxpDialect()],
    domains: ['example.com'],
    lanes: 1,
    dataWaitMs: 1000,
    connect: () => Promise.reject(new TransportError('CONNECT_FAILED', 'nobody')),
    accept: () => ({ message: () => {}, closed: () => {} }),
    bound: () => {},
    up: () => {},
    down: () => {},
  });
}

describe('the pool of links', () => {
  const made: string[] = [];

  function pool(most: number): LinkPool<Fake> {
    return new LinkPool<Fake>({
      most,
      idleMs: 60_000,
      busy: ({ busy }) => busy,
      current: async () => true,
      make: (domain) => {
        made.push(domain);
        return { link: unconnected(domain), busy: false };
      },
    });
  }

  beforeEach(() => {
    made.length = 0;
  });

  it('creates one link for each domain when it is needed', async () => {
    const own = pool(4);
    expect(own.toward('rubble.com')).to.equal(own.toward('rubble.com'));
    own.toward('slate.example');
    expect(made).to.deep.equal(['rubble.com', 'slate.example']);
    await own.close();
    expect(own.size).to.equal(0);
  });

  it('makes room by closing idle links only', async () => {
    const own = pool(2);
    const rubble = own.toward('rubble.com');
    const slate = own.toward('slate.example');
    if (rubble === undefined || slate === undefined) throw new Error('there was room');
    rubble.busy = true;
    expect(own.toward('quarry.example')?.link.name).to.equal('quarry.example');
    expect(slate.link.state).to.equal('closed');
    expect(own.toward('rubble.com')).to.equal(rubble);
    const quarry = own.toward('quarry.example');
    if (quarry !== undefined) quarry.busy = true;
    expect(own.toward('bedrock.example')).to.equal(undefined);
    expect(own.size).to.equal(2);
    await own.close();
  });
});
