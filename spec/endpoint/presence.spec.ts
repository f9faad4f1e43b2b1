import { expect } from 'chai';
import { RefusedError, type Reply } from '../../lib/errors.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';
import { dataFor, FRED, scripted } from '../support/scripted-endpoint.js';
import { dialect, ScriptedRelay } from '../support/scripted-relay.js';
import { within } from '../support/within.js';

const BARNEY = 'barney@rubble.com';
const BETTY = 'betty@rubble.com';
const WILMA = 'wilma@example.com';

const ACCESS = {
  initial: [
    { actor: 'owner', actions: ['all:all'] },
    { actor: 'wilma@example.com', actions: ['core:data'] },
    { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
  ],
};

const open = (minutes = 60) => ({
  tuples: [{ destination: 'im:fred@example.com', availableUntil: new Date(Date.now() + minutes * 60_000) }],
});
const closed = () => open(-1);

describe('endpoint: presence at real relays', function () {
  this.slow(3000);
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start({ config: { access: ACCESS, presence: { follow: ['wilma@*'] } } });
    // Only example.com knows a way to the other relay, which then uses the same session.
    const [fred, barney] = await Promise.all([mesh.attach(FRED), mesh.attach(BARNEY)]);
    barney.receive(() => {});
    await fred.send({ to: BARNEY, content: 'hello' });
    await mesh.leave();
  });
  afterEach(() => mesh.leave());
  after(() => mesh.close());

  it('REQ-IMPP-051 hides presence from a politely blocked subscriber while others see it', async () => {
    const [fred, barney, betty] = await Promise.all([FRED, BARNEY, BETTY].map((one) => mesh.attach(one)));
    if (fred === undefined || barney === undefined || betty === undefined) throw new Error('not all attached');
    await fred.presence.publish(open());
    await fred.access.allow(BARNEY, ['presence:as-nobody']);
    expect((await barney.presence.poll(FRED)).open).to.equal(false);
    expect((await betty.presence.poll(FRED)).open).to.equal(true);
    await fred.presence.publish(open(), { publisher: 'fred/nobody@example.com' });
    expect((await barney.presence.poll(FRED)).publisher, 'published for him').to.equal(FRED);
    expect((await barney.presence.poll(FRED)).open).to.equal(true);
    await fred.access.remove(BARNEY);
    await fred.presence.publish(closed());
    expect((await barney.presence.poll(FRED)).open).to.equal(false);
  });

  it('REQ-IMPP-024 publishes in one domain what a subscriber and a poll of another domain see', async () => {
    const [fred, barney, betty] = await Promise.all([FRED, BARNEY, BETTY].map((one) => mesh.attach(one)));
    if (fred === undefined || barney === undefined || betty === undefined) throw new Error('not all attached');
    expect((await barney.presence.poll(FRED)).open).to.equal(false);
    const seen = await barney.presence.subscribe(FRED);
    const looks = await fred.presence.watch(FRED);
    const onlookers = looks[Symbol.asyncIterator]();
    expect((await onlookers.next()).value).to.equal(BARNEY);
    await betty.presence.poll(FRED);
    expect((await onlookers.next()).value).to.equal(BETTY);
    expect(await fred.presence.who(FRED)).to.deep.equal([BARNEY]);
    const states: boolean[] = [];
    const hearing = (async () => {
      for await (const info of seen) {
        states.push(info.open);
        if (states.length === 1) await fred.presence.publish({ ...open(), info: 'http://example.com/~fred/' });
        if (states.length === 2) await fred.presence.publish(closed);
        if (states.length === 3) break;
      }
    })();
    await within(5000, hearing, 'three states');
    expect(states).to.deep.equal([false, true, false]);
    expect(seen.running).to.equal(false);
    // The loop was left: the service knows.
    expect(await fred.presence.who(FRED)).to.deep.equal([]);
  });

  it('returns a function that publishes the present entry', async () => {
    const fred = await mesh.attach(FRED);
    await fred.presence.publish(() => open());
    await fred.presence.publish((present) => ({
      tuples: [
        ...present.tuples,
        { destination: 'mailto:fred@example.com', availableUntil: new Date(0), info: 'urn:m' },
      ],
    }));
    const found = await fred.presence.poll(FRED);
    expect(found.tuples.map(({ destination, open: is, info }) => [destination, is, info])).to.deep.equal([
      ['im:fred@example.com', true, ''],
      ['mailto:fred@example.com', false, 'urn:m'],
    ]);
  });

  it('rejects with the code of the service', async () => {
    const [wilma, barney] = [await mesh.attach(WILMA), await mesh.attach(BARNEY)];
    expect((await failureOf(wilma.presence.poll(FRED))).reply?.code).to.equal(537);
    expect((await failureOf(wilma.presence.subscribe(FRED))).reply?.code).to.equal(537);
    expect((await failureOf(barney.presence.watch(FRED))).reply?.code).to.equal(537);
    expect((await failureOf(barney.presence.who(FRED))).reply?.code).to.equal(537);
    expect((await failureOf(barney.presence.poll('nobody@example.com'))).reply?.code).to.equal(550);
    expect((await failureOf(barney.presence.publish(open(), { publisher: FRED }))).reply?.code).to.equal(537);
    expect((await failureOf(barney.presence.poll('fred@nowhere.example'))).reply?.code).to.equal(550);
    expect((await failureOf(barney.presence.publish({ tuples: [] }))).code).to.equal('ARGUMENT');
    expect((await failureOf(barney.presence.subscribe(FRED, { duration: 0 }))).code).to.equal('ARGUMENT');
  });

  it('ends a subscription after its duration, or renews it where asked', async () => {
    const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
    const seen: unknown[] = [];
    for await (const info of await barney.presence.subscribe(FRED, { duration: 1 })) seen.push(info);
    expect(seen).to.have.length(1);
    const lasting = await barney.presence.subscribe(FRED, { duration: 1, renew: true });
    let count = 0;
    for await (const _ of lasting) {
      count += 1;
      if (count === 3) break;
    }
    await fred.close();
  });

  it('polls without ending an existing subscription', async () => {
    const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
    const seen = await barney.presence.subscribe(FRED);
    await barney.presence.poll(FRED);
    expect(await fred.presence.who(FRED)).to.deep.equal([BARNEY]);
    await seen.end();
    expect(await fred.presence.who(FRED)).to.deep.equal([]);
  });

  it('follows attachments where the configuration says so', async () => {
    const [first, betty] = [await mesh.attach(WILMA), await mesh.attach(BETTY)];
    const seen = (await betty.presence.subscribe(WILMA))[Symbol.asyncIterator]();
    const next = async () => (await within(5000, seen.next(), 'presence')).value?.open;
    expect(await next()).to.equal(true);
    await first.close();
    expect(await next()).to.equal(false);
    await mesh.attach(WILMA);
    expect(await next()).to.equal(true);
  });

  it('ends when the endpoint is closed', async () => {
    const barney = await mesh.attach(BARNEY);
    const seen = (await barney.presence.subscribe(FRED))[Symbol.asyncIterator]();
    await seen.next();
    const next = seen.next();
    await barney.close();
    expect(await next).to.deep.equal({ done: true, value: undefined });
  });
});

