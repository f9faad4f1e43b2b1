import { expect } from 'chai';
import { REPLIES } from '../../lib/relay/answer.js';
import { OptionRegistry } from '../../lib/relay/options.js';
import { STRICT_POLICY } from '../../lib/relay/policy.js';
import {
  accepted,
  attached,
  DIALECT,
  endpoint,
  FakeChannel,
  FakeTarget,
  LIMITS,
  makeRelay,
  neighbour,
  settled,
} from '../support/fake-channel.js';
import { data, FakeDialect, option } from '../support/fake-dialect.js';

const TO_BARNEY = data('fred@example.com', ['barney@example.com']);

function pair(options = {}) {
  const relay = makeRelay(options);
  return { relay, fred: attached(relay, 'fred@example.com'), barney: attached(relay, 'barney@example.com') };
}

describe('relay: data', () => {
  it('REQ-IMXP-025 answers 537 to an originator that the peer may not use, and 530 when the peer has not authenticated', () => {
    const { relay, fred } = pair();
    expect(fred.ask(data('wilma@example.com', ['barney@example.com']))).to.equal(537);
    expect(fred.ask(data('nobody', ['barney@example.com']))).to.equal(537);
    expect(endpoint(relay, 'fred@example.com').ask(TO_BARNEY), 'not attached').to.equal(537);
    expect(accepted(relay, new FakeChannel()).ask(TO_BARNEY)).to.equal(530);
  });

  it('REQ-IMXP-036 follows the attachments of the channel', () => {
    const { relay, fred, barney } = pair({
      policy: { ...STRICT_POLICY, originators: { 'fred@example.com': ['wilma@example.com'] } },
    });
    const codes = () =>
      ['fred', 'fred/x=y', 'wilma'].map((who) => fred.ask(data(`${who}@example.com`, ['x@rubble.com'])));
    expect(codes()).to.deep.equal([550, 550, 550]);
    fred.terminate(1);
    expect(codes()).to.deep.equal([537, 537, 537]);
    expect(barney.requests).to.deep.equal([]);
    expect(relay.outstanding).to.equal(0);
  });

  it('REQ-IMXP-036 lets all channels of a session send for its attachments, and no other session', () => {
    const { relay, fred, barney } = pair();
    const second = new FakeChannel(fred.identity);
    second.session = fred.session;
    accepted(relay, second);
    const ask = (channel: FakeChannel) => channel.ask(data('fred@example.com', ['x@rubble.com']));
    expect(ask(second)).to.equal(550);
    const stranger = new FakeChannel(fred.identity);
    accepted(relay, stranger);
    expect(ask(stranger)).to.equal(537);
    fred.terminate(1);
    expect(ask(second)).to.equal(537);
    expect(barney.requests).to.deep.equal([]);
  });

  it('REQ-IMXP-035 accepts from a relay what its domain originates, and everything from a trusted one', () => {
    const relay = makeRelay({ policy: { ...STRICT_POLICY, trusted: ['slate.example'] } });
    const fred = attached(relay, 'fred@example.com');
    expect(neighbour(relay, 'rubble.com').ask(data('barney@rubble.com', ['fred@example.com']))).to.equal(undefined);
    expect(neighbour(relay, 'rubble.com').ask(data('joe@slate.example', ['fred@example.com']))).to.equal(537);
    expect(neighbour(relay, 'slate.example').ask(data('barney@rubble.com', ['fred@example.com']))).to.equal(undefined);
    expect(fred.requests).to.have.length(2);
  });

  it('REQ-IMXP-010 answers with the error of the decoder, and continues', () => {
    const { fred, barney } = pair();
    expect(fred.ask(Buffer.from('<data'))).to.equal(500);
    expect(fred.consumedOctets).to.equal(fred.received);
    fred.send(TO_BARNEY);
    expect(barney.requests).to.have.length(1);
  });

  it('answers 451 when it fails itself, and continues', () => {
    class Broken extends FakeDialect {
      override decode(payload: Buffer) {
        if (payload.includes('fault')) throw new TypeError('a fault of ours');
        return super.decode(payload);
      }
    }
    const relay = makeRelay({ dialects: [new Broken()] });
    const fred = endpoint(relay, 'fred@example.com');
    expect(fred.ask(Buffer.from('fault'))).to.equal(451);
    expect(fred.attach('fred@example.com')).to.equal(0);
  });

  it('answers 501 when there are too many recipients', () => {
    const { fred } = pair();
    const many = Array.from({ length: LIMITS.recipients + 1 }, (_, at) => `r${at}@rubble.com`);
    expect(fred.ask(data('fred@example.com', many))).to.equal(501);
    expect(fred.ask(data('fred@example.com', many.slice(1)))).to.equal(550);
  });

  it('D-CORE-18 REQ-IMXP-051 answers ok once the application has, and returns the octets then', () => {
    const { fred, barney } = pair();
    const before = fred.consumedOctets;
    const msgno = fred.send(TO_BARNEY);
    expect(fred.code(msgno)).to.equal(undefined);
    expect(fred.consumedOctets).to.equal(before);
    barney.requests[0]?.ok();
    expect(fred.code(msgno)).to.equal(0);
    expect(fred.consumedOctets).to.equal(fred.received);
  });

  it('REQ-IMXP-034 forwards the octets as received', () => {
    const { fred, barney } = pair();
    const payload = Buffer.from(JSON.stringify(TO_BARNEY));
    fred.send(payload);
    expect(barney.requests[0]?.payload).to.equal(payload);
  });

  it('encodes a Data again for a channel of another dialect', () => {
    const relay = makeRelay({ dialects: [DIALECT, new FakeDialect('fake:other')] });
    const fred = attached(relay, 'fred@example.com');
    const identity = {
      kind: 'endpoint',
      address: 'barney@example.com',
      proof: { mechanism: '', privacy: true },
    } as const;
    const other = new FakeChannel(identity, { dialect: new FakeDialect('fake:other') });
    expect(accepted(relay, other).attach('barney@example.com')).to.equal(0);
    const payload = Buffer.from(JSON.stringify(TO_BARNEY));
    const msgno = fred.send(payload);
    expect(other.requests[0]?.payload).not.to.equal(payload);
    expect(other.requests[0]?.data.content).to.equal(TO_BARNEY.content);
    other.requests[0]?.ok();
    expect(fred.code(msgno)).to.equal(0);
  });

  it('passes on the error of the application', () => {
    const { fred, barney } = pair();
    const msgno = fred.send(TO_BARNEY);
    barney.requests[0]?.error(554, 'I am full');
    expect([fred.code(msgno), fred.text(msgno)]).to.deep.equal([554, 'I am full']);
    expect(fred.consumedOctets).to.equal(fred.received);
  });

  describe('answers of core-01 §4.4.4.1 step 4, with the codes of D-CORE-19', () => {
    const table: [string, number, string, () => Promise<[number | undefined, string | undefined]>][] = [];
    const row = (cause: string, code: number, text: string, run: () => Promise<FakeChannel>) =>
      table.push([cause, code, text, () => run().then((fred) => [fred.code(1), fred.text(1)])]);

    row('unknown local endpoint', 550, 'unknown endpoint identity', async () => {
      const { fred } = pair();
      fred.send(data('fred@example.com', ['dino@example.com']));
      await settled();
      return fred;
    });
    row('known but not attached', 450, 'not attached', async () => {
      const { fred } = pair();
      fred.send(data('fred@example.com', ['wilma@example.com']));
      await settled();
      return fred;
    });
    row('access entry denies', 537, 'access denied', async () => {
      const { fred } = pair({ access: { allowed: () => false } });
      fred.send(TO_BARNEY);
      return fred;
    });
    row('access entry of one who is not attached denies', 537, 'access denied', async () => {
      const { fred } = pair({ access: { allowed: async () => false } });
      fred.send(data('fred@example.com', ['wilma@example.com']));
      await settled();
      return fred;
    });
    row('the access entry cannot be read', 451, 'the recipient could not be looked up', async () => {
      const { fred } = pair({ access: { allowed: () => Promise.reject(new Error('store')) } });
      fred.send(TO_BARNEY);
      await settled();
      return fred;
    });
    row('no route', 550, 'no relay for domain', async () => {
      const { fred } = pair();
      fred.send(data('fred@example.com', ['joe@slate.example']));
      return fred;
    });
    row('temporarily no route', 450, 'relay unavailable', async () => {
      const { fred } = pair({ dialer: { toward: () => REPLIES.relayUnavailable } });
      fred.send(data('fred@example.com', ['joe@slate.example']));
      return fred;
    });
    row('next relay returned error', 450, 'not attached', async () => {
      const target = new FakeTarget();
      const { fred } = pair({ dialer: { toward: () => target } });
      fred.send(data('fred@example.com', ['barney@rubble.com']));
      target.deliveries[0]?.sink.failed({ code: 450, text: 'not attached' });
      return fred;
    });
    row('unknown option with seeNoEvil false', 504, 'option not understood: example', async () => {
      const { fred } = pair();
      fred.send(data('fred@example.com', ['barney@example.com'], [option({ seeNoEvil: false })]));
      return fred;
    });
    row('unknown service', 550, 'unknown service', async () => {
      const { fred } = pair();
      fred.send(data('fred@example.com', ['imxp=none@example.com']));
      return fred;
    });
    row('the application does not answer in time', 451, 'no answer in time', async () => {
      const { fred, barney } = pair();
      fred.send(TO_BARNEY);
      barney.requests[0]?.fail('timeout');
      return fred;
    });
    row('the application is lost before it answered', 451, REPLIES.endpointLost.text, async () => {
      const { fred, barney } = pair();
      fred.send(TO_BARNEY);
      barney.lose();
      return fred;
    });
    row('the application closes before the Data left', 450, REPLIES.endpointUnsent.text, async () => {
      const { fred, barney } = pair();
      fred.send(TO_BARNEY);
      barney.requests[0]?.fail('unsent');
      return fred;
    });
    row('the application is busy', 450, 'recipient busy', async () => {
      const { fred, barney } = pair({ limits: { ...LIMITS, outstanding: 1 } });
      barney.send(data('barney@example.com', ['barney@example.com']));
      fred.send(TO_BARNEY);
      return fred;
    });
    row('several with equal codes', 550, 'no relay for domain', async () => {
      const { fred } = pair();
      fred.send(data('fred@example.com', ['joe@slate.example', 'sam@quarry.example']));
      return fred;
    });
    row('several, one transient', 450, 'joe@slate.example 550\nwilma@example.com 450', async () => {
      const { fred } = pair();
      fred.send(data('fred@example.com', ['joe@slate.example', 'wilma@example.com']));
      await settled();
      return fred;
    });
    row('several, all permanent', 550, 'joe@slate.example 550\nbarney@example.com 537', async () => {
      const { fred } = pair({ access: { allowed: () => false } });
      fred.send(data('fred@example.com', ['joe@slate.example', 'barney@example.com']));
      return fred;
    });

    for (const [cause, code, text, run] of table) {
      it(`REQ-IMXP-030 ${cause}: ${code} ${JSON.stringify(text)}`, async () => {
        expect(await run()).to.deep.equal([code, text]);
      });
    }
  });

  it('REQ-IMXP-030 answers ok when one recipient of several succeeded', async () => {
    const { fred, barney } = pair();
    const msgno = fred.send(data('fred@example.com', ['joe@slate.example', 'barney@example.com', 'dino@example.com']));
    await settled();
    expect(fred.code(msgno)).to.equal(undefined);
    barney.requests[0]?.ok();
    expect(fred.code(msgno)).to.equal(0);
  });

  it('REQ-IMXP-027 sends each application a Data with only its recipient', () => {
    const { relay, fred, barney } = pair();
    const wilma = attached(relay, 'wilma@example.com');
    const msgno = fred.send(data('fred@example.com', ['barney@example.com', 'wilma@example.com']));
    expect([barney, wilma].map(({ requests }) => requests[0]?.data.recipients)).to.deep.equal([
      [{ identity: 'barney@example.com', options: [] }],
      [{ identity: 'wilma@example.com', options: [] }],
    ]);
    barney.requests[0]?.error(550, 'no');
    expect(fred.code(msgno)).to.equal(undefined);
    wilma.requests[0]?.ok();
    expect(fred.code(msgno)).to.equal(0);
  });

  it('D-CORE-17 REQ-IMXP-028 counts a remote recipient as reached only on ok from its relay', () => {
    const target = new FakeTarget();
    const { fred } = pair({ dialer: { toward: () => target } });
    const [first, second] = [1, 2].map(() => fred.send(data('fred@example.com', ['barney@rubble.com'])));
    target.deliveries[1]?.sink.failed({ code: 550, text: 'unknown endpoint identity' });
    target.deliveries[0]?.sink.delivered();
    expect([fred.code(first ?? -1), fred.code(second ?? -1)]).to.deep.equal([0, 550]);
  });

  it('accepts only the first result of a target', () => {
    const target = new FakeTarget();
    const { relay, fred } = pair({ dialer: { toward: () => target } });
    const msgno = fred.send(data('fred@example.com', ['barney@rubble.com']));
    target.deliveries[0]?.sink.delivered();
    target.deliveries[0]?.sink.failed({ code: 550, text: 'after all' });
    expect(fred.code(msgno)).to.equal(0);
    expect(relay.outstanding).to.equal(0);
  });

  it('REQ-IMXP-029 checks core:data, and keeps the order where the look-up takes time', async () => {
    const asked: string[] = [];
    const decisions: ((allowed: boolean) => void)[] = [];
    const allowed = (owner: string, actor: string, action: string) => {
      asked.push(`${owner} ${actor} ${action}`);
      return owner.startsWith('barney') ? new Promise<boolean>((resolve) => decisions.push(resolve)) : true;
    };
    const { relay, fred, barney } = pair({ access: { allowed } });
    const wilma = attached(relay, 'wilma@example.com');
    const first = fred.send(TO_BARNEY);
    const second = fred.send(data('fred@example.com', ['wilma@example.com']));
    expect(asked).to.deep.equal(['barney@example.com fred@example.com core:data']);
    expect(wilma.requests, 'the second Data waits behind the first').to.deep.equal([]);
    decisions[0]?.(true);
    await settled();
    expect([barney, wilma].map(({ requests }) => requests.length)).to.deep.equal([1, 1]);
    barney.requests[0]?.ok();
    wilma.requests[0]?.ok();
    expect([fred.code(first), fred.code(second)]).to.deep.equal([0, 0]);
  });

  it('drops a Data whose originator detached while it waited', async () => {
    let decide: (allowed: boolean) => void = () => {};
    const access = { allowed: () => new Promise<boolean>((resolve) => (decide = resolve)) };
    const { relay, fred, barney } = pair({ access });
    fred.send(TO_BARNEY);
    fred.send(TO_BARNEY);
    fred.lose();
    decide(true);
    await settled();
    expect(barney.requests).to.deep.equal([]);
    expect(relay.outstanding).to.equal(0);
  });

  it('sends nothing on a channel that has ended', () => {
    const { relay, fred, barney } = pair();
    fred.send(TO_BARNEY);
    fred.lose();
    const replies = fred.replies.length;
    barney.requests[0]?.ok();
    expect(fred.replies).to.have.length(replies);
    expect(relay.outstanding).to.equal(0);
  });

  it('delivers a reserved local part to its service, under both prefixes', () => {
    const report = new FakeTarget();
    const { fred } = pair({ services: new Map([['imxp=report', report]]) });
    const msgnos = ['imxp=report', 'apex=report'].map((to) =>
      fred.send(data('fred@example.com', [`${to}@example.com`])),
    );
    for (const { sink } of report.deliveries) sink.delivered();
    expect(msgnos.map((msgno) => fred.code(msgno))).to.deep.equal([0, 0]);
  });

  it('forwards between two foreign domains only for trusted relays', () => {
    const slate = new FakeTarget('slate.example');
    const dialer = { toward: (domain: string) => (domain === 'slate.example' ? slate : REPLIES.relayUnavailable) };
    const transit = data('barney@rubble.com', ['joe@slate.example']);
    const stranger = neighbour(makeRelay({ dialer }), 'rubble.com');
    expect(stranger.ask(transit)).to.equal(550);
    const trusted = neighbour(
      makeRelay({ dialer, policy: { ...STRICT_POLICY, trusted: ['rubble.com'] } }),
      'rubble.com',
    );
    const msgno = trusted.send(transit);
    slate.deliveries[0]?.sink.delivered();
    expect(trusted.code(msgno)).to.equal(0);
  });

  it('answers 550 to a Data that would return to its sender', () => {
    const back = new FakeTarget('rubble.com');
    const policy = { ...STRICT_POLICY, trusted: ['rubble.com'] };
    const rubble = neighbour(makeRelay({ dialer: { toward: () => back }, policy }), 'rubble.com');
    expect(rubble.ask(data('barney@rubble.com', ['betty@rubble.com'])), 'its own domain').to.equal(550);
    expect(rubble.ask(data('barney@rubble.com', ['joe@slate.example'])), 'by way of it').to.equal(550);
    expect(back.deliveries).to.deep.equal([]);
  });

  it('refuses only the recipients that the dialect of the next hop cannot express', () => {
    const { relay, fred } = pair();
    const odd = new FakeChannel({
      kind: 'endpoint',
      address: 'wilma@example.com',
      proof: { mechanism: '', privacy: true },
    });
    accepted(relay, odd).attach('wilma@example.com');
    Object.defineProperty(odd, 'profile', { value: 'fake:unheard' });
    expect(fred.ask(data('fred@example.com', ['wilma@example.com']))).to.equal(451);
  });

  it('D-OPT-13 understands options that were registered', () => {
    const understood = new OptionRegistry();
    understood.add('example', ['data']);
    const { fred, barney } = pair({ understood });
    fred.send(data('fred@example.com', ['barney@example.com'], [option({ seeNoEvil: false, targetHop: 'all' })]));
    expect(barney.requests).to.have.length(1);
  });
});

