import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { RefusedError } from '../../lib/errors.js';
import { LocalMesh } from '../support/local-mesh.js';
import { scripted } from '../support/scripted-endpoint.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

describe('endpoint: a program beside another of its account (D-CORE-49)', function () {
  this.timeout(60_000);
  this.slow(3000);
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start();
  });

  afterEach(() => mesh.leave());

  after(() => mesh.close());

  it('sends as the account while another program is attached as it', async () => {
    const [bot, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
    const heard: string[] = [];
    barney.receive((delivery) => void heard.push(`${delivery.originator} ${delivery.text()}`));
    const sender = await mesh.attach(FRED, { sendOnly: true });
    expect(sender.address).to.equal(FRED);
    expect(sender.addresses[0]).to.match(/^fred\/send=[0-9a-f]{16}@example\.com$/);
    await sender.send({ to: BARNEY, content: 'hello' });
    expect(heard).to.deep.equal([`${FRED} hello`]);
    expect(bot.connected).to.equal(true);
  });

  it('asks services and relays, and gets their answers, not the other program', async () => {
    const bot = await mesh.attach(FRED);
    await mesh.attach(BARNEY);
    const stray: string[] = [];
    bot.receive((delivery) => void stray.push(delivery.text()));
    const sender = await mesh.attach(FRED, { sendOnly: true });
    await sender.access.allow(BARNEY, ['presence:subscribe']);
    expect((await sender.access.get()).owner).to.equal(FRED);
    expect(await sender.access.query(BARNEY, ['presence:subscribe'])).to.equal(true);
    await sender.presence.publish({
      tuples: [{ destination: `im:${FRED}`, availableUntil: new Date(Date.now() + 6e5) }],
    });
    expect((await sender.presence.poll(FRED)).publisher).to.equal(FRED);
    expect((await sender.trace(BARNEY)).reports.map(({ relay }) => relay)).to.deep.equal(['example.com', 'rubble.com']);
    expect((await sender.ping(BARNEY)).code).to.equal(250);
    expect(stray).to.deep.equal([]);
  });

  it('answers at once what arrives for it', async () => {
    const sender = await mesh.attach(FRED, { sendOnly: true });
    const barney = await mesh.attach(BARNEY);
    const [own = ''] = sender.addresses;
    const refusal = await within(
      5000,
      barney.send({ to: own, content: 'anybody?' }).catch((e: unknown) => e),
      'the refusal',
    );
    expect(refusal).to.be.instanceOf(RefusedError);
    expect((refusal as RefusedError).reply).to.include({ code: 450 });
    expect((refusal as RefusedError).reply.text).to.include('write to the address without its subaddress');
  });

  it('request() gives the answer of delivery.reply(), to a program that only sends as well', async () => {
    const bot = await mesh.attach(FRED);
    const stray: string[] = [];
    bot.receive((delivery) => void stray.push(delivery.text()));
    const barney = await mesh.attach(BARNEY);
    barney.receive(async (delivery) => {
      const { place } = delivery.json() as { place: string };
      await delivery.reply({ json: { place, degrees: 21 } });
    });
    const sender = await mesh.attach(FRED, { sendOnly: true });
    const answer = await sender.request({ to: BARNEY, content: { json: { place: 'Bedrock' } } });
    expect(answer.originator).to.equal(BARNEY);
    expect(answer.json()).to.deep.equal({ place: 'Bedrock', degrees: 21 });
    expect(stray).to.deep.equal([]);
  });

  it('a message may have an identity and a time, whatever its content, and says whether it was held', async () => {
    const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
    const time = new Date('2026-11-30T12:00:00Z');
    const seen: unknown[] = [];
    barney.receive(({ id, time: written, held }) => void seen.push([id, written?.getTime(), held]));
    await fred.send({ to: BARNEY, content: 'x', id: "it's<1>", time });
    await fred.send({ to: BARNEY, content: { xml: '<note/>' }, time });
    await fred.send({ to: BARNEY, content: { message: { text: 'x', messageId: '<2@example.com>', date: time } } });
    await fred.send({ to: BARNEY, content: 'x' });
    await fred.send({
      to: BARNEY,
      content: 'x',
      options: [{ external: 'urn:x-imxp:stamp', xml: "<stamp time='soon'/>" }],
    });
    expect(seen).to.deep.equal([
      ["it's<1>", time.getTime(), false],
      [undefined, time.getTime(), false],
      ['<2@example.com>', time.getTime(), false],
      [undefined, undefined, false],
      [undefined, undefined, false],
    ]);
    const wrong = await fred.send({ to: BARNEY, content: 'x', id: 'two words' }).catch((error: unknown) => error);
    expect(wrong).to.include({ code: 'ARGUMENT' });
    await barney.close();
    await fred.send({ to: BARNEY, content: 'later', hold: true });
    const back = await mesh.attach(BARNEY);
    for await (const { held } of back) {
      expect(held).to.equal(true);
      break;
    }
  });

  it('request() ends by time where the recipient does not answer, and with the refusal where they refuse', async () => {
    const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
    barney.receive((delivery) => {
      if (delivery.text() === 'refuse') delivery.refuse({ code: 550, text: 'no' });
    });
    const asked = (content: string): Promise<unknown> =>
      fred.request({ to: BARNEY, content }, { timeoutMs: 50 }).catch((error: unknown) => error);
    expect(await asked('ignore')).to.include({ code: 'TIMED_OUT' });
    expect(await asked('refuse')).to.include({ code: 'REFUSED' });
  });

  it('attaches as the address itself where the relay refuses subaddresses, and says so where another has it', async () => {
    for (const code of [537, 550, 553]) {
      const relay = new ScriptedRelay();
      relay.obstacles.push({ code, text: 'no subaddresses here' });
      const { fred } = await scripted({ sendOnly: true }, relay);
      expect(relay.attached.map((attach) => attach?.endpoint.replace(/=.*@/, '=@'))).to.deep.equal([
        'fred/send=@example.com',
        FRED,
      ]);
      expect([fred.address, fred.addresses]).to.deep.equal([FRED, [FRED]]);
      await fred.close();
    }
    const taken = new ScriptedRelay();
    taken.obstacles.push({ code: 550, text: 'no such endpoint' }, { code: 554, text: 'attached already' });
    const error = await scripted({ sendOnly: true }, taken).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(RefusedError);
    expect((error as RefusedError).message).to.equal(
      'cannot attach as fred@example.com: 554 attached already; the relay takes no program beside it: 550 no such endpoint',
    );
    const other = new ScriptedRelay();
    other.obstacles.push({ code: 451, text: 'later' });
    expect(await scripted({ sendOnly: true }, other).catch((e: unknown) => e)).to.include({ code: 'REFUSED' });
    expect(other.attached, 'no second attempt').to.have.length(1);
  });

  it('says what to do where the address is taken', async () => {
    await mesh.attach(FRED);
    const refused = await mesh.attach(FRED).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(RefusedError);
    expect((refused as RefusedError).reply).to.include({ code: 554 });
    expect((refused as RefusedError).message).to.include('attach as a subaddress');
  });

  it('signal ends the attempt to connect, also one that is repeated', async () => {
    const options = { ...mesh.options(FRED), relay: 'tcp://127.0.0.1:1', reconnect: { initial: true, firstMs: 20 } };
    const signal = AbortSignal.timeout(200);
    const error = await within(
      5000,
      Endpoint.connect({ ...options, signal }).catch((e: unknown) => e),
      'the end',
    );
    expect(error).to.equal(signal.reason);
    const ended = AbortSignal.abort(new Error('never'));
    expect(await Endpoint.connect({ ...options, signal: ended }).catch((e: unknown) => e)).to.equal(ended.reason);
  });

  it('reconnect.initial waits for a relay that is not there yet', async () => {
    await mesh.stopNode('rubble.com');
    const coming = mesh.attach(BARNEY, { reconnect: { initial: true, firstMs: 20, longestMs: 100 } });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await mesh.startNode('rubble.com');
    expect((await within(20_000, coming, 'the connection')).connected).to.equal(true);
    const wrong = mesh.attach(BARNEY, { password: 'sand', reconnect: { initial: true, firstMs: 20 } });
    expect(await wrong.catch((error: unknown) => error)).to.include({ code: 'SASL_REFUSED' });
  });

  it('closes at the end of "await using"', async () => {
    const fred = await mesh.attach(FRED);
    await fred[Symbol.asyncDispose]();
    expect(fred.connected).to.equal(false);
  });
});
