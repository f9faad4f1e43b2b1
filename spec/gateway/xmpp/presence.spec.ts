import { expect } from 'chai';
import {
  type CpimResponse,
  type NotifyOperation,
  responseTo,
  type SubscribeOperation,
} from '../../../lib/gateway/cpim-service.js';
import { childOf, dataIn, stanza, type XmppElement, xmppElement } from '../../../lib/gateway/xmpp/element.js';
import { XmppPresence } from '../../../lib/gateway/xmpp/presence.js';
import type { XmppSubscription, XmppSubscriptionStore } from '../../../lib/gateway/xmpp/subscriptions.js';
import { events, type Refused } from '../../../lib/ops/events.js';
import { fakes, PRESENCE, turn } from './fakes.js';

const FRED = 'pres:fred@example.com';
const ROMEO = 'pres:romeo@xmpp.example';
const NAMESPACE = 'jabber:component:accept';

class MemoryStore implements XmppSubscriptionStore {
  readonly kept = new Map<string, XmppSubscription>();
  all = () => [...this.kept.values()];
  put = (one: XmppSubscription) => void this.kept.set(`${one.watcher} ${one.target}`, one);
  remove = (one: XmppSubscription) => void this.kept.delete(`${one.watcher} ${one.target}`);
}

function build(store = new MemoryStore(), options = PRESENCE) {
  const all = fakes();
  const presence = new XmppPresence(all.context, options, new AbortController().signal, store);
  const { link } = all;
  /** A stanza of romeo to fred. */
  const says = async (type: string | undefined, ...children: XmppElement[]): Promise<void> => {
    const from = type === undefined || type === 'unavailable' ? 'romeo@slate.example/laptop' : 'romeo@slate.example';
    await presence.received(stanza('presence', { from, to: 'fred@example.com', type }, ...children), link);
    await turn();
  };
  /** What was sent to XMPP since the last call: types, resources and texts. */
  const sent = (): string[] =>
    link.sent.splice(0).map((one) => {
      const { type = 'available', from = '' } = one.attributes;
      const resource = from.includes('/') ? from.slice(from.indexOf('/')) : '';
      const words = ['show', 'status', 'priority'].map((name) => dataIn(childOf(one, name)));
      return [`${type}${resource}`, ...words.filter((word) => word !== undefined)].join(' ');
    });
  return { ...all, store, presence, says, sent };
}

const child = (name: string, text: string) => xmppElement(name, NAMESPACE, {}, text);
const subscribe = (change: Partial<SubscribeOperation> = {}): SubscribeOperation => ({
  type: 'subscribe',
  watcher: FRED,
  target: ROMEO,
  duration: 100,
  subscriptID: 'one',
  transID: 't',
  ...change,
});
const shown = (notified: readonly NotifyOperation[]) =>
  notified.map(({ presence: { tuples }, ended }) => [
    ...tuples.map(({ status, show, note }) => [status, show, note].filter(Boolean).join(' ')),
    ...(ended ? ['ended'] : []),
  ]);

