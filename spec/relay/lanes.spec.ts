import { expect } from 'chai';
import type { Payload } from '../../lib/beep/payload.js';
import type { Reply } from '../../lib/errors.js';
import { LinkTarget } from '../../lib/mesh/link-target.js';
import { REPLIES } from '../../lib/relay/answer.js';
import { ChannelTarget } from '../../lib/relay/channel-target.js';
import { LaneGroup } from '../../lib/relay/lanes.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../../lib/relay/target.js';
import { attached, DIALECT, FakeChannel, FakeTarget, LIMITS, makeRelay, neighbour } from '../support/fake-channel.js';
import { data } from '../support/fake-dialect.js';
import { within } from '../support/within.js';

const relayIdentity = {
  kind: 'relay',
  domains: ['rubble.com'],
  proof: { mechanism: 'DIGEST-MD5', privacy: true },
} as const;

/** Delivers one Data to a recipient and keeps the outcome. */
class Sent implements OutboundDelivery, DeliverySink {
  outcome: 'ok' | Reply | undefined;
  readonly answered: Promise<void>;
  #told = (): void => {};
  readonly data;

  constructor(target: DeliveryTarget, recipient: string) {
    this.answered = new Promise((resolve) => {
      this.#told = resolve;
    });
    this.data = data('fred@example.com', [recipient]);
    (target.lane === undefined ? target : target.lane(recipient)).deliver(this, this);
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

describe('relay/lanes', () => {
  it('spreads recipients over the channels and keeps each on its own', () => {
    const { channels, targets: open } = targets(4);
    const lanes = new LaneGroup();
    for (const target of open) lanes.add(target);
    for (const recipient of [...recipients, ...recipients]) {
      new Sent(lanes, recipient);
      for (const channel of channels) for (const request of channel.waiting) request.ok();
    }
    const seen = channels.map(
      ({ requests }) => new Set(requests.map((request) => request.data.recipients[0]?.identity)),
    );
    expect(seen.every(({ size }) => size > 0)).to.equal(true);
    expect(
      seen.reduce((sum, { size }) => sum + size, 0),
      'no recipient on two channels',
    ).to.equal(recipients.length);
  });

  it('moves a recipient to a new channel only when nothing of its lane is unanswered', () => {
    const { channels, targets: open } = targets(8);
    const lanes = new LaneGroup();
    const [first, ...others] = open;
    if (first !== undefined) lanes.add(first);
    for (const recipient of recipients) new Sent(lanes, recipient);
    for (const target of others) lanes.add(target);
    for (const recipient of recipients.slice(0, 5)) new Sent(lanes, recipient);
    expect(channels[0]?.requests.length, 'all still on the first').to.be.greaterThan(LIMITS.outstanding - 1);
    expect(channels.slice(1).every(({ requests }) => requests.length === 0)).to.equal(true);
    for (const request of channels[0]?.waiting ?? []) request.ok();
    for (const recipient of recipients) new Sent(lanes, recipient);
    expect(channels.slice(1).some(({ requests }) => requests.length > 0)).to.equal(true);
  });

  it('sends nothing on a channel that is no longer bound, nor past what it still owes', () => {
    const { channels, targets: open } = targets(2);
    const [first, second] = open;
    if (first === undefined || second === undefined) throw new Error('two channels');
    const lanes = new LaneGroup();
    lanes.add(first);
    const before = new Sent(lanes, 'barney@rubble.com');
    lanes.remove(first);
    lanes.add(second);
    const between = new Sent(lanes, 'barney@rubble.com');
    expect(between.outcome).to.equal(REPLIES.relayUnavailable);
    channels[0]?.requests[0]?.ok();
    const after = new Sent(lanes, 'barney@rubble.com');
    channels[1]?.requests[0]?.ok();
    expect([before.outcome, after.outcome]).to.deep.equal(['ok', 'ok']);
  });
});

describe('relay/channel-target', () => {
  const one = (limits = LIMITS) => {
    const channel = new FakeChannel(relayIdentity);
    return { channel, target: new ChannelTarget(channel, DIALECT, limits) };
  };

  it('refuses past the number of outstanding Data, and takes again when one is answered', () => {
    const { channel, target } = one({ ...LIMITS, outstanding: 2 });
    const sent = [1, 2, 3].map(() => new Sent(target, 'barney@rubble.com'));
    expect(sent.map(({ outcome }) => outcome)).to.deep.equal([undefined, undefined, REPLIES.busy]);
    channel.requests[0]?.ok();
    expect(new Sent(target, 'barney@rubble.com').outcome).to.equal(undefined);
  });

  it('refuses past the octets outstanding, yet takes one Data of any size when nothing is', () => {
    const { channel, target } = one({ ...LIMITS, outstandingOctets: 10 });
    new Sent(target, 'barney@rubble.com');
    expect(channel.requests).to.have.length(1);
    expect(new Sent(target, 'barney@rubble.com').outcome).to.equal(REPLIES.busy);
  });

  it('takes ok by its octets and any other spelling of it', () => {
    const { channel, target } = one();
    const sent = [1, 2].map(() => new Sent(target, 'barney@rubble.com'));
    channel.requests[0]?.ok();
    channel.requests[1]?.raw('RPY', Buffer.from('{ "type": "ok" }'));
    expect(sent.map(({ outcome }) => outcome)).to.deep.equal(['ok', 'ok']);
  });

  it('REQ-BEEP-026 closes the channel on a reply it cannot read, or an ok that is an ERR', () => {
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

  it('says why there was no answer: 450 when nothing has left, else 451', () => {
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

describe('relay/link-target', () => {
  const link = (limits = LIMITS, deliveryTimeoutMs = 30_000) => {
    let dialled = 0;
    const target = new LinkTarget(
      { connect: () => void dialled++ },
      [DIALECT],
      { ...limits, deliveryTimeoutMs },
      'rubble.com',
    );
    return { target, dialled: () => dialled };
  };

  it('keeps what comes while it is dialled and sends it in order', () => {
    const { target, dialled } = link();
    const sent = ['a', 'b', 'a'].map((who) => new Sent(target, `${who}@rubble.com`));
    expect(dialled()).to.be.greaterThan(0);
    const { channels } = targets(1);
    target.up(channels);
    const order = channels[0]?.requests.map((request) => request.data.recipients[0]?.identity);
    expect(order).to.deep.equal(['a@rubble.com', 'b@rubble.com', 'a@rubble.com']);
    expect(sent.map(({ outcome }) => outcome)).to.deep.equal([undefined, undefined, undefined]);
  });

  it('bounds what waits, in number and octets', () => {
    const few = link({ ...LIMITS, outstanding: 1 }).target;
    expect([1, 2].map(() => new Sent(few, 'a@rubble.com').outcome)).to.deep.equal([undefined, REPLIES.busy]);
  });

  it('fails what has waited too long with 450, whatever the link does', async () => {
    const { target } = link(LIMITS, 50);
    const sent = new Sent(target, 'a@rubble.com');
    await within(2000, sent.answered, 'an answer');
    expect(sent.outcome).to.equal(REPLIES.relayUnavailable);
    expect(target.waiting).to.equal(0);
  });

  it('fails at once while it is known to be down, and may be tried again after that', () => {
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

  it("learns the neighbour's domain when it is up", () => {
    const { target } = link();
    target.up([new FakeChannel({ ...relayIdentity, domains: ['Hub.example'] })]);
    expect([target.relay, target.lane('a@rubble.com').relay]).to.deep.equal(['hub.example', 'hub.example']);
  });
});

describe('relay: the way to a foreign domain', () => {
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

  it('stays on the link while it lives, also when the domain is bound meanwhile', () => {
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

  it('stays on the bound session while it lives, then dials', () => {
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
