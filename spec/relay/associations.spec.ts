import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { NOBODY } from '../../lib/imxp/identity.js';
import { OptionRegistry } from '../../lib/relay/options.js';
import {
  accepted,
  attached,
  endpoint,
  FakeChannel,
  LIMITS,
  makeRelay,
  neighbour,
  settled,
} from '../support/fake-channel.js';
import { data, FakeDialect, option } from '../support/fake-dialect.js';

const novel = option({ internal: 'novel', seeNoEvil: false });

describe('relay: attach', () => {
  it('REQ-IMXP-011 answers 555 to a transID in use on the channel', () => {
    const relay = makeRelay();
    const channel = attached(relay, 'fred@example.com');
    expect(channel.attach('fred/appl=im@example.com', 1)).to.equal(555);
    expect(relay.attached()).to.deep.equal(['fred@example.com']);
  });

  it('REQ-IMXP-012 answers 553 for an endpoint of a domain not served here', () => {
    const channel = endpoint(makeRelay(), 'barney@rubble.com');
    expect(channel.attach('barney@rubble.com')).to.equal(553);
    expect(channel.attach('barney')).to.equal(553);
  });

  it('D-CORE-09 REQ-IMXP-013 answers 537 for an endpoint that the peer may not attach as, and 530 when the peer has not authenticated', () => {
    const relay = makeRelay();
    expect(endpoint(relay, 'fred@example.com').attach('wilma@example.com')).to.equal(537);
    expect(accepted(relay, new FakeChannel(NOBODY)).attach('fred@example.com')).to.equal(530);
    expect(relay.attached()).to.deep.equal([]);
  });

  it('checks in the order of the draft: 555 before 553 before 537', () => {
    const channel = attached(makeRelay(), 'fred@example.com');
    expect(channel.attach('barney@rubble.com', 1)).to.equal(555);
    expect(channel.attach('barney@rubble.com', 2)).to.equal(553);
  });

  it('REQ-IMXP-014 examines the options before it checks whether the endpoint is attached', () => {
    const relay = makeRelay();
    attached(relay, 'fred@example.com');
    const channel = endpoint(relay, 'fred@example.com');
    const attach = { type: 'attach', endpoint: 'fred@example.com', transID: 1 } as const;
    expect(channel.ask({ ...attach, options: [novel] })).to.equal(504);
    expect(channel.ask({ ...attach, options: [option({ internal: 'novel' })] })).to.equal(554);
  });

  it('accepts an option that is understood', () => {
    const understood = new OptionRegistry();
    understood.add('novel', ['attach']);
    const channel = endpoint(makeRelay({ understood }), 'fred@example.com');
    expect(channel.ask({ type: 'attach', endpoint: 'fred@example.com', transID: 1, options: [novel] })).to.equal(0);
  });

  it('REQ-IMXP-015 answers 554 when the endpoint is already attached, on the same channel too', () => {
    const relay = makeRelay();
    const first = attached(relay, 'fred@example.com');
    expect(endpoint(relay, 'fred@example.com').attach('fred@EXAMPLE.COM')).to.equal(554);
    expect(first.attach('fred@example.com', 2)).to.equal(554);
  });

  it('REQ-IMXP-016 attaches several endpoints on one channel', () => {
    const relay = makeRelay();
    const channel = attached(relay, 'fred@example.com');
    expect(channel.attach('fred/appl=im@example.com', 2)).to.equal(0);
    expect(channel.attach('fred/appl=wb@example.com', 3)).to.equal(0);
    expect(relay.attached()).to.have.length(3);
  });

  it('answers 554 past the limit of attachments on a channel', () => {
    const channel = endpoint(makeRelay({ limits: { ...LIMITS, attachmentsPerSession: 2 } }), 'fred@example.com');
    const codes = ['a', 'b', 'c'].map((sub, at) => channel.attach(`fred/x=${sub}@example.com`, at + 1));
    expect(codes).to.deep.equal([0, 0, 554]);
  });

  it('REQ-IMXP-003 answers 550 to an attach on a session that this relay initiated', () => {
    const identity = {
      kind: 'endpoint',
      address: 'fred@example.com',
      proof: { mechanism: 'x', privacy: true },
    } as const;
    const channel = accepted(makeRelay(), new FakeChannel(identity, { initiator: true }));
    expect(channel.attach('fred@example.com')).to.equal(550);
  });

  it('REQ-IMXP-005 accepts an attach piggybacked on the start of the channel, and does not require one', async () => {
    const relay = makeRelay();
    const channel = endpoint(relay, 'fred@example.com');
    const attach = { type: 'attach', endpoint: 'fred@example.com', transID: 1, options: [] };
    const answer = await relay.initial(channel, Buffer.from(JSON.stringify(attach)));
    expect(JSON.parse(answer)).to.deep.equal({ type: 'ok' });
    expect(relay.attached()).to.deep.equal(['fred@example.com']);
    expect(channel.replies, 'the answer goes with the start').to.deep.equal([]);
    expect(endpoint(relay, 'wilma@example.com').attach('wilma@example.com')).to.equal(0);
  });

  it('REQ-BEEP-044 refuses a piggybacked operation with an error as content, and keeps the channel', async () => {
    const relay = makeRelay();
    const channel = endpoint(relay, 'fred@example.com');
    const refused = async (content: string) => JSON.parse(await relay.initial(channel, Buffer.from(content))).code;
    expect(await refused('{')).to.equal(500);
    expect(await refused('{"type":"terminate","transID":1}')).to.equal(501);
    expect(await refused('{"type":"attach","endpoint":"wilma@example.com","transID":1,"options":[]}')).to.equal(537);
    expect(channel.attach('fred@example.com')).to.equal(0);
  });

  it('refuses a channel whose profile is no dialect', () => {
    const channel = new FakeChannel(NOBODY, { dialect: new FakeDialect('http://example.com/else') });
    expect(() => makeRelay().accept(channel))
      .to.throw(LocalError)
      .with.property('code', 'ARGUMENT');
  });
});