describe('endpoint/presence', () => {
  const SERVICE = 'imxp=presence@rubble.com';

  /** An endpoint that has asked for a subscription and has no answer yet. */
  async function subscribed(signal?: AbortSignal) {
    const asked: string[] = [];
    /** Answers to the next Data; ok without one. */
    const answers: Reply[] = [];
    const server = new ScriptedRelay((operation) => {
      if (operation.type !== 'data') return undefined;
      asked.push(String(operation.dataContent?.inner));
      return answers.shift();
    });
    const { fred, relay } = await scripted({ reconnect: { firstMs: 1, longestMs: 1 } }, server);
    const subscribing = fred.presence.subscribe(BARNEY, { duration: 600, ...(signal === undefined ? {} : { signal }) });
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const [, transID = ''] = /transID='(\d+)'/.exec(asked.splice(0).join()) ?? [];
    return { fred, relay, subscribing, transID, asked, answers };
  }

  const fromService = (document: string) => dialect.encodeData({ ...dataFor([FRED], document), originator: SERVICE });
  const published = (transID: string, second: number) =>
    `<publish publisher='${BARNEY}' transID='${transID}' timeStamp='21 Oct 2000 12:00:00 +0000'><presence publisher='${BARNEY}' ` +
    `lastUpdate='21 Oct 2000 12:00:0${second} +0000'><tuple destination='im:${BARNEY}' availableUntil='1 Jan 2000 00:00:00 +0000' /></presence></publish>`;

  it('REQ-PRES-013 answers ok to the Data of the service, and sends nothing in return', async () => {
    const { fred, relay, subscribing, transID, asked } = await subscribed();
    const { channel } = relay;
    const documents = [
      published(transID, 1),
      `<notify subscriber='${FRED}' transID='${transID}' />`,
      `<terminate transID='${transID}' />`,
    ];
    const numbers = documents.map((document) => channel.send(fromService(document)));
    const feed = await subscribing;
    const seen: number[] = [];
    try {
      for await (const { lastUpdate } of feed) seen.push(lastUpdate.getUTCSeconds());
    } catch (error) {
      // Long before the time: the permission was withdrawn.
      expect(error).to.be.instanceOf(RefusedError).with.nested.property('reply.code', 537);
    }
    expect(seen).to.deep.equal([1]);
    expect(numbers.map((msgno) => channel.answers.get(msgno)?.type)).to.deep.equal(['ok', 'ok', 'ok']);
    expect(asked).to.deep.equal([]);
    await fred.close();
  });

  it('REQ-IMPP-060 refuses notifications that nobody asked for, and says which service may not tell', async () => {
    const { fred, relay, subscribing, transID } = await subscribed();
    const arrived: string[] = [];
    fred.receive((delivery) => void arrived.push(delivery.originator));
    const unasked = [
      relay.channel.send(fromService(published('1', 1))),
      relay.channel.send(fromService(`<notify subscriber='${BARNEY}' transID='1' />`)),
      relay.channel.send(fromService(published('1', 1).replace("publisher='barney", "publisher='betty"))),
      relay.channel.send(
        dialect.encodeData({ ...dataFor([FRED], published('1', 1)), originator: 'apex=presence@quarry.example' }),
      ),
    ];
    for (const msgno of unasked) expect(relay.channel.answers.get(msgno)).to.include({ type: 'error', code: 550 });
    // What a person sends is a message, whatever it looks like.
    relay.channel.send(
      dialect.encodeData({ ...dataFor([FRED], published(transID, 1)), originator: 'betty@rubble.com' }),
    );
    relay.channel.send(
      dialect.encodeData({ ...dataFor([FRED], published(transID, 1)), originator: 'imxp=presence@example.com' }),
    );
    // A service of another domain cannot know: what it says in the matter of this one is dropped (RFC 2779 §5.3).
    expect(arrived).to.deep.equal(['betty@rubble.com']);
    relay.channel.send(fromService(published(transID, 2)));
    await subscribing;
    expect(arrived).to.have.length(1);
    await fred.close();
  });

  it('REQ-IMPP-060 leaves notifications to an application that subscribes by itself', async () => {
    const { fred, relay, transID, subscribing } = await subscribed();
    const arrived: string[] = [];
    fred.receive((delivery) => void arrived.push(delivery.originator), { notifications: true });
    const msgno = relay.channel.send(fromService(published('1', 1)));
    expect(arrived).to.deep.equal([SERVICE]);
    fred.receive((delivery) => void arrived.push(delivery.originator));
    relay.channel.send(fromService(published('1', 2)));
    expect(arrived).to.have.length(1);
    expect(relay.channel.answers.get(msgno)?.type).to.equal('ok');
    relay.channel.send(fromService(published(transID, 3)));
    await subscribing;
    await fred.close();
  });

  it('refuses with 501 what the service should not have sent', async () => {
    const { fred, relay, transID, subscribing } = await subscribed();
    const msgno = relay.channel.send(fromService(`<publish transID='${transID}' />`));
    expect(relay.channel.answers.get(msgno)).to.include({ type: 'error', code: 501 });
    relay.channel.send(fromService(published(transID, 2)));
    await subscribing;
    await fred.close();
  });

  it('asks again under the same transID after reconnecting', async () => {
    const { fred, relay, subscribing, transID, asked } = await subscribed();
    relay.channel.send(fromService(published(transID, 1)));
    const feed = await subscribing;
    const first = relay.channel;
    const back = new Promise<void>((resolve) => fred.once('connect', resolve));
    first.lose();
    await back;
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(asked.join()).to.match(
      new RegExp(`^<subscribe publisher='${BARNEY}' duration='(600|599)' transID='${transID}' />$`),
    );
    relay.channel.send(fromService(published(transID, 2)));
    const seen: number[] = [];
    for await (const { lastUpdate } of feed) {
      seen.push(lastUpdate.getUTCSeconds());
      if (seen.length === 2) break;
    }
    expect(seen).to.deep.equal([1, 2]);
    await fred.close();
  });

  it('asks again, as long as it is told to come back later, and ends with what is final', async () => {
    const { fred, relay, subscribing, transID, asked, answers } = await subscribed();
    relay.channel.send(fromService(published(transID, 1)));
    const feed = await subscribing;
    answers.push({ code: 450, text: 'not attached' });
    relay.channel.lose();
    const request = async (): Promise<void> => {
      const deadline = performance.now() + 5000;
      while (asked.length === 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(asked.splice(0), 'requests').to.have.length(1);
    };
    await request();
    await request();
    relay.channel.send(fromService(`<reply code='421' transID='${transID}' />`));
    await request();
    relay.channel.send(fromService(published(transID, 2)));
    const seen = feed[Symbol.asyncIterator]();
    const seconds = async (): Promise<number | undefined> => (await seen.next()).value?.lastUpdate.getUTCSeconds();
    expect([await seconds(), await seconds()]).to.deep.equal([1, 2]);
    answers.push({ code: 537, text: 'not permitted' });
    relay.channel.lose();
    expect(await failureOf(seen.next())).to.have.nested.property('reply.code', 537);
    await fred.close();
  });

  it('does not take the signal of the first request for later ones', async () => {
    const stop = new AbortController();
    const { fred, relay, subscribing, transID, asked } = await subscribed(stop.signal);
    relay.channel.send(fromService(published(transID, 1)));
    await subscribing;
    stop.abort(new Error('enough'));
    const back = new Promise<void>((resolve) => fred.once('connect', resolve));
    relay.channel.lose();
    await back;
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked.join()).to.contain(`transID='${transID}'`);
    await fred.close();
  });

  it('says so when the service accepted the request and never answers', async () => {
    const { fred } = await scripted({ limits: { answerTimeoutMs: 20 } });
    expect((await failureOf(fred.presence.poll(BARNEY))).code).to.equal('TIMED_OUT');
    await fred.close();
  });

  it('stops waiting when asked to', async () => {
    const { fred } = await scripted();
    const stop = new AbortController();
    const polling = failureOf(fred.presence.poll(BARNEY, { signal: stop.signal }));
    setImmediate(() => stop.abort(new Error('enough')));
    expect((await polling).message).to.equal('enough');
    await fred.close();
  });
});
