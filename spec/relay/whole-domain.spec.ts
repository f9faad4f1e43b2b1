import { expect } from 'chai';
import { events } from '../../lib/ops/events.js';
import { STRICT_POLICY } from '../../lib/relay/policy.js';
import type { Relay } from '../../lib/relay/relay.js';
import {
  accepted,
  attached,
  endpoint,
  FakeChannel,
  FakeTarget,
  LIMITS,
  makeRelay,
  settled,
} from '../support/fake-channel.js';
import { data, hold, override, Stage } from '../support/option-stage.js';

const GATEWAY = 'imxp=gateway@slate.example';
const WHOLE = '*@slate.example';
const PRESENCE = 'imxp=presence@slate.example';
const FRED = 'fred@example.com';

/** Channels of one session: as many as leave two for users that are not known yet to a single originator. */
const LANES = 8;
const DOMAINS = { domains: ['example.com', 'slate.example'] };
const GATEWAY_POLICY = { ...STRICT_POLICY, gateways: { 'slate.example': GATEWAY } };
const nameOf = (recipient: { readonly identity: string } | undefined): string => recipient?.identity ?? '';

const presence = new FakeTarget();
const report = new FakeTarget();
const services = new Map([
  ['imxp=presence', presence],
  ['imxp=report', report],
]);

/** example.com with accounts and services of its own, and slate.example, which belongs to a gateway. */
function withGateway(): Relay {
  return makeRelay({ ...DOMAINS, services, policy: GATEWAY_POLICY });
}

/** The same, with the presence of slate.example handed to an application that may be anybody else there. */
function withApplication(more: Partial<typeof STRICT_POLICY> = {}): Relay {
  const policy = {
    ...STRICT_POLICY,
    services: { [PRESENCE]: 'application' as const },
    attach: { 'bridge@example.com': [WHOLE, PRESENCE] },
    ...more,
  };
  return makeRelay({ ...DOMAINS, services, policy });
}

/** Sends to recipients, has the application answer ok, and says for whom it was asked. */
function delivered(from: FakeChannel, to: FakeChannel, ...recipients: string[]): string[] {
  const before = to.requests.length;
  from.send(data(FRED, recipients));
  const asked = to.requests.slice(before);
  for (const request of asked) request.ok();
  return asked.flatMap((request) => request.data.recipients.map(({ identity }) => identity));
}

async function codeOf(from: FakeChannel, recipient: string, originator = FRED): Promise<number | undefined> {
  const msgno = from.send(data(originator, [recipient]));
  await settled();
  return from.code(msgno);
}