describe('relay: bind', () => {
  it('D-CORE-05 REQ-IMXP-018 answers 555 to a transID in use on the channel', () => {
    const channel = neighbour(makeRelay(), 'rubble.com');
    expect(channel.bind('rubble.com', 4)).to.equal(0);
    expect(channel.bind('rubble.com', 4)).to.equal(555);
  });

  it('REQ-IMXP-019 answers 537 when the address is not that of a relay of the domain', async () => {
    const asked: string[] = [];
    const bindCheck = async (domain: string, { remote }: { remote: { address: string } }) => {
      asked.push(`${domain} ${remote.address}`);
      return domain === 'rubble.com';
    };
    const policy = { requireTls: 'never', attach: {}, originators: {}, trusted: [] } as const;
    const relay = makeRelay({ bindCheck, policy: { ...policy, relays: { 'rubble.com': ['slate.example'] } } });
    const channel = neighbour(relay, 'rubble.com');
    const [good, bad] = [1, 2].map((transID) =>
      channel.send({ type: 'bind', relay: transID === 1 ? 'Rubble.com' : 'slate.example', transID, options: [] }),
    );
    expect(channel.replies).to.deep.equal([]);
    await settled();
    expect([channel.code(good ?? -1), channel.code(bad ?? -1)]).to.deep.equal([0, 537]);
    expect(asked).to.deep.equal(['rubble.com 192.0.2.7', 'slate.example 192.0.2.7']);
    expect(relay.bound()).to.deep.equal(['rubble.com']);
  });

  it('answers 450 when the look-up fails, and does not query the DNS for peers that have not authenticated', async () => {
    let asked = 0;
    const bindCheck = async () => {
      asked += 1;
      throw new Error('no DNS');
    };
    const relay = makeRelay({ bindCheck });
    expect(neighbour(relay, 'slate.example').bind('rubble.com')).to.equal(537);
    expect(asked).to.equal(0);
    const channel = neighbour(relay, 'rubble.com');
    channel.bind('rubble.com');
    await settled();
    expect(channel.code(0)).to.equal(450);
  });

  it('REQ-IMXP-020 answers 537 for a domain that the peer may not represent, and 530 when the peer has not authenticated', () => {
    const relay = makeRelay();
    expect(neighbour(relay, 'rubble.com').bind('slate.example')).to.equal(537);
    expect(endpoint(relay, 'fred@example.com').bind('rubble.com')).to.equal(537);
    expect(accepted(relay, new FakeChannel()).bind('rubble.com')).to.equal(530);
    expect(neighbour(relay, 'example.com').bind('example.com'), 'our own domain').to.equal(537);
    expect(relay.bound()).to.deep.equal([]);
  });

  it('examines the options last', () => {
    const channel = neighbour(makeRelay(), 'rubble.com');
    expect(channel.ask({ type: 'bind', relay: 'slate.example', transID: 1, options: [novel] })).to.equal(537);
    expect(channel.ask({ type: 'bind', relay: 'rubble.com', transID: 1, options: [novel] })).to.equal(504);
  });

  it('REQ-IMXP-021 accepts a bind from both BEEP roles, for several domains on a channel and on several channels for a domain', () => {
    const policy = { requireTls: 'never', attach: {}, originators: {}, trusted: [] } as const;
    const relay = makeRelay({ policy: { ...policy, relays: { 'rubble.com': ['slate.example'] } } });
    const first = neighbour(relay, 'rubble.com');
    expect(first.bind('rubble.com', 1)).to.equal(0);
    expect(first.bind('slate.example', 2)).to.equal(0);
    expect(neighbour(relay, 'rubble.com', { initiator: true }).bind('rubble.com')).to.equal(0);
    expect(relay.bound()).to.deep.equal(['rubble.com', 'slate.example']);
  });

  it('accepts a bind piggybacked on the start of the channel', async () => {
    const relay = makeRelay({ bindCheck: async () => true });
    const channel = neighbour(relay, 'rubble.com');
    const bind = { type: 'bind', relay: 'rubble.com', transID: 1, options: [] };
    expect(JSON.parse(await relay.initial(channel, Buffer.from(JSON.stringify(bind)))).type).to.equal('ok');
    expect(relay.bound()).to.deep.equal(['rubble.com']);
  });

  it('makes operations behind a bind wait until it has been examined', async () => {
    const relay = makeRelay({ bindCheck: async () => true });
    const wilma = attached(relay, 'wilma@example.com');
    const channel = neighbour(relay, 'rubble.com');
    channel.bind('rubble.com', 1);
    channel.send(data('barney@rubble.com', ['wilma@example.com']));
    channel.send({ type: 'terminate', transID: 1 });
    expect(wilma.requests).to.deep.equal([]);
    await settled();
    expect(wilma.requests).to.have.length(1);
    wilma.requests[0]?.ok();
    expect([0, 1, 2].map((msgno) => channel.code(msgno))).to.deep.equal([0, 0, 0]);
  });

  it('bounds the operations that wait', () => {
    const bindCheck = () => new Promise<boolean>(() => {});
    const channel = neighbour(makeRelay({ bindCheck }), 'rubble.com');
    channel.bind('rubble.com', 1);
    for (let at = 0; at < LIMITS.outstanding; at += 1) channel.send({ type: 'terminate', transID: 9 });
    expect(channel.terminate(9)).to.equal(450);
  });
});

