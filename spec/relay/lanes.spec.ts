import { expect } from 'chai';
import type { Reply } from '../../lib/errors.js';
import { LinkTarget } from '../../lib/mesh/link-target.js';
import type { Payload } from '../../lib/mime/payload.js';
import { REPLIES } from '../../lib/relay/answer.js';
import { ChannelTarget } from '../../lib/relay/channel-target.js';
import { LaneGroup } from '../../lib/relay/lanes.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../../lib/relay/target.js';
import { attached, DIALECT, FakeChannel, FakeTarget, LIMITS, makeRelay, neighbour } from '../support/fake-channel.js';
import { data } from '../support/fake-dialect.js';
import { FakeTime } from '../support/fake-time.js';
import { within } from '../support/within.js';

const relayIdentity = {
  kind: 'relay',
  domains: ['rubble.com'],
  proof: { mechanism: 'DIGEST-MD5', privacy: true },
} as const;

const ORIGINATOR = 'fred@example.com';

/** Delivers one Data to a recipient and keeps the outcome. */
class Sent implements OutboundDelivery, DeliverySink {
  outcome: 'ok' | Reply | undefined;
  readonly answered: Promise<void>;
  #told = (): void => {};
  readonly data;

  constructor(target: DeliveryTarget, recipient: string, originator = ORIGINATOR) {
    this.answered = new Promise((resolve) => {
      this.#told = resolve;
    });
    this.data = data(originator, [recipient]);
    (target.lane === undefined ? target : target.lane(recipient, originator)).deliver(this, this);
  }

  payload(): Payload {
    return DIALECT.encodeData(this.data);
  }

  delivered(): void {
    this.outcome = 'ok';
    this.#told();
  }

  failed(reply: Reply): void {
    this.outcome = reply;
    this.#told();
  }
}

function targets(count: number) {
  const channels = Array.from({ length: count }, () => new FakeChannel(relayIdentity));
  return { channels, targets: channels.map((channel) => new ChannelTarget(channel, DIALECT, LIMITS)) };
}

const recipients = Array.from({ length: 40 }, (_, at) => `r${at}@rubble.com`);

/** Lanes over channels that a spec answers on, with a clock it moves; further ones are opened as far as it lets them. */
function lanesOf(count: number, most = count) {
  const { channels, targets: open } = targets(count);
  const clock = new FakeTime();
  const opened: FakeChannel[] = [];
  let asked = 0;
  const opener = { most, open: () => void asked++ };
  const lanes = new LaneGroup({ shares: LIMITS, clock, ...(most > count ? { opener } : {}) });
  for (const target of open) lanes.add(target);
  const answerAll = (): void => {
    for (const channel of [...channels, ...opened]) for (const request of channel.waiting) request.ok();
  };
  /** Has recipients known to be prompt. */
  const prove = (addresses: readonly string[]): void => {
    for (const address of addresses) {
      new Sent(lanes, address);
      answerAll();
    }
  };
  return {
    channels,
    opened,
    lanes,
    clock,
    answerAll,
    prove,
    asked: () => asked,
    /** Opens one of the lanes that were asked for. */
    open: (): FakeChannel => {
      const { channels: more, targets: target } = targets(1);
      if (target[0] === undefined || more[0] === undefined) throw new Error('a channel');
      opened.push(more[0]);
      lanes.add(target[0]);
      return more[0];
    },
    targets: open,
  };
}

const busy = (channels: readonly FakeChannel[]): number => channels.filter(({ waiting }) => waiting.length > 0).length;

