import { expect } from 'chai';
import { LocalError, TransportError } from '../../lib/errors.js';
import { type MessageOperation, type NotifyOperation, newCpimId } from '../../lib/gateway/cpim-service.js';
import { Gateway, type GatewayOptions } from '../../lib/gateway/gateway.js';
import { LocalPeer } from '../../lib/gateway/local-peer.js';
import type { GatewaySubscription } from '../../lib/gateway/presence.js';
import type { Option } from '../../lib/imxp/operation.js';
import { writeCpim } from '../../lib/message/cpim/document.js';
import { instantMessage } from '../../lib/message/instant-message.js';
import { readPidf } from '../../lib/message/pidf.js';
import { madeContent } from '../../lib/message/write.js';
import { FakePort, refusal, StandingClock, settled, transIdIn } from './fake-port.js';

const FRED = 'fred@example.com';
const SLATE = 'slate@quarry.example';
const SLATE_IM = 'im:slate@quarry.example';
const FRED_IM = 'im:fred@example.com';
const WATCHER = 'pres:slate@quarry.example';
const TARGET = 'pres:fred@example.com';
const SECURE = { authenticated: true, confidential: true };
const OPEN = { entityInfo: '', tuples: [{ destination: SLATE_IM, status: 'open' as const, info: '' }] };

interface Set {
  readonly port: FakePort;
  readonly peer: LocalPeer;
  readonly clock: StandingClock;
  readonly gateway: Gateway;
}

function set(more: Partial<GatewayOptions> = {}): Set {
  const clock = new StandingClock();
  const [port, peer] = [new FakePort(), new LocalPeer({ now: clock.now })];
  const { now, wait } = clock;
  const gateway = new Gateway({ port, peer, security: SECURE, now, wait, answerTimeoutMs: 1000, ...more });
  peer.connect(gateway);
  return { port, peer, clock, gateway };
}

const body = Buffer.from('Back to work, Flintstone! \u00ff\u0000\r\n');
const content = { type: 'text/plain; charset=utf-8', headers: [{ name: 'Content-Language', value: 'en' }], body };

function operation(more: Partial<MessageOperation> = {}): MessageOperation {
  return {
    type: 'message',
    source: SLATE_IM,
    destination: FRED_IM,
    transID: newCpimId(),
    maxForwards: undefined,
    content,
    ...more,
  };
}

const option = (internal: string, more: Partial<Option> = {}): Option => ({
  internal,
  external: undefined,
  targetHop: 'all',
  seeNoEvil: true,
  transID: 7,
  localize: 'i-default',
  inner: Buffer.alloc(0),
  ...more,
});
const hops = (limit: number): Option =>
  option('dataHopping', { seeNoEvil: false, inner: Buffer.from(`<dataHopping noMoreThan='${limit}' />`) });