describe('a user of the mesh who watches an XMPP user', () => {
  it('is told the one name of an XMPP user who has several', async () => {
    const { presence, sent } = build();
    const other = await presence.subscribe(subscribe({ target: 'pres:Romeo@xmpp.example' }));
    expect(other).to.include({ status: 'failure', code: 553 });
    expect(other.reason).to.contain('knows this XMPP user as romeo@xmpp.example');
    expect(sent()).to.deep.equal([]);
  });

  it('subscribes there, and sees each resource when it is approved', async () => {
    const { presence, says, sent, clock, mesh } = build();
    const asked = presence.subscribe(subscribe());
    expect(sent()).to.deep.equal(['subscribe']);
    await says('subscribed');
    await says(undefined, child('show', 'away'), child('status', 'on the balcony'), child('priority', '5'));
    expect(await asked).to.deep.include({ status: 'success', duration: 100 });
    await clock.pass(100);
    expect(mesh.told.at(-1)?.presence.tuples).to.deep.equal([
      {
        destination: 'im:romeo@xmpp.example',
        info: '',
        status: 'open',
        show: 'away',
        note: 'on the balcony',
        priority: 5,
      },
      {
        destination: 'xmpp:romeo@slate.example/laptop',
        info: '',
        status: 'open',
        show: 'away',
        note: 'on the balcony',
        priority: 5,
      },
    ]);
    await says('unavailable');
    await clock.pass(100);
    expect(shown(mesh.told).at(-1)).to.deep.equal(['closed']);
  });

  it('is closed while only resources are there that take no messages', async () => {
    const { presence, says, clock, mesh } = build();
    const asked = presence.subscribe(subscribe());
    await says(undefined, child('priority', '-1'));
    await asked;
    await clock.pass(100);
    expect(shown(mesh.told).at(-1)).to.deep.equal(['closed', 'open']);
  });

  it('is refused when the XMPP user refuses, when XMPP has no such name, and without a connection', async () => {
    const { presence, says, link } = build();
    const asked = presence.subscribe(subscribe());
    await says('unsubscribed');
    expect(await asked).to.deep.include({ status: 'failure', code: 537 });
    expect(await presence.subscribe(subscribe({ watcher: 'pres:Fred@other.example' }))).to.deep.include({ code: 553 });
    link.controller = undefined;
    expect(await presence.subscribe(subscribe())).to.deep.include({ status: 'failure', code: 450 });
  });

  it('is told that nothing is known yet when no answer comes in time, and of an approval and a withdrawal later', async () => {
    const { presence, says, clock, mesh, store } = build();
    const asked = presence.subscribe(subscribe());
    await clock.pass(PRESENCE.answerTimeoutMs);
    expect((await asked).status).to.equal('success');
    await turn();
    expect(shown(mesh.told)).to.deep.equal([['closed']]);
    await says('subscribed');
    await says(undefined);
    await clock.pass(100);
    expect(shown(mesh.told).at(-1)).to.deep.equal(['open', 'open']);
    expect([...store.kept.values()]).to.have.length(1);
    await says('unsubscribed');
    expect(shown(mesh.told).at(-1)).to.deep.equal(['closed', 'ended']);
    expect([...store.kept.values()]).to.deep.equal([]);
  });

  it('renews without asking a person again, and unsubscribes when it ends or long after it has run out', async () => {
    const { presence, says, sent, clock } = build();
    const first = presence.subscribe(subscribe());
    await says('subscribed');
    await says(undefined);
    await first;
    await clock.pass(200_000);
    const second = presence.subscribe(subscribe({ subscriptID: 'two' }));
    await says(undefined);
    await second;
    expect(sent()).to.deep.equal(['subscribe', 'probe']);
    await presence.subscribe(subscribe({ subscriptID: 'two', duration: 0 }));
    const third = presence.subscribe(subscribe({ subscriptID: 'three' }));
    await says(undefined);
    await third;
    await clock.pass(50_000);
    expect(sent(), 'replaced').to.deep.equal(['probe']);
    await clock.pass(PRESENCE.keepMs + 100_000);
    expect(sent(), 'run out').to.deep.equal(['unsubscribe']);
    const fourth = presence.subscribe(subscribe({ subscriptID: 'four' }));
    await says('subscribed');
    await says(undefined);
    await fourth;
    await presence.subscribe(subscribe({ subscriptID: 'four', duration: 0 }));
    await clock.pass(5000);
    expect(sent(), 'ended').to.deep.equal(['subscribe', 'unsubscribe']);
  });

  it('asks once by a probe', async () => {
    const { presence, says, sent, mesh, clock, store } = build();
    const asked = presence.subscribe(subscribe({ duration: 0 }));
    expect(sent()).to.deep.equal(['probe']);
    await says(undefined, child('show', 'dnd'));
    expect((await asked).status).to.equal('success');
    await turn();
    expect(shown(mesh.told).at(-1)).to.deep.equal(['open dnd', 'open dnd']);
    const silent = presence.subscribe(subscribe({ duration: 0 }));
    await clock.pass(PRESENCE.answerTimeoutMs);
    expect(await silent).to.deep.include({ status: 'failure', code: 450 });
    expect([...store.kept.values()]).to.deep.equal([]);
  });

  it('sees nobody while the component is away, and everything again afterwards', async () => {
    const { presence, says, sent, mesh } = build();
    const asked = presence.subscribe(subscribe());
    await says('subscribed');
    await says(undefined);
    await asked;
    sent();
    presence.disconnected('example.com');
    expect(shown(mesh.told).at(-1)).to.deep.equal(['closed']);
    presence.connected('example.com');
    expect(sent()).to.deep.equal(['probe']);
  });

  it('asks a server again that has forgotten the approval and does not answer the probe', async () => {
    const { presence, says, sent, mesh, clock } = build();
    const asked = presence.subscribe(subscribe());
    await says('subscribed');
    await says(undefined);
    await asked;
    sent();
    presence.connected('example.com');
    await says('unavailable');
    await clock.pass(PRESENCE.answerTimeoutMs);
    expect(sent(), 'answered').to.deep.equal(['probe']);
    presence.disconnected('example.com');
    presence.connected('example.com');
    await clock.pass(PRESENCE.answerTimeoutMs);
    expect(sent(), 'not answered').to.deep.equal(['probe', 'subscribe']);
    const renewed = presence.subscribe(subscribe({ subscriptID: 'two' }));
    await clock.pass(PRESENCE.answerTimeoutMs);
    expect((await renewed).status).to.equal('success');
    expect(sent(), 'renewed').to.deep.equal(['probe', 'subscribe']);
    await says('subscribed');
    await says(undefined);
    await clock.pass(100);
    expect(shown(mesh.told).at(-1)).to.deep.equal(['open', 'open']);
  });

  it('shows a long status up to a whole character', async () => {
    const { presence, says, clock, mesh } = build();
    const asked = presence.subscribe(subscribe());
    await says(undefined, child('status', `${'a'.repeat(999)}\u{1f3b3}`));
    await asked;
    await clock.pass(100);
    expect(mesh.told.at(-1)?.presence.tuples[0]?.note).to.equal('a'.repeat(999));
  });

  it('has one share with all subaddresses', async () => {
    const { presence, clock } = build();
    const asked = ['fred', 'fred/home', 'fred/work'].map((name) =>
      presence.subscribe(subscribe({ watcher: `pres:${name.replace('/', '%2F')}@example.com`, subscriptID: name })),
    );
    await clock.pass(PRESENCE.answerTimeoutMs);
    expect((await Promise.all(asked)).map(({ code }) => code)).to.deep.equal([undefined, undefined, 450]);
  });

  it('has a share of the subscriptions', async () => {
    const { presence, clock } = build();
    const asked = ['a', 'b', 'c'].map((name) =>
      presence.subscribe(subscribe({ target: `pres:${name}@xmpp.example`, subscriptID: name })),
    );
    await clock.pass(PRESENCE.answerTimeoutMs);
    expect((await Promise.all(asked)).map(({ code }) => code)).to.deep.equal([undefined, undefined, 450]);
  });
});