describe('relay/lanes', () => {
  it('keeps the Data of one originator to one recipient on one channel while any of them is unanswered', () => {
    const { channels, lanes, prove } = lanesOf(4);
    prove(recipients);
    for (let at = 0; at < 3; at += 1) for (const recipient of recipients.slice(0, 8)) new Sent(lanes, recipient);
    for (const recipient of recipients.slice(0, 8)) {
      const on = channels.filter(({ waiting }) =>
        waiting.some(
          ({
            data: {
              recipients: [to],
            },
          }) => to?.identity === recipient,
        ),
      );
      expect(on, recipient).to.have.length(1);
    }
    expect(busy(channels), 'prompt recipients use several').to.be.greaterThan(1);
  });

  it('lets the unknown recipients of one originator wait for each other once they use up their share', () => {
    const { channels, lanes } = lanesOf(4);
    for (const recipient of recipients.slice(0, 8)) new Sent(lanes, recipient);
    expect(busy(channels), 'one of two that are for probation: the other one is for others').to.equal(1);
    new Sent(lanes, 'r1@rubble.com', 'barney@example.com');
    expect(busy(channels)).to.equal(2);
  });

  it('never queues a prompt recipient behind one that does not answer', () => {
    const { channels, lanes, prove } = lanesOf(4);
    prove(['wilma@rubble.com']);
    for (const recipient of recipients) new Sent(lanes, recipient);
    const taken = channels.filter(({ waiting }) => waiting.length > 0);
    new Sent(lanes, 'wilma@rubble.com');
    const own = channels.filter(({ waiting }) =>
      waiting.some(({ data }) => data.recipients[0]?.identity === 'wilma@rubble.com'),
    );
    expect(own).to.have.length(1);
    expect(taken).to.not.include(own[0]);
  });

  it('moves a recipient that no longer answers to a lane of its own, whoever sends to it', () => {
    const { channels, lanes, clock, prove } = lanesOf(8);
    prove(['dino@rubble.com', 'wilma@rubble.com']);
    new Sent(lanes, 'dino@rubble.com');
    clock.pass(1500);
    new Sent(lanes, 'dino@rubble.com', 'barney@example.com');
    new Sent(lanes, 'dino@rubble.com', 'betty@example.com');
    new Sent(lanes, 'wilma@rubble.com', 'barney@example.com');
    const of = (recipient: string): number[] =>
      channels.map(({ waiting }) => waiting.filter(({ data }) => data.recipients[0]?.identity === recipient).length);
    // The first one is where it was; those of others share one lane, where nobody else is.
    expect(
      of('dino@rubble.com')
        .filter((some) => some > 0)
        .sort(),
    ).to.deep.equal([1, 2]);
    const [own] = channels.filter((_channel, at) => (of('dino@rubble.com')[at] ?? 0) === 2);
    expect(own?.waiting.length).to.equal(2);
  });

  it('opens a further lane for an unknown recipient when all are busy, and sends what waited for it in order', () => {
    const { lanes, channels, asked, open } = lanesOf(2, 8);
    const sent = ['a', 'b'].map((who) => new Sent(lanes, `${who}@rubble.com`));
    for (let at = 0; at < 2; at += 1) sent.push(new Sent(lanes, 'c@rubble.com', 'barney@example.com'));
    expect([busy(channels), asked()]).to.deep.equal([2, 1]);
    const channel = open();
    expect(channel.waiting.map(({ data }) => data.recipients[0]?.identity)).to.deep.equal([
      'c@rubble.com',
      'c@rubble.com',
    ]);
    for (const request of channel.waiting) request.ok();
    expect(sent.map(({ outcome }) => outcome)).to.deep.equal([undefined, undefined, 'ok', 'ok']);
  });

  it('continues with the existing lanes when the neighbour refuses a further one', () => {
    const { lanes, channels, asked } = lanesOf(2, 8);
    for (const who of ['a', 'b']) new Sent(lanes, `${who}@rubble.com`);
    new Sent(lanes, 'c@rubble.com', 'barney@example.com');
    lanes.notOpened();
    const on = channels.flatMap(({ waiting }) => waiting.map(({ data }) => data.recipients[0]?.identity));
    expect(on.toSorted()).to.deep.equal(['a@rubble.com', 'b@rubble.com', 'c@rubble.com']);
    new Sent(lanes, 'd@rubble.com', 'betty@example.com');
    expect(asked(), 'it is not asked again at once').to.equal(1);
  });

  it('gives no originator more than it leaves for others', () => {
    const { lanes } = lanesOf(4);
    const most = LIMITS.outstanding * 4;
    const flood = Array.from({ length: most }, (_, at) => new Sent(lanes, `r${at % 40}@rubble.com`));
    expect(flood.filter(({ outcome }) => outcome === REPLIES.busy).length).to.be.at.least(most / 2);
    expect(new Sent(lanes, 'wilma@rubble.com', 'barney@example.com').outcome).to.equal(undefined);
  });

  it('counts the subaddresses of an account, and every notation of its name, as one', () => {
    const names = (at: number): string => (at % 2 === 0 ? `"fred"/${at}@EXAMPLE.com` : `fred/${at}@example.com`);
    const { channels, lanes } = lanesOf(4);
    for (const [at, recipient] of recipients.slice(0, 8).entries()) new Sent(lanes, recipient, names(at));
    expect(busy(channels), 'one lane for probation').to.equal(1);
    const most = LIMITS.outstanding * 4;
    const flood = Array.from({ length: most }, (_, at) => new Sent(lanes, `r${at % 40}@rubble.com`, names(at)));
    expect(flood.filter(({ outcome }) => outcome === REPLIES.busy).length).to.be.at.least(most / 2);
    expect(new Sent(lanes, 'wilma@rubble.com', 'barney@example.com').outcome).to.equal(undefined);
  });

  it('sends nothing on a channel that is no longer bound, nor beyond its limit of unanswered Data', () => {
    const { channels, lanes, targets: open } = lanesOf(1);
    const [first] = open;
    if (first === undefined) throw new Error('a channel');
    const before = new Sent(lanes, 'barney@rubble.com');
    lanes.remove(first);
    const { channels: others, targets: more } = targets(1);
    if (more[0] !== undefined) lanes.add(more[0]);
    const between = new Sent(lanes, 'barney@rubble.com');
    expect(between.outcome).to.equal(REPLIES.relayUnavailable);
    channels[0]?.requests[0]?.ok();
    const after = new Sent(lanes, 'barney@rubble.com');
    others[0]?.requests[0]?.ok();
    expect([before.outcome, after.outcome]).to.deep.equal(['ok', 'ok']);
  });
});