describe('a gateway between IMXP and CPIM', () => {
  describe('messages from CPIM', () => {
    it('REQ-MSG-019 REQ-CPIM-008 answers success when the report says delivered, with the TransID', async () => {
      const { port, gateway } = set();
      port.answer = async ({ options }) => void (await port.report(SLATE, options?.[0]?.transID ?? 0, 250));
      const asked = operation();
      expect(await gateway.message(asked)).to.deep.equal({ transID: asked.transID, status: 'success', reason: '250' });
      expect(port.last).to.deep.include({ from: SLATE, to: FRED });
    });

    it('REQ-CPIM-008 answers failure for invalid inboxes, refusals and failed deliveries', async () => {
      const { port, gateway } = set();
      const bad = [
        'slate@quarry.example',
        'pres:slate@quarry.example',
        'mailto:s@quarry.example',
        'im:slate',
        'im:s late@quarry.example',
      ];
      for (const uri of bad) {
        expect((await gateway.message(operation({ source: uri }))).status, uri).to.equal('failure');
        expect((await gateway.message(operation({ destination: uri }))).status, uri).to.equal('failure');
      }
      expect(port.sent).to.have.length(0);
      for (const code of [450, 537, 550]) {
        port.answer = () => Promise.reject(refusal(code));
        const response = await gateway.message(operation());
        expect([response.status, response.reason]).to.deep.equal(['failure', `${code} no`]);
      }
      port.answer = async ({ options }) => void (await port.report(SLATE, options?.[0]?.transID ?? 0, 550));
      expect((await gateway.message(operation())).status).to.equal('failure');
      port.answer = () => Promise.reject(new TransportError('CONNECTION_LOST', 'x', { fields: { sent: false } }));
      expect(await gateway.message(operation()), 'to be tried again').to.include({ status: 'failure', code: 450 });
    });

    it('REQ-IMPP-073 REQ-CPIM-008 answers indeterminant when no report arrives', async () => {
      const { port, gateway, clock } = set();
      port.answer = async ({ options }) => void (await port.report(SLATE, options?.[0]?.transID ?? 0, 350));
      const late = gateway.message(operation());
      await settled();
      await clock.pass(999);
      await clock.pass(1);
      expect((await late).status).to.equal('indeterminant');
      port.answer = () => Promise.reject(new TransportError('TIMED_OUT', 'x', { fields: { sent: true } }));
      expect((await gateway.message(operation())).status).to.equal('indeterminant');
      await port.report(SLATE, 12345, 250);
    });

    it('ignores reports from other services, and from intermediate relays that report delivery', async () => {
      const { port, gateway, clock } = set();
      const told: unknown[] = [];
      port.answer = async ({ options }) => {
        const transID = options?.[0]?.transID ?? 0;
        for (const by of ['imxp=report@evil.example', 'apex=report@evil.example']) {
          told.push(await port.report(SLATE, transID, 250, by));
        }
      };
      const answer = gateway.message(operation());
      await settled();
      await clock.pass(1000);
      expect((await answer).status).to.equal('indeterminant');
      expect(told).to.deep.equal(Array(2).fill({ code: 537, text: 'only the service that was asked may answer' }));
    });

    it('REQ-CPIM-009 REQ-CPIM-020 takes TransIDs of 40 octets, and makes unpredictable ones as long', async () => {
      const { port, gateway } = set();
      port.answer = () => Promise.reject(refusal(550));
      const transID = 'ä'.repeat(20);
      expect((await gateway.message(operation({ transID }))).transID).to.equal(transID);
      const ids = new globalThis.Set(Array.from({ length: 1000 }, newCpimId));
      expect(ids.size).to.equal(1000);
      expect([...ids].every((id) => id.length === 40)).to.equal(true);
    });

    it('REQ-CPIM-010 counts MaxForwards down and discards at 0', async () => {
      const { port, gateway } = set();
      port.answer = () => Promise.reject(refusal(550));
      expect((await gateway.message(operation({ maxForwards: 0 }))).status).to.equal('failure');
      expect(port.sent).to.have.length(0);
      const expected: [number, number][] = [
        [1, 1],
        [2, 1],
        [70, 69],
        [1000, 255],
      ];
      for (const [maxForwards, noMoreThan] of expected) {
        await gateway.message(operation({ maxForwards }));
        const hopping = port.last.options?.find(({ internal }) => internal === 'dataHopping');
        expect(hopping?.xml).to.equal(`<dataHopping noMoreThan='${noMoreThan}' />`);
      }
      await gateway.message(operation());
      expect(port.last.options).to.have.length(1);
    });

    it('REQ-MSG-016 asks for a report in a way that may be ignored', async () => {
      const { port, gateway } = set();
      port.answer = () => Promise.reject(refusal(550));
      await gateway.message(operation());
      expect(port.last.options?.[0]).to.deep.include({
        internal: 'statusRequest',
        targetHop: 'final',
        seeNoEvil: true,
      });
    });

    it('REQ-CPIM-011 REQ-CPIM-021 passes content unread and unchanged', async () => {
      const { port, gateway } = set();
      port.answer = () => Promise.reject(refusal(550));
      const from = { phrase: undefined, uri: SLATE_IM };
      const object = writeCpim({ from, to: [], dateTime: new Date(0), content: { type: 'text/plain', body } });
      const bodies = [
        content,
        { ...content, type: 'Message/CPIM', body: object },
        { ...content, type: 'application/pkcs7-mime', body: Buffer.from('not CMS at all') },
      ];
      for (const one of bodies) {
        await gateway.message(operation({ content: one }));
        expect(port.last.content).to.equal(one.body);
        expect([port.last.type, port.last.headers]).to.deep.equal([one.type, one.headers]);
      }
    });
  });

  describe('messages from IMXP', () => {
    it('REQ-CPIM-008 REQ-CPIM-031 hands them to the inbox and returns its answer', async () => {
      const { port, peer } = set();
      const got: MessageOperation[] = [];
      let status: 'success' | 'failure' | 'indeterminant' = 'success';
      peer.inbox('im:slate@QUARRY.example', (arrived) => {
        got.push(arrived);
        return status;
      });
      const send = (to: readonly string[], options?: readonly Option[]) =>
        port.deliver(FRED, to, { ...content }, options);
      expect(await send([SLATE])).to.equal('ok');
      expect(got[0]).to.deep.include({ source: FRED_IM, destination: SLATE_IM, maxForwards: 254 });
      expect(got[0]?.content.body.equals(body)).to.equal(true);
      expect(got[0]?.content.type).to.equal(content.type);
      expect(got[0]?.content.headers).to.deep.include({ name: 'Content-Language', value: 'en' });
      status = 'indeterminant';
      expect(await send([SLATE])).to.equal('ok');
      status = 'failure';
      expect(await send([SLATE])).to.deep.include({ code: 550 });
      expect(await send(['nobody@quarry.example'])).to.deep.equal({ code: 550, text: 'no such inbox' });
      status = 'success';
      expect(await send(['nobody@quarry.example', SLATE]), 'one of two took it').to.equal('ok');
    });

    it('REQ-CPIM-010 counts dataHopping down and discards at 0', async () => {
      const { port, peer } = set();
      const forwards: (number | undefined)[] = [];
      peer.inbox(SLATE_IM, ({ maxForwards }) => {
        forwards.push(maxForwards);
        return 'success';
      });
      const send = (...options: Option[]) => port.deliver(FRED, [SLATE], { ...content }, options);
      expect(await send(hops(1))).to.deep.include({ code: 550 });
      for (const limit of [2, 255, 0]) expect(await send(hops(limit))).to.equal('ok');
      expect(forwards).to.deep.equal([1, 254, 254]);
    });

    it('refuses options that it must understand and cannot fulfil', async () => {
      const { port, peer } = set();
      peer.inbox(SLATE_IM, () => 'success');
      const send = (...options: Option[]) => port.deliver(FRED, [SLATE], { ...content }, options);
      for (const name of ['statusRequest', 'hold4Endpoint']) {
        expect(await send(option(name, { seeNoEvil: false }))).to.deep.include({ code: 504 });
        expect(await send(option(name))).to.equal('ok');
      }
    });

    it('REQ-CPIM-011 passes instant messages of any type unchanged', async () => {
      const { port, peer } = set();
      const got: string[] = [];
      peer.inbox(SLATE_IM, ({ content: { type, body: octets } }) => {
        got.push(`${type.split(';')[0]} ${octets.includes('Yabba')}`);
        return 'success';
      });
      const message = instantMessage({ subject: 's', text: 'Yabba' });
      for (const form of ['nested', 'part', 'inline'] as const) {
        await port.deliver(FRED, [SLATE], madeContent(message, form, 'example.com'));
      }
      await port.deliver(FRED, [SLATE], { xml: '<note>Yabba</note>' });
      expect(got).to.deep.equal([
        'multipart/related true',
        'message/RFC822+XML true',
        'message/RFC822+XML true',
        'text/xml true',
      ]);
      expect(await port.deliver(FRED, [SLATE], { uri: 'http://example.com/' })).to.deep.include({ code: 550 });
    });

    it('answers 451 when the peer fails or returns another TransID', async () => {
      const broken = new LocalPeer();
      const { port } = set({
        peer: {
          security: SECURE,
          message: async (asked) => {
            if (asked.destination === SLATE_IM) throw new Error('broken');
            return { transID: 'another', status: 'success' };
          },
          subscribe: (asked) => broken.subscribe(asked),
          notify: () => {},
        },
      });
      for (const to of [SLATE, 'rock@quarry.example']) {
        expect(await port.deliver(FRED, [to], { ...content })).to.deep.include({ code: 451 });
      }
    });
  });

  it('REQ-CPIM-012 refuses sides without the security that it requires', () => {
    const open = { authenticated: false, confidential: true };
    expect(() => set({ security: open })).to.throw(LocalError, 'the relay must be authenticated');
    const peer = {
      ...new LocalPeer(),
      security: open,
      message: async () => ({ transID: '', status: 'failure' as const }),
      subscribe: async () => ({ transID: '', status: 'failure' as const }),
      notify: () => {},
    };
    expect(() => set({ peer })).to.throw(LocalError, 'peer must be authenticated');
    const overheard = { authenticated: true, confidential: false };
    expect(() => set({ security: overheard, minimum: { confidential: true } })).to.throw(LocalError, 'confidential');
    set({ security: overheard });
  });

  describe('presence of IMXP for watchers in CPIM', () => {
    const subscribe = (duration: number, subscriptID: string) => ({
      type: 'subscribe' as const,
      watcher: WATCHER,
      target: TARGET,
      duration,
      subscriptID,
      transID: newCpimId(),
    });

    /** Answers subscribes with presence. */
    function serving(more: Partial<GatewayOptions> = {}): Set & { readonly told: NotifyOperation[] } {
      const all = set(more);
      const told: NotifyOperation[] = [];
      all.peer.watcher(WATCHER, (notified) => told.push(notified));
      all.port.answer = async ({ from }) => {
        if (all.port.xml.startsWith('<subscribe')) await all.port.publish(from, transIdIn(all.port.xml), true);
      };
      return { ...all, told };
    }

    it('REQ-MSG-019 REQ-CPIM-018 responds, then notifies at once and on each change', async () => {
      const { port, gateway, told } = serving();
      const asked = subscribe(3600, 'one');
      expect(await gateway.subscribe(asked)).to.deep.equal({
        transID: asked.transID,
        status: 'success',
        duration: 3600,
      });
      expect(told, 'the response comes first').to.have.length(0);
      await settled();
      expect(port.last).to.deep.include({ from: SLATE, to: 'imxp=presence@example.com' });
      expect(told[0]).to.deep.include({ watcher: WATCHER, target: TARGET });
      expect(told[0]?.presence.tuples).to.deep.equal([{ destination: FRED_IM, status: 'open', info: '' }]);
      const document = readPidf(told[0]?.document?.body ?? Buffer.alloc(0));
      expect(document).to.deep.equal({ entity: told[0]?.target, presence: told[0]?.presence });
      await port.publish(SLATE, transIdIn(port.xml), false);
      expect(told[1]?.presence.tuples[0]?.status).to.equal('closed');
      expect(told[0]?.transID).not.to.equal(told[1]?.transID);
    });

    it('D-CPIM-07 REQ-CPIM-018 fails for an invalid presentity, a refusal, a missing answer and a second subscription', async () => {
      const { port, gateway, clock } = serving();
      expect((await gateway.subscribe({ ...subscribe(1, 'x'), watcher: SLATE_IM })).status).to.equal('failure');
      expect((await gateway.subscribe({ ...subscribe(1, 'x'), target: 'pres:fred' })).status).to.equal('failure');
      const publishing = port.answer;
      port.answer = ({ from }) => port.reply(from, transIdIn(port.xml), 537);
      expect(await gateway.subscribe(subscribe(1, 'x'))).to.deep.include({ status: 'failure', reason: '537 no' });
      port.answer = () => Promise.reject(refusal(550));
      expect((await gateway.subscribe(subscribe(1, 'x'))).status).to.equal('failure');
      port.answer = async () => {};
      const silent = gateway.subscribe(subscribe(10, 'x'));
      await settled();
      await clock.pass(1000);
      expect((await silent).status).to.equal('failure');
      port.answer = publishing;
      expect((await gateway.subscribe(subscribe(10, 'one'))).status).to.equal('success');
      for (const id of ['one', 'two']) expect((await gateway.subscribe(subscribe(10, id))).status).to.equal('failure');
      await clock.pass(10_000);
      expect((await gateway.subscribe(subscribe(10, 'two'))).status, 'after it has run out').to.equal('success');
    });

    it('REQ-CPIM-019 cancels with duration 0 and its id, fetches with another, and does not disturb the subscription', async () => {
      const { port, gateway, told } = serving();
      expect(await gateway.subscribe(subscribe(0, 'fetch'))).to.deep.include({ status: 'success', duration: 0 });
      await settled();
      expect(told).to.have.length(1);
      await gateway.subscribe(subscribe(3600, 'one'));
      await settled();
      const transID = transIdIn(port.xml);
      const before = port.sent.length;
      expect((await gateway.subscribe(subscribe(0, 'fetch'))).status).to.equal('success');
      await settled();
      expect([told.length, port.sent.length - before], 'a poll would have ended it at the service').to.deep.equal([
        3, 0,
      ]);
      expect((await gateway.subscribe(subscribe(0, 'one'))).status).to.equal('success');
      await settled();
      expect(port.xml).to.equal(`<terminate transID='${transID}' />`);
      const count = told.length;
      await port.publish(SLATE, transID, false);
      expect(told, 'nothing after it was cancelled').to.have.length(count);
    });

    it('takes presence from the service of the publisher’s domain only', async () => {
      const { port, gateway, told } = serving();
      await gateway.subscribe(subscribe(3600, 'one'));
      await settled();
      const [transID, count] = [transIdIn(port.xml), told.length];
      const evil = 'imxp=presence@evil.example';
      const refused = { code: 537, text: 'only the service that was asked may answer' };
      expect(await port.publish(SLATE, transID, false, evil)).to.deep.equal(refused);
      const terminate = { xml: `<terminate transID='${transID}' />` };
      expect(await port.deliver(evil, [SLATE], terminate)).to.deep.equal(refused);
      expect(told).to.have.length(count);
      expect(await port.publish(SLATE, transID, false)).to.equal('ok');
      expect(told).to.have.length(count + 1);
      const publishing = port.answer;
      const answers: unknown[] = [];
      port.answer = async () => void answers.push(await port.publish(SLATE, transIdIn(port.xml), false, evil));
      const asked = gateway.subscribe({ ...subscribe(0, 'two'), watcher: 'pres:rubble@quarry.example' });
      await settled();
      expect(answers).to.deep.equal([refused]);
      await port.reply(SLATE, transIdIn(port.xml), 550);
      expect((await asked).status).to.equal('failure');
      port.answer = publishing;
    });

    it('forgets a subscription that the service ended', async () => {
      const { port, gateway } = serving();
      await gateway.subscribe(subscribe(3600, 'one'));
      await port.deliver('imxp=presence@example.com', [SLATE], {
        xml: `<terminate transID='${transIdIn(port.xml)}' />`,
      });
      expect((await gateway.subscribe(subscribe(3600, 'two'))).status).to.equal('success');
      await port.deliver('imxp=presence@example.com', [SLATE], {
        xml: '<notify subscriber="a@x.example" transID="5" />',
      });
      await port.deliver('imxp=presence@example.com', [SLATE], { xml: '<unheard-of />' });
    });

    it('REQ-CPIM-017 continues its subscriptions after a restart', async () => {
      const kept = new Map<number, GatewaySubscription>();
      const subscriptions = {
        all: () => [...kept.values()],
        put: (one: GatewaySubscription) => void kept.set(one.transID, one),
        remove: (one: GatewaySubscription) => void kept.delete(one.transID),
      };
      const first = serving({ subscriptions });
      await first.gateway.subscribe(subscribe(3600, 'one'));
      await settled();
      first.gateway.close();
      expect((await first.gateway.subscribe(subscribe(1, 'x'))).status).to.equal('failure');
      expect((await first.gateway.message(operation())).status).to.equal('failure');
      const { port, gateway, told } = serving({ subscriptions });
      await port.publish(SLATE, transIdIn(first.port.xml), false);
      expect(told[0]?.presence.tuples[0]?.status).to.equal('closed');
      expect((await gateway.subscribe(subscribe(3600, 'two'))).status).to.equal('failure');
      expect((await gateway.subscribe(subscribe(0, 'one'))).status).to.equal('success');
      expect(kept.size).to.equal(0);
    });

    it('REQ-CPIM-017 renews a subscription that is fetched before its first notification', async () => {
      const restored: GatewaySubscription = {
        side: 'cpim',
        watcher: WATCHER,
        target: TARGET,
        transID: 77,
        subscriptID: 'one',
        until: 1_000_000_100_000,
      };
      const { port, gateway, told } = serving({
        subscriptions: { all: () => [restored], put: () => {}, remove: () => {} },
      });
      expect(await gateway.subscribe(subscribe(0, 'fetch'))).to.deep.include({ status: 'success', duration: 0 });
      await settled();
      expect(port.xml).to.contain("duration='100'");
      expect(told).to.have.length(1);
      expect((await gateway.subscribe(subscribe(0, 'one'))).status).to.equal('success');
      expect(port.xml).to.match(/^<terminate/);
    });
  });

  describe('presence of CPIM for watchers in IMXP', () => {
    const SERVICE = 'imxp=presence@quarry.example';
    const ask = (port: FakePort, xml: string) => port.deliver(FRED, [SERVICE], { xml });
    const subscribe = (transID: number, duration: number, publisher = SLATE) =>
      `<subscribe publisher='${publisher}' duration='${duration}' transID='${transID}' />`;

    it('publishes at once and on each change until the subscription ends', async () => {
      const { port, peer, clock } = set();
      peer.publish(WATCHER, OPEN);
      expect(await ask(port, subscribe(5, 60))).to.equal('ok');
      await settled();
      expect(port.last).to.deep.include({ from: SERVICE, to: FRED });
      expect(port.xml).to.match(/^<publish publisher='slate@quarry.example' transID='5' /);
      expect(port.xml).to.contain("destination='im:slate@quarry.example' availableUntil='31 Dec 9999 23:59:59 +0000'");
      peer.publish(WATCHER, { entityInfo: 'http://quarry.example/', tuples: [] });
      expect(port.xml)
        .to.contain("publisherInfo='http://quarry.example/'")
        .and.contain("availableUntil='9 Sep 2001 01:46:40 +0000'");
      await clock.pass(60_000);
      expect(port.xml).to.equal("<terminate transID='5' />");
      const count = port.sent.length;
      peer.publish(WATCHER, OPEN);
      expect(port.sent).to.have.length(count);
    });

    it('answers a poll once, ends on terminate, and reports errors', async () => {
      const { port, peer } = set();
      peer.publish(WATCHER, OPEN);
      await ask(port, subscribe(6, 0));
      await settled();
      expect(port.xml).to.match(/^<publish .*transID='6'/);
      const polled = port.sent.length;
      peer.publish(WATCHER, OPEN);
      expect(port.sent).to.have.length(polled);
      await ask(port, subscribe(7, 60));
      await settled();
      await ask(port, subscribe(8, 60));
      await settled();
      peer.publish(WATCHER, OPEN);
      expect(port.xml, 'the later subscription replaced the earlier one').to.match(/^<publish .*transID='8'/);
      const codes: [string, number][] = [
        ["<terminate transID='7' />", 550],
        ["<terminate transID='8' />", 250],
        [subscribe(9, 60, 'nobody@quarry.example'), 550],
        [subscribe(10, 60, 'fred@example.com'), 553],
      ];
      for (const [xml, code] of codes) {
        await ask(port, xml);
        await settled();
        expect(port.xml, xml).to.match(new RegExp(`^<reply code='${code}'`));
      }
      expect(await ask(port, `<watch publisher='${SLATE}' duration='1' transID='11' />`)).to.deep.include({
        code: 504,
      });
    });
  });

  it('REQ-CPIM-013 lets applications write and read message/cpim', () => {
    const from = { phrase: 'Fred', uri: FRED_IM };
    const octets = writeCpim({ from, to: [{ phrase: undefined, uri: SLATE_IM }], dateTime: new Date(0), content });
    expect(octets.toString('latin1')).to.match(
      /^From: Fred <im:fred@example.com>\r\nTo: <im:slate@quarry.example>\r\n/,
    );
  });
});