describe('an XMPP user who watches a user of the mesh', () => {
  const notify = (open: boolean, more: object = {}): NotifyOperation => ({
    type: 'notify',
    watcher: ROMEO,
    target: FRED,
    transID: 'n',
    presence: {
      entityInfo: '',
      tuples: [
        {
          destination: 'im:fred@example.com',
          status: open ? 'open' : 'closed',
          info: '',
          show: 'away',
          note: 'bowling',
        },
        { destination: 'im:fred/home@example.com', status: open ? 'open' : 'closed', info: '' },
        { destination: 'mailto:fred@example.com', status: 'open', info: '' },
      ],
    },
    ...more,
  });

  it('is approved where the access entries permit it, and sees the tuples as resources', async () => {
    const { presence, says, sent, mesh } = build();
    await says('subscribe');
    expect(mesh.asked).to.have.length(1);
    expect(mesh.asked[0]).to.include({ watcher: ROMEO, target: FRED, duration: 1000 });
    presence.notify(notify(true));
    expect(sent()).to.deep.equal(['subscribed', 'available/imxp away bowling', 'available/home']);
    presence.notify(notify(true));
    expect(sent(), 'nothing has changed').to.deep.equal([]);
    await says('probe');
    expect(sent()).to.deep.equal(['available/imxp away bowling', 'available/home']);
    presence.notify(notify(false));
    expect(sent()).to.deep.equal(['unavailable/imxp', 'unavailable/home']);
    await says('probe');
    expect(sent()).to.deep.equal(['unavailable']);
  });

  it('has its subscription renewed in the mesh', async () => {
    const { says, mesh, clock } = build();
    await says('subscribe');
    await clock.pass(900_000);
    expect(mesh.asked.map(({ duration }) => duration)).to.deep.equal([1000, 0, 1000]);
    expect(mesh.asked[1]?.subscriptID).to.equal(mesh.asked[0]?.subscriptID);
    await clock.pass(900_000);
    expect(mesh.asked).to.have.length(5);
  });

  it('is asked for again for a while where it is not permitted yet, and then refused', async () => {
    const { says, sent, mesh, clock } = build();
    mesh.permit = (one) => ({ ...responseTo(one, 'failure'), code: 537 });
    await says('subscribe');
    expect(sent()).to.deep.equal([]);
    await clock.pass(PRESENCE.retryMs);
    mesh.permit = (one) => responseTo(one, 'success');
    await clock.pass(PRESENCE.retryMs);
    expect(sent()).to.deep.equal(['subscribed']);
    const other = build();
    other.mesh.permit = (one) => ({ ...responseTo(one, 'failure'), code: 537 });
    await other.says('subscribe');
    await other.clock.pass(PRESENCE.pendingMs + PRESENCE.retryMs);
    expect(other.sent()).to.deep.equal(['unsubscribed']);
    expect(other.store.kept.size).to.equal(0);
  });

  it('is refused at once where there is no such user', async () => {
    const { says, sent, mesh } = build();
    mesh.permit = (one) => ({ ...responseTo(one, 'failure'), code: 550 });
    await says('subscribe');
    expect(sent()).to.deep.equal(['unsubscribed']);
  });

  it('is told when the user of the mesh withdraws the permission', async () => {
    const { presence, says, sent, store } = build();
    await says('subscribe');
    presence.notify(notify(true));
    sent();
    presence.notify(notify(false, { ended: true }));
    expect(sent()).to.deep.equal(['unavailable/imxp', 'unavailable/home', 'unsubscribed']);
    expect(store.kept.size).to.equal(0);
  });

  it('can unsubscribe, and sees the user as away', async () => {
    const { says, sent, mesh, store } = build();
    await says('subscribe');
    sent();
    await says('unsubscribe');
    expect(sent()).to.deep.equal(['unavailable']);
    expect(mesh.asked.at(-1)).to.include({ duration: 0, subscriptID: mesh.asked[0]?.subscriptID });
    expect(store.kept.size).to.equal(0);
  });

  it('sees no resource for a destination that names nobody or several, and only so many', async () => {
    const { presence, says, sent } = build();
    await says('subscribe');
    sent();
    const tuple = (destination: string) => ({ destination, status: 'open' as const, info: '' });
    const strange = ['im:x', 'im:%3C%3E', 'im:a@b.example,c@d.example', 'im:%FF@example.com'].map(tuple);
    const many = Array.from({ length: 100 }, (_, index) => tuple(`im:fred/${index}@example.com`));
    presence.notify({ ...notify(true), presence: { entityInfo: '', tuples: [...strange, ...many] } });
    expect(sent()).to.have.length(32);
  });

  it('ends in the mesh what was granted while they unsubscribed', async () => {
    const { says, mesh } = build();
    let grant = (_: CpimResponse): void => {};
    const late = (one: SubscribeOperation) => {
      mesh.asked.push(one);
      return new Promise<CpimResponse>((resolve) => {
        grant = resolve;
      });
    };
    mesh.subscribe = late;
    const asking = says('subscribe');
    await turn();
    mesh.subscribe = async (one) => {
      mesh.asked.push(one);
      return responseTo(one, 'success');
    };
    await says('unsubscribe');
    const [first] = mesh.asked;
    if (first === undefined) throw new Error('nothing was asked for');
    grant(responseTo(first, 'success'));
    await asking;
    expect(mesh.asked.map(({ duration, subscriptID }) => [duration, subscriptID])).to.deep.equal([
      [1000, first.subscriptID],
      [0, first.subscriptID],
    ]);
  });

  it('does not lose a subscription when the relay fails for a while', async () => {
    const { presence, says, sent, mesh, clock } = build();
    await says('subscribe');
    sent();
    mesh.permit = (one) => responseTo(one, 'failure', 'the presence service did not answer');
    presence.attached();
    await clock.pass(25_000);
    mesh.permit = (one) => responseTo(one, 'success');
    await clock.pass(10_000);
    presence.notify(notify(true));
    expect(sent()).to.deep.equal(['available/imxp away bowling', 'available/home']);
  });

  it('goes on after a restart of the gateway', async () => {
    const first = build();
    await first.says('subscribe');
    const { presence, mesh, sent } = build(first.store);
    presence.attached();
    await turn();
    expect(mesh.asked.map(({ duration }) => duration)).to.deep.equal([0, 1000]);
    presence.notify(notify(true));
    expect(sent()).to.deep.equal(['available/imxp away bowling', 'available/home']);
  });

  it('sees everybody as away when the gateway ends in order', async () => {
    const { presence, says, sent } = build();
    await says('subscribe');
    presence.notify(notify(true));
    sent();
    presence.close(['example.com']);
    expect(sent()).to.deep.equal(['unavailable/imxp', 'unavailable/home']);
  });

  it('is refused, and logged, from a domain that is not served, for a domain that is not, and beyond a share', async () => {
    const { presence, link, sent, mesh } = build();
    const refused: Refused[] = [];
    const stop = events.refused.subscribe((event) => refused.push(event));
    try {
      for (const [from, to] of [
        ['romeo@evil.example', 'fred@example.com'],
        ['barney@example.com', 'fred@example.com'],
        ['romeo@slate.example', 'fred@elsewhere.example'],
        ['romeo@slate.example', 'a@example.com'],
        ['romeo@slate.example', 'b@example.com'],
        ['romeo@slate.example', 'c@example.com'],
        ['@@', 'c@example.com'],
      ])
        await presence.received(stanza('presence', { from, to, type: 'subscribe' }), link);
    } finally {
      stop();
    }
    expect(sent()).to.deep.equal(['error', 'error', 'error', 'subscribed', 'subscribed', 'error']);
    expect(refused.map(({ code }) => code)).to.deep.equal([537, 537, 553, 450, 501]);
    expect(mesh.asked).to.have.length(2);
  });
});

