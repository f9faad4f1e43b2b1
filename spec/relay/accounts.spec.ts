import { expect } from 'chai';
import type { AccountRules } from '../../lib/relay/accounts.js';
import { type OwnRates, Rates } from '../../lib/relay/rates.js';
import { accepted, attached, endpoint, FakeChannel, makeRelay, neighbour, settled } from '../support/fake-channel.js';
import { data } from '../support/fake-dialect.js';

const FRED = 'fred@example.com';
const NO_LIMIT = { perSecond: 0, burst: 1 };

/** Decisions that a spec changes as it goes. */
class Decisions implements AccountRules {
  readonly disabled = new Set<string>();
  readonly joins: string[] = [];
  most = 0;

  suspended(account: string): string | undefined {
    return this.disabled.has(account) ? `${account} is disabled` : undefined;
  }

  attachments(): number {
    return this.most;
  }

  heldQuota(): object {
    return {};
  }

  joined(account: string, from: string): void {
    this.joins.push(`${account} ${from}`);
  }
}

describe('relay: accounts', () => {
  let accounts: Decisions;

  beforeEach(() => {
    accounts = new Decisions();
  });

  it('refuses an attach as a disabled account or its subaddresses, whoever asks', () => {
    const relay = makeRelay({ accounts });
    accounts.disabled.add(FRED);
    expect(endpoint(relay, FRED).attach(FRED)).to.equal(550);
    expect(endpoint(relay, FRED).attach('fred/appl=x@example.com')).to.equal(550);
    expect(endpoint(relay, 'wilma@example.com').attach('wilma@example.com')).to.equal(0);
  });

  it('refuses every attach and bind of a peer that authenticated as a disabled account', () => {
    const relay = makeRelay({ accounts });
    accounts.disabled.add('gateway@example.com').add('imxp=mesh@rubble.com');
    const proof = { mechanism: 'DIGEST-MD5', privacy: true, account: 'gateway@example.com' };
    const channel = accepted(relay, new FakeChannel({ kind: 'endpoint', address: FRED, proof }));
    expect(channel.attach(FRED)).to.equal(550);
    expect(neighbour(relay, 'rubble.com').bind('rubble.com')).to.equal(550);
  });

  it('ends everything an account has on every session, and nothing else', () => {
    const relay = makeRelay({ accounts, policy: gateway() });
    const fred = attached(relay, FRED);
    fred.attach('fred/appl=x@example.com', 2);
    const other = endpoint(relay, 'wilma@example.com');
    other.attach('wilma@example.com', 1);
    other.attach(FRED.replace('@', '/gate@'), 2);
    const rubble = neighbour(relay, 'rubble.com');
    rubble.bind('rubble.com');
    relay.expel(new Set([FRED, 'imxp=mesh@rubble.com']));
    const terminated = (channel: FakeChannel): (number | string)[] =>
      channel.requests.map(({ operation }) => (operation.type === 'terminate' ? operation.transID : operation.type));
    expect([fred, other, rubble].map(terminated)).to.deep.equal([[1, 2], [2], [1]]);
    expect(relay.attached()).to.deep.equal(['wilma@example.com']);
    expect(relay.bound()).to.deep.equal([]);
  });

  it('tells senders that an account is disabled, unless they may not know', async () => {
    accounts.disabled.add(FRED);
    const relay = makeRelay({ accounts });
    const wilma = attached(relay, 'wilma@example.com');
    const msgno = wilma.send(data('wilma@example.com', [FRED]));
    await settled();
    expect([wilma.code(msgno), wilma.text(msgno)?.includes('disabled')]).to.deep.equal([550, true]);
    const closed = makeRelay({ accounts, access: { allowed: (owner) => owner !== FRED } });
    const stranger = attached(closed, 'wilma@example.com');
    const refused = stranger.send(data('wilma@example.com', [FRED]));
    await settled();
    expect([stranger.code(refused), stranger.text(refused)]).to.deep.equal([537, 'access denied']);
  });

  it('counts the attachments of an account, subaddresses included, over all sessions', () => {
    accounts.most = 2;
    const relay = makeRelay({ accounts });
    const first = attached(relay, FRED);
    const second = endpoint(relay, FRED);
    expect(second.attach('fred/a=1@example.com', 1)).to.equal(0);
    expect(second.attach('fred/a=2@example.com', 2)).to.equal(554);
    expect(second.text(1)).to.include('the limit of applications attached');
    first.lose();
    expect(second.attach('fred/a=2@example.com', 3)).to.equal(0);
    expect(second.attach(FRED, 4)).to.equal(554);
    expect(endpoint(relay, 'wilma@example.com').attach('wilma@example.com')).to.equal(0);
  });

  it('records who attached and bound, and from where', () => {
    const relay = makeRelay({ accounts });
    endpoint(relay, FRED).attach('fred/appl=x@example.com');
    neighbour(relay, 'rubble.com').bind('rubble.com');
    expect(accounts.joins).to.deep.equal([`${FRED} 192.0.2.7`, 'imxp=mesh@rubble.com 192.0.2.7']);
  });

  it('applies the rates of an account, and new ones as soon as they change', () => {
    const own = new Map<string, OwnRates>();
    const rates = new Rates(
      {
        data: NO_LIMIT,
        relayData: NO_LIMIT,
        octets: NO_LIMIT,
        attach: NO_LIMIT,
        anonymousData: NO_LIMIT,
        anonymousOctets: NO_LIMIT,
      },
      (account) => own.get(account) ?? {},
      () => 0,
    );
    const relay = makeRelay({ rates });
    const fred = attached(relay, FRED);
    const send = (): number | undefined => fred.ask(data(FRED, ['nobody@rubble.com']));
    expect([send(), send(), send()]).to.deep.equal([550, 550, 550]);
    own.set(FRED, { data: { perSecond: 1, burst: 2 } });
    rates.version += 1;
    expect([send(), send(), send()]).to.deep.equal([550, 550, 450]);
    own.set(FRED, { octets: { perSecond: 1, burst: 10 } });
    rates.version += 1;
    expect([send(), send()]).to.deep.equal([550, 450]);
    expect(fred.text(8)).to.include('too many octets');
    own.delete(FRED);
    rates.version += 1;
    expect(send()).to.equal(550);
  });

  it('has one rate for a session as an account and for those as its subaddresses', () => {
    const rate = { perSecond: 1, burst: 2 };
    const limits = { data: NO_LIMIT, relayData: NO_LIMIT, octets: NO_LIMIT, attach: NO_LIMIT };
    const none = { anonymousData: NO_LIMIT, anonymousOctets: NO_LIMIT };
    const own = new Map<string, OwnRates>([[FRED, { data: rate }]]);
    const rates = new Rates(
      { ...limits, ...none },
      (account) => own.get(account) ?? {},
      () => 0,
    );
    const proof = { mechanism: 'DIGEST-MD5', privacy: true };
    const takes = (address: string): boolean | undefined =>
      rates.of({ kind: 'endpoint', address, proof }, '192.0.2.7').data?.take();
    expect([FRED, 'fred/gate@example.com', 'fred/x@example.com'].map(takes)).to.deep.equal([true, true, false]);
  });
});

/** Wilma may also attach as a way to Fred. */
function gateway() {
  const attach = { 'wilma@example.com': ['fred/gate@example.com'] };
  return { requireTls: 'never', attach, originators: {}, relays: {}, trusted: [] } as const;
}
