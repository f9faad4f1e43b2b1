import { expect } from 'chai';
import { events } from '../../lib/ops/events.js';
import { attached, endpoint, makeRelay, neighbour } from '../support/fake-channel.js';
import { data } from '../support/fake-dialect.js';

/** Runs `work` and gives what was published meanwhile. */
function heard(work: () => void): [string, Record<string, unknown>][] {
  const list: [string, Record<string, unknown>][] = [];
  const ends = [events.attached, events.bound, events.terminated, events.refused, events.forwarded].map((event) =>
    event.subscribe((message) => list.push([event.name, { ...message }])),
  );
  try {
    work();
  } finally {
    for (const end of ends) end();
  }
  return list;
}

describe('relay: events for the operator', () => {
  it('reports the beginning and the end of attachments and bindings', () => {
    const relay = makeRelay();
    const list = heard(() => {
      attached(relay, 'fred@example.com').lose();
      const rubble = neighbour(relay, 'rubble.com');
      rubble.bind('rubble.com', 9);
      rubble.terminate(9);
    });
    expect(list.map(([name, { subject, transID }]) => [name, subject, transID])).to.deep.equal([
      ['imxp:relay:attach', 'fred@example.com', 1],
      ['imxp:relay:terminate', 'fred@example.com', 1],
      ['imxp:relay:bind', 'rubble.com', 9],
      ['imxp:relay:terminate', 'rubble.com', 9],
    ]);
  });

  it('gives the reason of a refusal to the operator, and not to the peer', () => {
    const fred = endpoint(makeRelay(), 'fred@example.com');
    const [[name, event] = []] = heard(() => fred.attach('wilma@example.com'));
    expect(name).to.equal('imxp:session:refused');
    expect(event).to.deep.include({ what: 'attach', subject: 'wilma@example.com', code: 537, remote: '192.0.2.7' });
    expect(event?.['reason']).to.contain('fred@example.com');
    expect(fred.text(0)).not.to.contain('fred');
  });

  it('traces each Data with its outcome, and never with its content', () => {
    const relay = makeRelay();
    const fred = attached(relay, 'fred@example.com');
    const wilma = attached(relay, 'wilma@example.com');
    const secret = 'the-content';
    const list = heard(() => {
      fred.send(data('fred@example.com', ['wilma@example.com'], [], secret));
      wilma.requests[0]?.ok();
      fred.send(data('fred@example.com', ['wilma@example.com', 'joe@slate.example'], [], secret));
      wilma.requests[1]?.error(550, 'no');
    });
    expect(list.map(([, { code, recipients, originator }]) => [code, recipients, originator])).to.deep.equal([
      [250, ['wilma@example.com'], 'fred@example.com'],
      [550, ['joe@slate.example'], 'fred@example.com'],
      [550, ['wilma@example.com'], 'fred@example.com'],
    ]);
    for (const [, { ms }] of list) expect(ms).to.be.within(0, 10_000);
    expect(JSON.stringify(list)).not.to.contain(secret);
  });
});