describe('relay/channel-target', () => {
  const one = (limits = LIMITS) => {
    const channel = new FakeChannel(relayIdentity);
    return { channel, target: new ChannelTarget(channel, DIALECT, limits) };
  };

  it('refuses beyond the limit of outstanding Data, and accepts again when one is answered', () => {
    const { channel, target } = one({ ...LIMITS, outstanding: 2 });
    const sent = [1, 2, 3].map(() => new Sent(target, 'barney@rubble.com'));
    expect(sent.map(({ outcome }) => outcome)).to.deep.equal([undefined, undefined, REPLIES.busy]);
    channel.requests[0]?.ok();
    expect(new Sent(target, 'barney@rubble.com').outcome).to.equal(undefined);
  });

  it('refuses beyond the limit of outstanding octets, but accepts one Data of any size when none is outstanding', () => {
    const { channel, target } = one({ ...LIMITS, outstandingOctets: 10 });
    new Sent(target, 'barney@rubble.com');
    expect(channel.requests).to.have.length(1);
    expect(new Sent(target, 'barney@rubble.com').outcome).to.equal(REPLIES.busy);
  });

  it('recognises ok by its octets, and in any other spelling', () => {
    const { channel, target } = one();
    const sent = [1, 2].map(() => new Sent(target, 'barney@rubble.com'));
    channel.requests[0]?.ok();
    channel.requests[1]?.raw('RPY', Buffer.from('{ "type": "ok" }'));
    expect(sent.map(({ outcome }) => outcome)).to.deep.equal(['ok', 'ok']);
  });

  it('REQ-BEEP-026 closes the channel on a reply that it cannot read, and on an ok in an ERR', () => {
    for (const [kind, payload] of [
      ['RPY', Buffer.from('<ok')],
      ['RPY', Buffer.from('{"type":"perhaps"}')],
      ['ERR', DIALECT.ok],
    ] as const) {
      const { channel, target } = one();
      const sent = new Sent(target, 'barney@rubble.com');
      channel.requests[0]?.raw(kind, payload);
      expect(sent.outcome).to.equal(REPLIES.relayAnswerInvalid);
      expect(channel.closedWith?.code).to.equal(501);
    }
  });

  it('fails with 450 when nothing has left, and with 451 otherwise', () => {
    for (const [reason, reply] of [
      ['timeout', REPLIES.noAnswer],
      ['lost', REPLIES.relayLost],
      ['unsent', REPLIES.relayUnsent],
    ] as const) {
      const { channel, target } = one();
      const sent = new Sent(target, 'barney@rubble.com');
      channel.requests[0]?.fail(reason);
      expect(sent.outcome).to.equal(reply);
    }
  });

  it('sends nothing on a closed channel', () => {
    const { channel, target } = one();
    channel.open = false;
    expect(new Sent(target, 'barney@rubble.com').outcome).to.equal(REPLIES.relayUnsent);
    expect(channel.requests).to.deep.equal([]);
  });
});

