import { expect } from 'chai';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import { LocalError, RefusedError } from '../../lib/errors.js';
import { BARNEY, dataFor, FRED, scripted } from '../support/scripted-endpoint.js';
import { dialect } from '../support/scripted-relay.js';
import { within } from '../support/within.js';

const forFred = dialect.encodeData(dataFor([FRED]));
const octetsOf = (payload: Buffer | readonly Buffer[]): number =>
  Buffer.isBuffer(payload) ? payload.length : payload.reduce((sum, { length }) => sum + length, 0);
const OCTETS = octetsOf(forFred);
const OK = { type: 'ok' };

describe('endpoint: receiving', () => {
  it('provides a delivery with its originator, recipients, content and options', async () => {
    const { relay, fred } = await scripted();
    relay.channel.send(forFred);
    for await (const delivery of fred) {
      expect(delivery.originator).to.equal(BARNEY);
      expect(delivery.recipients).to.deep.equal([FRED]);
      expect(delivery.text()).to.equal('<note>hi</note>');
      expect(delivery.content.kind).to.equal('inline');
      expect(delivery.options).to.deep.equal([]);
      break;
    }
  });

  it('accepts a delivery when the loop asks for the next one, in order', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    const [first, second] = [channel.send(forFred), channel.send(forFred)];
    const loop = fred[Symbol.asyncIterator]();
    await loop.next();
    expect(channel.answers.size).to.equal(0);
    await loop.next();
    expect(channel.answers.get(first)).to.deep.equal(OK);
    expect(channel.answers.has(second)).to.equal(false);
    await loop.return?.();
    expect(channel.answers.get(second)).to.deep.equal(OK);
  });

  it('accepts the last delivery when the loop is left, and keeps the others for the next loop', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    const msgnos = [channel.send(forFred), channel.send(forFred)];
    for await (const _ of fred) break;
    expect([...channel.answers.keys()]).to.deep.equal(msgnos.slice(0, 1));
    for await (const _ of fred) break;
    expect([...channel.answers.keys()]).to.deep.equal(msgnos);
  });

  it('does not answer again what the application has answered', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    const msgno = channel.send(forFred);
    for await (const delivery of fred) {
      expect(delivery.pending).to.equal(true);
      expect(delivery.refuse({ code: 550, text: 'no <bowling> & "beer"' })).to.equal(true);
      expect(delivery.pending).to.equal(false);
      expect(delivery.accept()).to.equal(false);
      break;
    }
    expect(channel.answers.get(msgno)).to.include({ type: 'error', code: 550, text: 'no <bowling> & "beer"' });
  });

  it('throws on an invalid refusal, and leaves the delivery unanswered', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    const msgno = channel.send(forFred);
    for await (const delivery of fred) {
      for (const wrong of [
        { code: 55, text: 'x' },
        { code: Number.NaN, text: 'x' },
        JSON.parse('{"code":550}'),
        JSON.parse('550'),
      ]) {
        expect(() => delivery.refuse(wrong)).to.throw(LocalError, '{ code, text }');
      }
      expect(channel.answers.size).to.equal(0);
      expect(delivery.refuse({ code: 550, text: '' })).to.equal(true);
      break;
    }
    expect(channel.answers.get(msgno)).to.include({ type: 'error', code: 550 });
  });

  it('answers nothing by itself without autoAccept', async () => {
    const { relay, fred } = await scripted({ autoAccept: false });
    const { channel } = relay;
    channel.send(forFred);
    channel.send(forFred);
    const kept: Delivery[] = [];
    for await (const delivery of fred) {
      kept.push(delivery);
      if (kept.length === 2) break;
    }
    expect(channel.answers.size).to.equal(0);
    kept[1]?.accept();
    kept[0]?.refuse({ code: 450, text: 'later' });
    expect(channel.order).to.deep.equal([2, 1]);
  });

  it('opens the window as the application accepts', async () => {
    const { relay, fred } = await scripted({ autoAccept: false });
    const { channel } = relay;
    channel.send(forFred);
    expect(channel.consumed).to.equal(0);
    for await (const delivery of fred) {
      delivery.accept();
      break;
    }
    expect(channel.consumed).to.equal(OCTETS);
  });

  it('keeps half of the window open for the answers to what it sends', async () => {
    const { relay, fred } = await scripted({ autoAccept: false, limits: { windowOctets: 3 * OCTETS } });
    const { channel } = relay;
    for (let count = 0; count < 4; count += 1) channel.send(forFred);
    const half = Math.floor((3 * OCTETS) / 2);
    expect(channel.consumed).to.equal(4 * OCTETS - half);
    const loop = fred[Symbol.asyncIterator]();
    for (let count = 0; count < 4; count += 1) (await loop.next()).value?.accept();
    expect(channel.consumed).to.equal(4 * OCTETS);
  });

  it('refuses with 450 what is too much for a slow application, and continues afterwards', async () => {
    const { relay, fred } = await scripted({ limits: { queuedData: 2 } });
    const { channel } = relay;
    const [first, second, third] = [channel.send(forFred), channel.send(forFred), channel.send(forFred)];
    expect([...channel.answers.keys()]).to.deep.equal([third]);
    expect(channel.answers.get(third)).to.include({ type: 'error', code: 450, text: 'recipient busy' });
    const loop = fred[Symbol.asyncIterator]();
    await loop.next();
    await loop.next();
    expect(channel.answers.get(first)).to.deep.equal(OK);
    const fourth = channel.send(forFred);
    await loop.next();
    await loop.return?.();
    expect([channel.answers.get(second), channel.answers.get(fourth)]).to.deep.equal([OK, OK]);
    expect(channel.consumed).to.equal(4 * OCTETS);
  });

  it('bounds the octets that wait, but accepts one delivery of any size by itself', async () => {
    const { relay, fred } = await scripted({ limits: { queuedOctets: 100 } });
    const { channel } = relay;
    channel.send(forFred);
    const second = channel.send(forFred);
    expect(channel.answers.get(second)).to.include({ code: 450 });
    for await (const _ of fred) break;
    expect(channel.answers.get(1)).to.deep.equal(OK);
  });

  it('lets a loop wait, and shares deliveries among several loops', async () => {
    const { relay, fred } = await scripted();
    const loops = [fred[Symbol.asyncIterator](), fred[Symbol.asyncIterator]()];
    const waiting = loops.map((loop) => loop.next());
    relay.channel.send(forFred);
    relay.channel.send(forFred);
    const results = await within(1000, Promise.all(waiting), 'both loops get one');
    expect(results.map(({ done }) => done)).to.deep.equal([false, false]);
  });

  it('passes deliveries to a handler at once, the queued ones first', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    channel.send(forFred);
    const seen: string[] = [];
    fred.receive((delivery) => void seen.push(delivery.originator));
    channel.send(forFred);
    expect(seen).to.deep.equal([BARNEY, BARNEY]);
    expect(channel.order).to.deep.equal([1, 2]);
    expect(channel.consumed).to.equal(2 * OCTETS);
  });

  it('accepts when the promise of a handler resolves and refuses when the handler fails', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    let finish = (): void => {};
    fred.receive(() => new Promise((resolve) => (finish = resolve)));
    channel.send(forFred);
    expect(channel.answers.size).to.equal(0);
    finish();
    await channel.until(() => channel.answers.size === 1);
    expect(channel.answers.get(1)).to.deep.equal(OK);
    const faults: unknown[] = [];
    fred.on('error', (error, { originator }) => faults.push([String(error), originator]));
    fred.receive(() => {
      throw new Error('a secret of the application');
    });
    channel.send(forFred);
    expect(channel.answers.get(2)).to.include({ code: 451, text: 'the recipient failed to process this' });
    fred.receive(() => Promise.reject(new RefusedError('REFUSED', { code: 550, text: 'not here' })));
    channel.send(forFred);
    await channel.until(() => channel.answers.size === 3);
    expect(channel.answers.get(3)).to.include({ code: 550, text: 'not here' });
    expect(faults).to.deep.equal([['Error: a secret of the application', BARNEY]]);
  });

  it('accepts what a handler has taken, whatever the handler returns in JavaScript', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    const faults: unknown[] = [];
    fred.on('error', (error) => faults.push(error));
    const returned: readonly unknown[] = [7, null, 'text', {}];
    for (const value of returned) {
      fred.receive((() => value) as () => void);
      channel.send(forFred);
    }
    expect([...channel.answers.values()]).to.deep.equal(returned.map(() => OK));
    expect(faults).to.deep.equal([]);
  });

  it('REQ-IMXP-033 refuses Data for addresses that are not attached here', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    const msgno = channel.send(dialect.encodeData(dataFor(['wilma@example.com'])));
    expect(channel.answers.get(msgno)).to.include({ code: 550, text: 'not attached as this endpoint' });
    channel.send(dialect.encodeData(dataFor(['wilma@example.com', 'fred@EXAMPLE.com'])));
    for await (const delivery of fred) {
      expect(delivery.recipients).to.deep.equal(['fred@EXAMPLE.com']);
      break;
    }
    expect(channel.answers.get(2)).to.deep.equal(OK);
  });

  it('answers 500 and 501 to what it does not understand, and 550 to operations that are not for endpoints', async () => {
    const { relay } = await scripted();
    const { channel } = relay;
    const codes = [
      Buffer.from('Content-Type: text/xml\r\n\r\n<data'),
      Buffer.from('Content-Type: text/xml\r\n\r\n<ping />'),
      dialect.encode({ type: 'attach', endpoint: FRED, transID: 1, options: [] }),
      dialect.encode({ type: 'bind', relay: 'example.com', transID: 2, options: [] }),
      dialect.encode({ type: 'terminate', transID: 3 }),
    ].map((payload) => {
      const reply = channel.answers.get(channel.send(payload));
      return reply?.type === 'error' ? reply.code : reply?.type;
    });
    expect(codes).to.deep.equal([500, 501, 550, 550, 550]);
    expect(channel.consumed).to.be.greaterThan(0);
  });
});