describe('relay: an application for a whole domain', () => {
  it('D-CORE-38 receives for every endpoint and service of the domain of which it is the gateway, each by itself', () => {
    const relay = withGateway();
    const [gateway, fred] = [endpoint(relay, GATEWAY), attached(relay, FRED)];
    expect(gateway.attach(WHOLE)).to.equal(0);
    const all = ['joe@slate.example', 'joe/x=1@slate.example', PRESENCE, 'imxp=report@slate.example'];
    expect(delivered(fred, gateway, ...all, 'imxp=novel@slate.example')).to.deep.equal([
      ...all,
      'imxp=novel@slate.example',
    ]);
    expect(presence.deliveries).to.have.length(0);
    expect(relay.attached()).to.have.members([FRED, WHOLE]);
  });

  it('needs one attachment for any number of endpoints', () => {
    const relay = withGateway();
    const [gateway, fred] = [endpoint(relay, GATEWAY), attached(relay, FRED)];
    gateway.attach(WHOLE);
    for (let index = 0; index < 3000; index += 1) {
      const user = `user${index}@slate.example`;
      expect(delivered(fred, gateway, user)).to.deep.equal([user]);
    }
    expect(relay.attachments).to.equal(2);
  });

  it('originates as everybody of the domain, and as nobody else', async () => {
    const relay = withGateway();
    const gateway = endpoint(relay, GATEWAY);
    attached(relay, FRED);
    expect(await codeOf(gateway, 'nobody@example.com', 'joe@slate.example'), 'not attached').to.equal(537);
    gateway.attach(WHOLE);
    expect(await codeOf(gateway, 'nobody@example.com', 'joe@slate.example')).to.equal(550);
    expect(await codeOf(gateway, 'nobody@example.com', PRESENCE)).to.equal(550);
    expect(await codeOf(gateway, 'nobody@example.com', FRED)).to.equal(537);
  });

  it('keeps everybody else out of its domain', () => {
    const relay = withGateway();
    expect(endpoint(relay, 'joe@slate.example').attach('joe@slate.example')).to.equal(537);
    expect(endpoint(relay, 'joe@slate.example').attach(WHOLE)).to.equal(537);
    expect(endpoint(relay, FRED).attach(WHOLE)).to.equal(537);
    expect(endpoint(relay, GATEWAY).attach('*@example.com')).to.equal(537);
    expect(endpoint(relay, GATEWAY).attach(GATEWAY)).to.equal(0);
  });

  it('decides itself who may write: the access entries of this relay do not count in its domain', async () => {
    const access = { allowed: (owner: string) => !owner.endsWith('@slate.example') };
    const relay = makeRelay({ ...DOMAINS, services, policy: GATEWAY_POLICY, access });
    const [gateway, fred] = [endpoint(relay, GATEWAY), attached(relay, FRED)];
    gateway.attach(WHOLE);
    expect(delivered(fred, gateway, 'joe@slate.example')).to.deep.equal(['joe@slate.example']);
  });

  it('is answered for with 450 while it is not attached, for endpoints and services alike', async () => {
    const fred = attached(withGateway(), FRED);
    expect(await codeOf(fred, 'joe@slate.example')).to.equal(450);
    expect(await codeOf(fred, PRESENCE)).to.equal(450);
    expect(await codeOf(fred, 'imxp=novel@example.com'), 'a service nobody has').to.equal(550);
    const bridged = attached(withApplication(), FRED);
    expect(await codeOf(bridged, 'joe@slate.example'), 'covered by a pattern').to.equal(450);
    expect(await codeOf(bridged, PRESENCE)).to.equal(450);
    expect(await codeOf(bridged, 'joe@example.com')).to.equal(550);
  });

  it('stands back for who is attached as one endpoint, for as long as they are', () => {
    const relay = withApplication();
    const [bridge, fred, joe] = [
      endpoint(relay, 'bridge@example.com'),
      attached(relay, FRED),
      endpoint(relay, 'joe@slate.example'),
    ];
    expect(bridge.attach(WHOLE)).to.equal(0);
    expect(joe.attach('joe@slate.example')).to.equal(0);
    expect(delivered(fred, joe, 'joe@slate.example')).to.deep.equal(['joe@slate.example']);
    expect(delivered(fred, bridge, 'barney@slate.example')).to.deep.equal(['barney@slate.example']);
    joe.lose();
    expect(delivered(fred, bridge, 'joe@slate.example')).to.deep.equal(['joe@slate.example']);
  });

  it('receives for the services that the configuration hands over, in either dialect, and for no other', async () => {
    const relay = withApplication();
    const [bridge, fred] = [endpoint(relay, 'bridge@example.com'), attached(relay, FRED)];
    bridge.attach(WHOLE);
    expect(delivered(fred, bridge, PRESENCE, 'apex=presence@slate.example')).to.have.length(2);
    expect(delivered(fred, bridge, 'imxp=report@slate.example')).to.deep.equal([]);
    expect(report.deliveries.length).to.be.greaterThan(0);
    expect(await codeOf(fred, 'imxp=novel@slate.example')).to.equal(550);
  });

  it('D-CORE-39 is a service alone where it attaches as that, and the service of the relay does not shadow it', () => {
    const relay = withApplication();
    const [bridge, fred] = [endpoint(relay, 'bridge@example.com'), attached(relay, FRED)];
    const count = presence.deliveries.length;
    expect(bridge.attach('IMXP=Presence@slate.example')).to.equal(0);
    expect(delivered(fred, bridge, PRESENCE, 'apex=presence@slate.example')).to.have.length(2);
    expect(presence.deliveries).to.have.length(count);
    fred.send(data(FRED, ['imxp=presence@example.com']));
    expect(presence.deliveries, 'the other domain has that of the relay').to.have.length(count + 1);
  });

  it('D-CORE-39 refuses an attach as a service that the relay provides itself, for which nothing would ever arrive', () => {
    const relay = withApplication({ services: {} });
    const bridge = endpoint(relay, 'bridge@example.com');
    const reasons: string[] = [];
    const unsubscribe = events.refused.subscribe(({ reason }) => reasons.push(reason));
    expect(bridge.attach(PRESENCE)).to.equal(554);
    unsubscribe();
    expect(bridge.text(0)).to.contain('provides that service itself');
    expect(reasons).to.deep.equal([`policy.services hands ${PRESENCE} to no application`]);
  });

  it('D-CORE-39 lets an account by the name of a handed-over service attach as it', () => {
    const relay = withApplication({ attach: {} });
    expect(endpoint(relay, PRESENCE).attach(PRESENCE)).to.equal(0);
    expect(endpoint(relay, 'imxp=report@slate.example').attach('imxp=report@slate.example')).to.equal(537);
  });

  it('hands over what has not left to the application that takes the whole domain, and only that', () => {
    const stage = new Stage({ relay: { ...DOMAINS, policy: GATEWAY_POLICY } });
    const [old, fred] = [stage.endpoint(GATEWAY), stage.attached(FRED)];
    old.attach(WHOLE);
    old.attach('joe@slate.example', 2);
    old.stuck = true;
    for (const user of ['joe', 'barney', 'betty']) fred.send(data(FRED, [`${user}@slate.example`]));
    const young = stage.endpoint(GATEWAY);
    expect(young.attach(WHOLE)).to.equal(554);
    expect(young.ask({ type: 'attach', endpoint: WHOLE, transID: 2, options: [override()] })).to.equal(0);
    const users = ({ waiting }: FakeChannel): string[] =>
      waiting.flatMap(({ operation }) => (operation.type === 'data' ? operation.recipients.map(nameOf) : []));
    expect(users(young)).to.deep.equal(['barney@slate.example', 'betty@slate.example']);
    expect(users(old), 'it is still attached as joe').to.deep.equal(['joe@slate.example']);
  });

  const names = ({ waiting }: FakeChannel): string[] =>
    waiting.flatMap(({ operation }) => (operation.type === 'data' ? operation.recipients.map(nameOf) : []));

  it('D-CORE-38 takes further channels of the session as lanes, on which users do not wait for each other', async () => {
    const stage = new Stage({ relay: { ...DOMAINS, policy: GATEWAY_POLICY } });
    const fred = stage.attached(FRED);
    const open = (session: string) => {
      const { identity, dialect } = stage.endpoint(GATEWAY);
      const channel = new FakeChannel(identity, { dialect });
      channel.session = session;
      return accepted(stage.relay, channel);
    };
    const lanes = Array.from({ length: LANES }, () => open('one'));
    for (const lane of lanes) expect(lane.attach(WHOLE)).to.equal(0);
    const [first, second] = lanes as [FakeChannel, FakeChannel];
    expect(open('another').attach(WHOLE)).to.equal(554);
    expect(stage.relay.attached()).to.have.members([FRED, WHOLE]);
    for (const user of ['joe', 'barney', 'joe']) fred.send(data(FRED, [`${user}@slate.example`]));
    expect([names(first), names(second)]).to.deep.equal([
      ['joe@slate.example', 'joe@slate.example'],
      ['barney@slate.example'],
    ]);
    second.waiting[0]?.ok();
    expect(fred.code(2), 'barney has answered, joe has not').to.equal(0);
    for (const lane of lanes) if (lane !== second) lane.lose();
    expect(stage.relay.attached(), 'one channel is left').to.have.members([FRED, WHOLE]);
    expect(delivered(fred, second, 'betty@slate.example')).to.deep.equal(['betty@slate.example']);
    second.lose();
    expect(await codeOf(fred, 'betty@slate.example')).to.equal(450);
  });

  it('hands over what has not left on any of its channels, and tells each of them', () => {
    const stage = new Stage({ relay: { ...DOMAINS, policy: GATEWAY_POLICY } });
    const fred = stage.attached(FRED);
    const olds = Array.from({ length: LANES }, () => {
      const { identity, dialect } = stage.endpoint(GATEWAY);
      const channel = new FakeChannel(identity, { dialect });
      channel.session = 'one';
      accepted(stage.relay, channel);
      channel.attach(WHOLE);
      channel.stuck = true;
      return channel;
    });
    for (const user of ['joe', 'barney']) fred.send(data(FRED, [`${user}@slate.example`]));
    expect(olds.slice(0, 2).map(names)).to.deep.equal([['joe@slate.example'], ['barney@slate.example']]);
    const young = stage.endpoint(GATEWAY);
    expect(young.ask({ type: 'attach', endpoint: WHOLE, transID: 2, options: [override()] })).to.equal(0);
    expect(names(young)).to.deep.equal(['joe@slate.example', 'barney@slate.example']);
    for (const old of olds) expect(old.waiting.map(({ operation }) => operation.type)).to.deep.equal(['terminate']);
    expect(olds[0]?.attach(WHOLE, 3), 'the old session has it no more').to.equal(554);
  });

  it('receives what was held for every endpoint of the domain, before what comes later for the same endpoint', async () => {
    const stage = new Stage({ relay: { ...DOMAINS, policy: GATEWAY_POLICY } });
    const [fred, gateway] = [stage.attached(FRED), stage.endpoint(GATEWAY)];
    const kept = ['joe', 'barney', 'joe'].map((user, index) =>
      fred.send(data(FRED, [`${user}@slate.example`], [hold({ transID: index + 1 })])),
    );
    await settled();
    expect(kept.map((msgno) => fred.code(msgno))).to.deep.equal([0, 0, 0]);
    gateway.attach(WHOLE);
    fred.send(data(FRED, ['joe@slate.example'], [hold({ transID: 4 })]));
    fred.send(data(FRED, ['betty@slate.example'], [hold({ transID: 5 })]));
    await settled();
    const arrived: string[] = [];
    for (let [next] = gateway.waiting; next !== undefined; [next] = gateway.waiting) {
      arrived.push(`${nameOf(next.data.recipients[0])} ${next.data.options[0]?.transID}`);
      next.ok();
      await settled();
    }
    expect(arrived.filter((it) => it.startsWith('joe'))).to.deep.equal([
      'joe@slate.example 1',
      'joe@slate.example 3',
      'joe@slate.example 4',
    ]);
    expect(arrived).to.include.members(['barney@slate.example 2', 'betty@slate.example 5']);
    expect(stage.relay.held).to.include({ data: 0, endpoints: 0, failed: 0 });
  });

  it('goes on with what is held for an endpoint whose own application leaves', async () => {
    const policy = { ...STRICT_POLICY, attach: { 'bridge@example.com': [WHOLE] } };
    const stage = new Stage({ relay: { ...DOMAINS, policy } });
    const fred = stage.attached(FRED);
    for (let transID = 1; transID <= 8; transID += 1) {
      fred.send(data(FRED, ['joe@slate.example'], [hold({ transID })]));
    }
    await settled();
    const joe = stage.attached('joe@slate.example');
    const bridge = stage.endpoint('bridge@example.com');
    bridge.attach(WHOLE);
    await settled();
    expect([joe.waiting.length, bridge.waiting.length]).to.deep.equal([4, 0]);
    joe.lose();
    await settled();
    const again: number[] = [];
    for (let [next] = bridge.waiting; next !== undefined; [next] = bridge.waiting) {
      again.push(next.data.options[0]?.transID ?? 0);
      next.ok();
      await settled();
    }
    expect(again, 'joe left without an answer').to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('has fair shares of what may be outstanding, for each recipient and each originator', async () => {
    const relay = withGateway();
    const gateway = endpoint(relay, GATEWAY);
    const [fred, barney, wilma] = ['fred', 'barney', 'wilma'].map((name) => attached(relay, `${name}@example.com`));
    gateway.attach(WHOLE);
    /** Sends to each of some recipients, and counts what the application gets. */
    const taken = (channel: FakeChannel | undefined, from: string, to: readonly string[]): number => {
      const before = gateway.requests.length;
      for (const user of to) channel?.send(data(`${from}@example.com`, [`${user}@slate.example`]));
      return gateway.requests.length - before;
    };
    const repeated = (name: string, count: number): string[] => Array.from({ length: count }, () => name);
    const many = Array.from({ length: 20 }, (_, at) => `user${at}`);
    expect(taken(fred, 'fred', repeated('joe', 20)), 'one recipient that does not answer').to.equal(
      LIMITS.outstanding / 2,
    );
    expect(taken(barney, 'barney', ['joe', 'pearl', 'ingrid']), 'others are reached').to.be.at.least(2);
    expect(taken(wilma, 'wilma', many), 'one originator, whoever the recipients are').to.be.within(1, 3);
    expect(fred?.code(19)).to.equal(450);
    for (const request of gateway.waiting) request.ok();
    expect(taken(fred, 'fred', repeated('joe', 20)), 'as before once everything is answered').to.equal(8);
  });

  it('has fair shares while it receives what was held', async () => {
    const stage = new Stage({ relay: { ...DOMAINS, policy: GATEWAY_POLICY } });
    const [fred, barney, gateway] = [
      stage.attached(FRED),
      stage.attached('barney@example.com'),
      stage.endpoint(GATEWAY),
    ];
    const users = Array.from({ length: 20 }, (_, at) => `user${at}@slate.example`);
    for (const [at, user] of users.entries()) fred.send(data(FRED, [user], [hold({ transID: at + 1 })]));
    await settled();
    gateway.attach(WHOLE);
    await settled();
    expect(gateway.waiting).to.have.length(LIMITS.outstanding / 2);
    barney.send(data('barney@example.com', ['betty@slate.example']));
    expect(gateway.waiting.map(({ data: { recipients } }) => nameOf(recipients[0]))).to.include('betty@slate.example');
    const arrived = new Set<string>();
    for (let round = 0; round < 10 && stage.relay.held?.data !== 0; round += 1) {
      for (const request of gateway.waiting) {
        arrived.add(nameOf(request.data.recipients[0]));
        request.ok();
      }
      stage.time.pass(1000);
      await settled();
    }
    expect([...arrived]).to.include.members(users);
  });

  it('loses the domain when the configuration gives it to nobody any more', () => {
    const relay = withGateway();
    const gateway = endpoint(relay, GATEWAY);
    gateway.attach(WHOLE);
    relay.reload({ policy: STRICT_POLICY });
    expect(relay.attached()).to.deep.equal([]);
    expect(gateway.requests.at(-1)?.operation).to.include({ type: 'terminate', transID: 1 });
  });

  it('is not told to the observer of attachments, who observes endpoints', () => {
    const relay = withGateway();
    const seen: string[] = [];
    relay.watchAttachments({ attached: (it) => void seen.push(it), detached: (it) => void seen.push(it) });
    const gateway = endpoint(relay, GATEWAY);
    gateway.attach(WHOLE);
    gateway.terminate(1);
    expect(seen).to.deep.equal([]);
  });
});