describe('mesh/link-target', () => {
  const link = (limits = LIMITS, deliveryTimeoutMs = 30_000) => {
    let dialled = 0;
    const target = new LinkTarget(
      { connect: () => void dialled++, openLane: () => {} },
      [DIALECT],
      { ...limits, deliveryTimeoutMs, maximumLanes: 1 },
      'rubble.com',
    );
    return { target, dialled: () => dialled };
  };

  it('queues Data while the link is being dialled, and sends them in order', () => {
    const { target, dialled } = link();
    const sent = ['a', 'b', 'a'].map((who) => new Sent(target, `${who}@rubble.com`));
    expect(dialled()).to.be.greaterThan(0);
    const { channels } = targets(1);
    target.up(channels);
    const order = channels[0]?.requests.map((request) => request.data.recipients[0]?.identity);
    expect(order).to.deep.equal(['a@rubble.com', 'b@rubble.com', 'a@rubble.com']);
    expect(sent.map(({ outcome }) => outcome)).to.deep.equal([undefined, undefined, undefined]);
  });

  it('bounds the queue in number and octets', () => {
    const few = link({ ...LIMITS, outstanding: 1 }).target;
    expect([1, 2].map(() => new Sent(few, 'a@rubble.com').outcome)).to.deep.equal([undefined, REPLIES.busy]);
  });

  it('leaves half of the queue to others, however many subaddresses an account writes from', () => {
    const { target } = link();
    const flood = recipients.map((recipient, at) => new Sent(target, recipient, `fred/${at}@example.com`));
    expect(flood.filter(({ outcome }) => outcome === undefined)).to.have.length(LIMITS.outstanding / 2);
    expect(new Sent(target, 'a@rubble.com', 'barney@example.com').outcome).to.equal(undefined);
  });

  it('fails with 450 what has waited too long, whatever the link does', async () => {
    const { target } = link(LIMITS, 50);
    const sent = new Sent(target, 'a@rubble.com');
    await within(2000, sent.answered, 'an answer');
    expect(sent.outcome).to.equal(REPLIES.relayUnavailable);
    expect(target.waiting).to.equal(0);
  });

  it('fails at once while the link is known to be down, and tries again after that', () => {
    const { target, dialled } = link();
    const waiting = new Sent(target, 'a@rubble.com');
    target.down(REPLIES.relayUnavailable);
    expect(waiting.outcome).to.equal(REPLIES.relayUnavailable);
    const before = dialled();
    expect(new Sent(target, 'a@rubble.com').outcome).to.equal(REPLIES.relayUnavailable);
    expect(dialled()).to.equal(before);
    target.down(undefined);
    expect(new Sent(target, 'a@rubble.com').outcome).to.equal(undefined);
    expect(dialled()).to.equal(before + 1);
  });

  it('learns the domain of the neighbour when the link is up', () => {
    const { target } = link();
    target.up([new FakeChannel({ ...relayIdentity, domains: ['Hub.example'] })]);
    expect([target.relay, target.lane('a@rubble.com', ORIGINATOR).relay]).to.deep.equal(['hub.example', 'hub.example']);
  });
});

describe('relay: next hop of a foreign domain', () => {
  const toBarney = data('fred@example.com', ['barney@rubble.com']);

  it('uses a session on which the domain is bound', () => {
    const relay = makeRelay();
    const rubble = neighbour(relay, 'rubble.com');
    rubble.bind('rubble.com');
    const fred = attached(relay, 'fred@example.com');
    const msgno = fred.send(toBarney);
    rubble.requests[0]?.ok();
    expect(fred.code(msgno)).to.equal(0);
  });

  it('stays on the link while it is up, even if the domain is bound meanwhile', () => {
    const target = new FakeTarget();
    let up = true;
    const relay = makeRelay({ dialer: { toward: () => (up ? target : REPLIES.relayUnavailable) } });
    const fred = attached(relay, 'fred@example.com');
    fred.send(toBarney);
    const rubble = neighbour(relay, 'rubble.com');
    rubble.bind('rubble.com');
    fred.send(toBarney);
    expect([target.deliveries.length, rubble.requests.length]).to.deep.equal([2, 0]);
    up = false;
    fred.send(toBarney);
    up = true;
    fred.send(toBarney);
    expect([target.deliveries.length, rubble.requests.length]).to.deep.equal([2, 2]);
  });

  it('stays on the bound session while it lasts, and dials after that', () => {
    const target = new FakeTarget();
    const relay = makeRelay({ dialer: { toward: () => target } });
    const rubble = neighbour(relay, 'rubble.com');
    rubble.bind('rubble.com');
    const fred = attached(relay, 'fred@example.com');
    fred.send(toBarney);
    rubble.lose();
    fred.send(toBarney);
    expect([target.deliveries.length, rubble.requests.length]).to.deep.equal([1, 1]);
  });

  it('answers 450 while a terminated binding still owes an answer', () => {
    const target = new FakeTarget();
    const relay = makeRelay({ dialer: { toward: () => target } });
    const rubble = neighbour(relay, 'rubble.com');
    rubble.bind('rubble.com', 3);
    const fred = attached(relay, 'fred@example.com');
    fred.send(toBarney);
    rubble.terminate(3);
    expect(fred.ask(toBarney)).to.equal(450);
    rubble.requests[0]?.ok();
    expect(fred.ask(toBarney)).to.equal(undefined);
    expect(target.deliveries).to.have.length(1);
  });
});