describe('relay: Data that the relay originates', () => {
  const report = data('imxp=report@example.com', ['fred@example.com', 'barney@rubble.com']);

  it('delivers them to local applications and to relays', () => {
    const target = new FakeTarget();
    const relay = makeRelay({ dialer: { toward: () => target } });
    const fred = attached(relay, 'fred@example.com');
    const outcome: string[] = [];
    relay.submit(report, { delivered: () => outcome.push('ok'), failed: ({ code }) => outcome.push(String(code)) });
    target.deliveries[0]?.sink.failed({ code: 450, text: 'later' });
    fred.requests[0]?.ok();
    expect(outcome).to.deep.equal(['ok']);
    expect(fred.requests[0]?.data.recipients.map(({ identity }) => identity)).to.deep.equal(['fred@example.com']);
  });

  it('keeps their order where access has to be looked up', async () => {
    let slow = true;
    const relay = makeRelay({ access: { allowed: () => (slow ? Promise.resolve(true) : true) } });
    const fred = attached(relay, 'fred@example.com');
    const sink = { delivered: () => {}, failed: () => {} };
    relay.submit(data('imxp=report@example.com', ['fred@example.com'], [], 'first'), sink);
    slow = false;
    relay.submit(data('imxp=report@example.com', ['fred@example.com'], [], 'second'), sink);
    await settled();
    expect(fred.requests.map((request) => request.data.content)).to.deep.equal(['#first', '#second']);
  });
});
