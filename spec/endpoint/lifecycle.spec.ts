import { once } from 'node:events';
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { LocalError, RefusedError, TransportError } from '../../lib/errors.js';
import { failureOf } from '../support/failure.js';
import { BARNEY, dataFor, FRED, scripted } from '../support/scripted-endpoint.js';
import { dialect, ScriptedRelay } from '../support/scripted-relay.js';
import { within } from '../support/within.js';

const WB = 'fred/appl=wb@example.com';
const CUT = new TransportError('CONNECTION_LOST', 'cut');
const QUICK = { firstMs: 1, longestMs: 5 };
const forFred = dialect.encodeData(dataFor([FRED]));

/** The next of an event, with its arguments. */
const next = (endpoint: Endpoint, event: 'connect' | 'disconnect' | 'terminate' | 'close'): Promise<unknown[]> =>
  within(5000, once(endpoint, event), event);

describe('endpoint: lifecycle', () => {
  it('REQ-IMXP-003 attaches with the start of the channel', async () => {
    const { relay, fred } = await scripted();
    const [attach] = relay.attached;
    expect(attach).to.include({ type: 'attach', endpoint: FRED });
    expect(attach?.transID).to.be.within(1, 2_147_483_647);
    expect(fred.connected).to.equal(true);
    expect(fred.addresses).to.deep.equal([FRED]);
  });

  it('says why it cannot attach', async () => {
    const relay = new ScriptedRelay();
    relay.obstacles.push({ code: 537, text: 'not yours' });
    const error = await failureOf(scripted({}, relay));
    expect(error).to.include({ code: 'REFUSED', message: 'cannot attach as fred@example.com: 537 not yours' });
  });

  it('attaches as further addresses, and terminates them', async () => {
    const { relay, fred } = await scripted();
    await fred.attach(WB);
    expect(fred.addresses).to.deep.equal([FRED, WB]);
    relay.channel.send(dialect.encodeData(dataFor([WB])));
    for await (const delivery of fred) {
      expect(delivery.recipients).to.deep.equal([WB]);
      break;
    }
    await fred.terminate(WB);
    expect(fred.addresses).to.deep.equal([FRED]);
    relay.channel.send(dialect.encodeData(dataFor([WB])));
    expect(relay.channel.answers.get(2)).to.include({ code: 550 });
  });

  it('keeps no address that the relay refuses, and refuses one that it has already', async () => {
    const relay = new ScriptedRelay((operation) =>
      operation.type === 'attach' && operation.endpoint !== FRED ? { code: 537, text: 'no' } : undefined,
    );
    const { fred } = await scripted({}, relay);
    expect((await failureOf(fred.attach('wilma@example.com'))).reply).to.deep.equal({ code: 537, text: 'no' });
    expect((await failureOf(fred.attach('fred@EXAMPLE.com'))).code).to.equal('ARGUMENT');
    expect((await failureOf(fred.terminate('wilma@example.com'))).code).to.equal('ARGUMENT');
    expect(fred.addresses).to.deep.equal([FRED]);
  });

  it('closes in order: terminates after what was sent, refuses what was not read, and releases', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    channel.auto = undefined;
    channel.send(forFred);
    channel.send(forFred);
    const loop = fred[Symbol.asyncIterator]();
    await loop.next();
    const sent = fred.send({ to: BARNEY, content: 'x' });
    const closed = fred.close();
    expect(channel.asked.map(({ operation }) => operation.type)).to.deep.equal(['data', 'terminate']);
    expect((await failureOf(fred.send({ to: BARNEY, content: 'y' }))).code).to.equal('CLOSED');
    channel.answer();
    await sent;
    expect(channel.released).to.equal(false);
    channel.answer();
    await within(1000, closed, 'closed');
    expect(channel.answers.get(1)).to.deep.equal({ type: 'ok' });
    expect(channel.answers.get(2)).to.include({ code: 450 });
    expect(channel.released).to.equal(true);
    expect((await loop.next()).done).to.equal(true);
    await fred.close();
  });

  it('refuses on closing what the application has not answered, without autoAccept', async () => {
    const { relay, fred } = await scripted({ autoAccept: false });
    relay.channel.send(forFred);
    const loop = fred[Symbol.asyncIterator]();
    const { value } = await loop.next();
    await fred.close();
    expect(relay.channel.answers.get(1)).to.include({ code: 451 });
    expect(value?.accept()).to.equal(false);
  });

  it('waits for the relay on closing for a limited time', async () => {
    const { relay, fred } = await scripted({ limits: { closeTimeoutMs: 20 } });
    relay.channel.auto = undefined;
    const sent = failureOf(fred.send({ to: BARNEY, content: 'x' }));
    await within(2000, fred.close(), 'closed');
    expect((await sent).code).to.equal('CONNECTION_LOST');
  });

  it('ends waiting loops when it is closed', async () => {
    const { fred } = await scripted();
    const loop = (async () => {
      for await (const _ of fred);
    })();
    await fred.close();
    await within(1000, loop, 'the loop ends');
  });

  it('ends with the error when the connection is lost and it does not reconnect', async () => {
    const { relay, fred } = await scripted();
    const events: unknown[][] = [];
    fred.on('disconnect', (...args) => void events.push(['disconnect', ...args]));
    fred.on('close', (...args) => void events.push(['close', ...args]));
    const loop = fred[Symbol.asyncIterator]();
    const failed = failureOf(loop.next());
    relay.channel.lose(CUT);
    expect(await failed).to.equal(CUT);
    expect(events).to.deep.equal([
      ['disconnect', CUT, false],
      ['close', CUT],
    ]);
    expect(fred.connected).to.equal(false);
    expect((await loop.next()).done).to.equal(true);
    await fred.close();
  });

  it('drops what it can no longer answer when the connection is lost', async () => {
    const { relay, fred } = await scripted({ reconnect: QUICK });
    relay.channel.send(forFred);
    relay.channel.send(forFred);
    const loop = fred[Symbol.asyncIterator]();
    const { value } = await loop.next();
    const [old] = relay.channels;
    relay.channel.lose(CUT);
    expect(value?.pending).to.equal(false);
    expect(value?.accept()).to.equal(false);
    await next(fred, 'connect');
    expect(old?.answers.size).to.equal(0);
    relay.channel.send(forFred);
    expect((await loop.next()).done).to.equal(false);
    await loop.return?.();
    expect(relay.channel.answers.get(1)).to.deep.equal({ type: 'ok' });
    await fred.close();
  });

  it('reconnects after a loss, attaches all addresses again, and repeats no message by itself', async () => {
    const { relay, fred } = await scripted({ reconnect: QUICK });
    await fred.attach(WB);
    relay.channel.auto = undefined;
    const lost = failureOf(fred.send({ to: BARNEY, content: 'x' }));
    relay.obstacles.push(new TransportError('CONNECT_FAILED', 'nobody there'));
    // The relay may think that the old connection lives.
    relay.obstacles.push({ code: 554, text: 'another application is attached' });
    const connected = next(fred, 'connect');
    relay.channel.lose(CUT);
    expect((await lost).code).to.equal('CONNECTION_LOST');
    expect((await failureOf(fred.send({ to: BARNEY, content: 'y' }))).fields).to.deep.equal({ sent: false });
    await connected;
    expect(relay.attached.map((attach) => attach?.endpoint)).to.deep.equal([FRED, FRED, FRED, FRED]);
    expect(new Set(relay.attached.map((attach) => attach?.transID)).size).to.equal(4);
    expect(relay.channel.asked).to.have.lengthOf(0);
    relay.channel.send(dialect.encodeData(dataFor([WB])));
    for await (const delivery of fred) {
      expect(delivery.recipients).to.deep.equal([WB]);
      break;
    }
    await fred.send({ to: BARNEY, content: 'z' });
    await fred.close();
  });

  it('tries again when the connection is lost between two steps of the login', async () => {
    const { relay, fred } = await scripted({ reconnect: QUICK });
    // As the channel binding of a TLS session that is gone is told.
    relay.obstacles.push(new LocalError('CLOSED', 'the TLS session is closed'));
    const connected = next(fred, 'connect');
    relay.channel.lose(CUT);
    await connected;
    expect(relay.obstacles).to.deep.equal([]);
    await fred.send({ to: BARNEY, content: 'x' });
    await fred.close();
  });

  it('starts again when only some of its addresses were attached', async () => {
    let refusals = 1;
    const relay = new ScriptedRelay((operation) => {
      if (operation.type !== 'attach' || operation.endpoint !== WB || relay.channels.length === 1) return undefined;
      refusals -= 1;
      return refusals >= 0 ? { code: 451, text: 'later' } : undefined;
    });
    const { fred } = await scripted({ reconnect: QUICK }, relay);
    await fred.attach(WB);
    const disconnects: unknown[] = [];
    fred.on('disconnect', (error) => void disconnects.push(error));
    const connected = next(fred, 'connect');
    relay.channel.lose(CUT);
    await connected;
    expect(relay.channels).to.have.lengthOf(3);
    expect(relay.channels[1]?.released).to.equal(true);
    expect(disconnects).to.deep.equal([CUT]);
    await fred.close();
  });

  it('gives up when the relay refuses it for good', async () => {
    const { relay, fred } = await scripted({ reconnect: QUICK });
    const refusal = new RefusedError('SASL_REFUSED', { code: 535, text: 'authentication failure' });
    relay.obstacles.push(refusal);
    const closed = next(fred, 'close');
    relay.channel.lose(CUT);
    expect(await closed).to.deep.equal([refusal]);
    expect((await failureOf(fred[Symbol.asyncIterator]().next())).code).to.equal('SASL_REFUSED');
  });

  it('can be closed while it waits to reconnect', async () => {
    const { relay, fred } = await scripted({ reconnect: { firstMs: 60_000, longestMs: 60_000 } });
    relay.channel.lose(CUT);
    await within(1000, fred.close(), 'closed');
    expect(relay.channels).to.have.lengthOf(1);
    expect((await fred[Symbol.asyncIterator]().next()).done).to.equal(true);
  });

  it('ends with a typed error when the relay ends the last attachment, after outstanding answers', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    channel.auto = undefined;
    channel.send(forFred);
    const sent = fred.send({ to: BARNEY, content: 'x' });
    const terminated = next(fred, 'terminate');
    const transID = relay.attached[0]?.transID ?? 0;
    const msgno = channel.send(dialect.encode({ type: 'terminate', transID }));
    expect(await terminated).to.deep.equal([FRED]);
    expect(channel.answers.get(msgno)).to.deep.equal({ type: 'ok' });
    expect(channel.released).to.equal(false);
    channel.answer();
    await sent;
    expect(channel.released).to.equal(false);
    const failed = (async () => {
      for await (const _ of fred);
    })();
    expect(await failureOf(within(1000, failed, 'the loop ends'))).to.include({ code: 'TERMINATED' });
    expect(channel.answers.get(1)).to.deep.equal({ type: 'ok' });
    expect(channel.released).to.equal(true);
  });

  it('attaches again after the relay has ended its attachment, where reconnecting is on', async () => {
    const { relay, fred } = await scripted({ reconnect: QUICK });
    const lost = next(fred, 'disconnect');
    const connected = next(fred, 'connect');
    relay.channel.send(dialect.encode({ type: 'terminate', transID: relay.attached[0]?.transID ?? 0 }));
    const [error] = await lost;
    expect(error).to.include({ code: 'TERMINATED' });
    await connected;
    expect(relay.channels).to.have.lengthOf(2);
    await fred.close();
  });

  it('REQ-IMXP-023 continues with the others when the relay ends one attachment', async () => {
    const { relay, fred } = await scripted();
    const other = 'wilma@example.com';
    await fred.attach(other);
    relay.channel.send(dialect.encode({ type: 'terminate', transID: relay.attached[0]?.transID ?? 0 }));
    expect(relay.channel.released).to.equal(false);
    relay.channel.send(forFred);
    expect(relay.channel.answers.get(2)).to.include({ code: 550 });
    relay.channel.send(dialect.encodeData(dataFor([other])));
    for await (const _ of fred) break;
    await fred.close();
  });

  it('reports a fault of the connector as an error of its own code', async () => {
    const { relay, fred } = await scripted({ reconnect: QUICK });
    const closed = next(fred, 'close');
    relay.obstacles.push(new LocalError('TLS_REQUIRED', 'no TLS'));
    relay.channel.lose(CUT);
    expect((await closed)[0]).to.include({ code: 'TLS_REQUIRED' });
  });
});