describe('relay: terminate', () => {
  it('REQ-IMXP-022 answers 550 to an unknown transID', () => {
    const channel = attached(makeRelay(), 'fred@example.com');
    expect(channel.terminate(2)).to.equal(550);
    expect(neighbour(makeRelay(), 'rubble.com').terminate(1)).to.equal(550);
  });

  it('REQ-IMXP-022 ends the attachment or binding and answers ok, once', () => {
    const relay = makeRelay();
    const fred = attached(relay, 'fred@example.com');
    expect(fred.terminate(1)).to.equal(0);
    expect(relay.attached()).to.deep.equal([]);
    expect(fred.terminate(1)).to.equal(550);
    const rubble = neighbour(relay, 'rubble.com');
    rubble.bind('rubble.com', 7);
    expect(rubble.terminate(7)).to.equal(0);
    expect(relay.bound()).to.deep.equal([]);
    expect(fred.attach('fred@example.com', 1), 'the transID is free again').to.equal(0);
  });

  it('looks only at operations of the same channel', () => {
    const relay = makeRelay();
    attached(relay, 'fred@example.com');
    expect(endpoint(relay, 'fred@example.com').terminate(1)).to.equal(550);
    expect(relay.attached()).to.deep.equal(['fred@example.com']);
  });

  it('REQ-IMXP-023 accepts terminate from either side; each side has its own transIDs, and those of the sender are tried first', () => {
    const relay = makeRelay();
    const channel = neighbour(relay, 'rubble.com');
    let ended = 0;
    relay.initiated(channel, 5, () => {
      ended += 1;
    });
    channel.bind('rubble.com', 5);
    expect(channel.terminate(5)).to.equal(0);
    expect([relay.bound().length, ended]).to.deep.equal([0, 0]);
    expect(channel.terminate(5)).to.equal(0);
    expect(ended).to.equal(1);
    expect(channel.terminate(5)).to.equal(550);
  });

  it('REQ-IMXP-023 terminates an attachment toward its application', () => {
    const relay = makeRelay();
    const fred = attached(relay, 'fred@example.com');
    expect(relay.detach('fred@EXAMPLE.com')).to.equal(true);
    expect(fred.requests.map(({ operation }) => operation)).to.deep.equal([
      { type: 'terminate', transID: 1, code: 537, text: 'the operator ended this attachment' },
    ]);
    expect(relay.attached()).to.deep.equal([]);
    expect(relay.detach('fred@example.com')).to.equal(false);
  });

  it('REQ-IMXP-024 ends attachments and bindings with their channel', () => {
    const relay = makeRelay();
    const fred = attached(relay, 'fred@example.com');
    fred.attach('fred/appl=im@example.com', 2);
    const rubble = neighbour(relay, 'rubble.com');
    rubble.bind('rubble.com');
    fred.lose();
    rubble.lose();
    expect(relay.attached()).to.deep.equal([]);
    expect(relay.bound()).to.deep.equal([]);
  });

  it('does not bind a channel that ended while its bind was being examined', async () => {
    const relay = makeRelay({ bindCheck: async () => true });
    const channel = neighbour(relay, 'rubble.com');
    channel.bind('rubble.com');
    channel.lose();
    await settled();
    expect(relay.bound()).to.deep.equal([]);
    expect(channel.replies).to.deep.equal([]);
  });
});