describe('subscriptions of many XMPP users', () => {
  const WATCHERS = 100;
  const store = (): MemoryStore => {
    const made = new MemoryStore();
    for (let number = 0; number < WATCHERS; number += 1)
      made.put({
        side: 'xmpp',
        watcher: `pres:user${number}@xmpp.example`,
        target: FRED,
        subscriptID: 's',
        until: 0,
        since: 0,
        approved: true,
      });
    return made;
  };
  const options = { ...PRESENCE, subscriptions: 1000, subscriptionsPerUser: 1000 };

  it('are renewed a few at a time when the relay is back, and all of them once', async () => {
    const { presence, mesh } = build(store(), options);
    let [running, most] = [0, 0];
    const asked: string[] = [];
    mesh.subscribe = async (operation) => {
      running += 1;
      most = Math.max(most, running);
      asked.push(operation.watcher);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return responseTo(operation, 'success');
    };
    presence.attached();
    while (asked.length < WATCHERS) await turn();
    await turn();
    expect(most).to.equal(16);
    expect([asked.length, new Set(asked).size]).to.deep.equal([WATCHERS, WATCHERS]);
  });

  it('are told one after the other when the XMPP server is back, as fast as it reads', async () => {
    const { presence, link } = build(store(), options);
    let [running, most] = [0, 0];
    link.send = async (one) => {
      link.sent.push(one);
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    presence.connected('example.com');
    while (link.sent.length < WATCHERS) await turn();
    expect(most).to.equal(1);
    // The rest is for the next connection.
    link.sent.length = 0;
    presence.connected('example.com');
    link.controller?.abort();
    await turn();
    expect(link.sent.length).to.be.below(3);
  });
});