describe('relay: reload and drain', () => {
  it('ends what the new configuration no longer permits', () => {
    const relay = makeRelay();
    const fred = attached(relay, 'fred@example.com');
    const rubble = neighbour(relay, 'rubble.com');
    rubble.bind('rubble.com', 3);
    relay.reload({ domains: ['example.com', 'rubble.com'] });
    expect(rubble.requests.map(({ operation }) => operation)).to.deep.equal([
      { type: 'terminate', transID: 3, code: 537, text: 'no longer permitted here' },
    ]);
    expect(fred.requests).to.deep.equal([]);
    relay.reload({ domains: ['rubble.com'] });
    expect(relay.attached()).to.deep.equal([]);
  });

  it('evaluates again for whom a peer may send', () => {
    const relay = makeRelay();
    const rubble = neighbour(relay, 'rubble.com');
    const post = data('pearl@slate.example', ['fred@example.com']);
    const rules = { requireTls: 'never', attach: {}, originators: {}, relays: {}, trusted: ['rubble.com'] } as const;
    relay.reload({ policy: rules });
    attached(relay, 'fred@example.com');
    expect(rubble.ask(post)).to.equal(undefined);
    relay.reload({ policy: { ...rules, trusted: [] } });
    expect(rubble.ask(post)).to.equal(537);
  });

  it('refuses with 421 while it drains, terminates attachments, and waits for outstanding operations', async () => {
    const relay = makeRelay();
    const fred = attached(relay, 'fred@example.com');
    const wilma = attached(relay, 'wilma@example.com');
    const msgno = fred.send(data('fred@example.com', ['wilma@example.com']));
    let drained = false;
    const done = relay.drain().then(() => {
      drained = true;
    });
    expect(wilma.attach('wilma/x=y@example.com', 5)).to.equal(421);
    expect(neighbour(relay, 'rubble.com').bind('rubble.com')).to.equal(421);
    expect(fred.ask(data('fred@example.com', ['wilma@example.com']))).to.equal(421);
    expect(wilma.requests.map(({ operation }) => operation.type)).to.deep.equal(['data', 'terminate']);
    fred.requests[0]?.ok();
    wilma.requests[1]?.ok();
    await settled();
    expect(drained).to.equal(false);
    wilma.requests[0]?.ok();
    await done;
    expect(fred.code(msgno)).to.equal(0);
    expect(relay.outstanding).to.equal(0);
  });

  it('has drained at once when nothing is outstanding', async () => {
    await makeRelay().drain();
  });
});
