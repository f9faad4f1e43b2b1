import { expect } from 'chai';
import type { Message } from '../../lib/endpoint/message.js';
import { LocalError, RefusedError, TransportError } from '../../lib/errors.js';
import { contentOf } from '../../lib/imxp/content.js';
import type { Data } from '../../lib/imxp/operation.js';
import { failureOf } from '../support/failure.js';
import { BARNEY, FRED, scripted } from '../support/scripted-endpoint.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { within } from '../support/within.js';

/** An endpoint whose relay answers attach and terminate at once, and Data when the spec says so. */
async function manual(options: Parameters<typeof scripted>[0] = {}) {
  const { relay, fred } = await scripted(options);
  relay.channel.auto = undefined;
  return { relay, fred, channel: relay.channel };
}

const only = (data: readonly Data[]): Data => {
  expect(data).to.have.lengthOf(1);
  const [one] = data;
  if (one === undefined) throw new Error('none');
  return one;
};

describe('endpoint: sending', () => {
  it('sends text as a UTF-8 part, octet for octet, from its first address', async () => {
    const { fred, channel } = await manual();
    const sent = fred.send({ to: BARNEY, content: 'Grüße, Barney 🎳' });
    const data = only(channel.data);
    channel.answer();
    await sent;
    expect(data.originator).to.equal(FRED);
    expect(data.recipients.map(({ identity }) => identity)).to.deep.equal([BARNEY]);
    const content = contentOf(data);
    if (content.kind !== 'part') throw new Error(content.kind);
    expect(content.headers.get('Content-Type')).to.equal('text/plain; charset=UTF-8');
    expect(content.headers.get('Content-Transfer-Encoding')).to.equal('binary');
    expect(content.body.toString()).to.equal('Grüße, Barney 🎳');
  });

  it('REQ-IMPP-031 sends a Buffer as it is, even if it looks like MIME', async () => {
    const { fred, channel } = await manual();
    const octets = Buffer.concat([
      Buffer.from('\r\n--=_x\r\n\r\n--'),
      Buffer.from([0, 255, 13, 10, 13, 10]),
      Buffer.alloc(100_000, 7),
    ]);
    void fred.send({ to: BARNEY, content: octets, type: 'image/png' });
    const content = contentOf(only(channel.data));
    if (content.kind !== 'part') throw new Error(content.kind);
    expect(content.headers.get('Content-Type')).to.equal('image/png');
    expect(content.body.equals(octets)).to.equal(true);
  });

  it('sends any Uint8Array, a view of a part too', async () => {
    const { fred, channel } = await manual();
    void fred.send({ to: BARNEY, content: new Uint8Array([1, 2, 3, 4]).subarray(1, 3) });
    const content = contentOf(only(channel.data));
    expect(content.kind === 'part' && [...content.body]).to.deep.equal([2, 3]);
  });

  it('says what content may be, for programs without types', async () => {
    const { fred, channel } = await manual();
    for (const content of ['undefined', 'null', '5', '{"text":"hi"}']) {
      const message: Message = { to: BARNEY, content: '' };
      Object.assign(message, { content: content === 'undefined' ? undefined : JSON.parse(content) });
      const failure = await failureOf(fred.send(message));
      expect(failure, content).to.be.instanceOf(LocalError).with.property('code', 'ARGUMENT');
      expect(failure, content).to.have.property('message').that.includes('"content" must be a string, a Buffer, or');
    }
    expect(channel.data).to.have.lengthOf(0);
  });

  it('sends empty content', async () => {
    const { fred, channel } = await manual();
    void fred.send({ to: BARNEY, content: '' });
    const content = contentOf(only(channel.data));
    expect(content.kind === 'part' && content.body.length).to.equal(0);
  });

  it('REQ-IMXP-063 sends XML inside the control document, and references as they are', async () => {
    const { fred, channel } = await manual();
    void fred.send({ to: BARNEY, content: { xml: '<note>R&amp;B</note>' } });
    void fred.send({ to: BARNEY, content: { uri: 'http://example.com/a#b' } });
    const [xml, uri] = channel.data;
    if (xml === undefined || uri === undefined) throw new Error('not sent');
    const content = contentOf(xml);
    expect(content.kind === 'inline' && content.inner.toString()).to.equal('<note>R&amp;B</note>');
    expect(uri.content).to.equal('http://example.com/a#b');
  });

  it('sends several recipients, another originator and options in one Data', async () => {
    const { fred, channel } = await manual();
    void fred.send({
      from: 'fred/appl=wb@example.com',
      to: [BARNEY, 'wilma@example.com'],
      content: 'x',
      options: [{ internal: 'statusRequest', targetHop: 'all' }],
    });
    const data = only(channel.data);
    expect(data.originator).to.equal('fred/appl=wb@example.com');
    expect(data.recipients.map(({ identity }) => identity)).to.deep.equal([BARNEY, 'wilma@example.com']);
    const [option] = data.options;
    expect(option).to.include({ internal: 'statusRequest', targetHop: 'all', seeNoEvil: true, localize: 'i-default' });
    expect(option?.transID).to.be.within(1, 2_147_483_647);
  });

  it('REQ-IMPP-035 REQ-IMPP-062 rejects with the code and text of the refusal', async () => {
    const { fred, channel } = await manual();
    const sent = failureOf(fred.send({ to: BARNEY, content: 'x' }));
    channel.answer({ code: 450, text: 'not attached' });
    const error = await sent;
    expect(error).to.be.instanceOf(RefusedError);
    expect(error).to.include({ code: 'REFUSED', message: '450 not attached' });
    expect(error.reply).to.deep.equal({ code: 450, text: 'not attached' });
  });

  it('rejects invalid addresses before anything is sent', async () => {
    const { fred, channel } = await manual();
    const wrong: Parameters<typeof fred.send>[0][] = [
      { to: 'barney', content: 'x' },
      { to: [BARNEY, 'a b@rubble.com'], content: 'x' },
      { from: 'fred', to: BARNEY, content: 'x' },
    ];
    for (const message of wrong) {
      expect((await failureOf(fred.send(message))).code).to.equal('ADDRESS_INVALID');
    }
    expect((await failureOf(fred.send({ to: [], content: 'x' }))).code).to.equal('ARGUMENT');
    expect(channel.asked).to.have.lengthOf(0);
  });

  it('rejects what a header or a document cannot contain', async () => {
    const { fred, channel } = await manual();
    expect((await failureOf(fred.send({ to: BARNEY, content: 'x', type: 'text/plain\r\nX-Evil: 1' }))).code).to.equal(
      'ARGUMENT',
    );
    expect((await failureOf(fred.send({ to: BARNEY, content: { xml: '<a>' } }))).code).to.equal('ARGUMENT');
    expect(channel.asked).to.have.lengthOf(0);
  });

  it('keeps any number of outstanding messages in the order of the calls', async () => {
    const { fred, channel } = await manual();
    const answered: number[] = [];
    const sends = Array.from({ length: 300 }, (_, index) =>
      fred.send({ to: BARNEY, content: `${index}` }).then(() => void answered.push(index)),
    );
    const texts = channel.data.map((data) => {
      const content = contentOf(data);
      return content.kind === 'part' ? content.body.toString() : '';
    });
    expect(texts).to.deep.equal(Array.from({ length: 300 }, (_, index) => `${index}`));
    while (channel.asked.length > 0) channel.answer();
    await Promise.all(sends);
    expect(answered).to.deep.equal(Array.from({ length: 300 }, (_, index) => index));
  });

  it('queues beyond the bound in order, and sends on as answers arrive', async () => {
    const { fred, channel } = await manual({ limits: { outstandingData: 2 } });
    const sends = ['a', 'b', 'c', 'd'].map((content) => fred.send({ to: BARNEY, content }));
    expect(channel.asked).to.have.lengthOf(2);
    expect(fred.outstanding).to.equal(4);
    channel.answer();
    expect(channel.asked).to.have.lengthOf(2);
    channel.answer({ code: 450, text: 'busy' });
    expect(channel.asked).to.have.lengthOf(2);
    channel.answer();
    channel.answer();
    const results = await Promise.allSettled(sends);
    expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(fred.outstanding).to.equal(0);
  });

  it('sends one message larger than the bound of octets when nothing else is outstanding', async () => {
    const { fred, channel } = await manual({ limits: { outstandingOctets: 2000 } });
    const large = fred.send({ to: BARNEY, content: Buffer.alloc(5000) });
    const small = fred.send({ to: BARNEY, content: 'x' });
    expect(channel.asked).to.have.lengthOf(1);
    channel.answer();
    expect(channel.asked).to.have.lengthOf(1);
    channel.answer();
    await Promise.all([large, small]);
  });

  it('rejects outstanding messages when the connection is lost, and says which certainly were not sent', async () => {
    const { fred, channel } = await manual({ limits: { outstandingData: 1 } });
    const [sent, waiting] = [
      failureOf(fred.send({ to: BARNEY, content: 'a' })),
      failureOf(fred.send({ to: BARNEY, content: 'b' })),
    ];
    channel.lose(new TransportError('CONNECTION_LOST', 'cut'));
    expect(await sent).to.deep.include({ code: 'CONNECTION_LOST', fields: { sent: true } });
    expect(await waiting).to.deep.include({ code: 'CONNECTION_LOST', fields: { sent: false } });
    expect((await failureOf(fred.send({ to: BARNEY, content: 'c' }))).code).to.equal('CLOSED');
  });

  it('continues after a send that got no answer in time', async () => {
    const { fred, channel } = await manual({ limits: { outstandingData: 1 } });
    const late = failureOf(fred.send({ to: BARNEY, content: 'a' }));
    const next = fred.send({ to: BARNEY, content: 'b' });
    channel.asked.shift()?.sink.failed('timeout');
    expect((await late).code).to.equal('TIMED_OUT');
    channel.answer();
    await within(1000, next, 'the next is sent');
  });

  it('withdraws what waits when the signal is aborted, and stops waiting for what has left', async () => {
    const { fred, channel } = await manual({ limits: { outstandingData: 1 } });
    const abort = new AbortController();
    const { signal } = abort;
    const sends = ['a', 'b'].map((content) => failureOf(fred.send({ to: BARNEY, content, signal })));
    const last = fred.send({ to: BARNEY, content: 'c' });
    abort.abort(new Error('enough'));
    for (const error of await Promise.all(sends)) expect(error.message).to.equal('enough');
    channel.answer();
    const content = contentOf(only(channel.data));
    expect(content.kind === 'part' && content.body.toString()).to.equal('c');
    channel.answer();
    await last;
    expect((await failureOf(fred.send({ to: BARNEY, content: 'd', signal }))).message).to.equal('enough');
  });

  it('reports for each recipient what became of a message', async () => {
    const { relay, fred } = await scripted({ limits: { lanes: 1 } });
    const { channel } = relay;
    channel.auto = undefined;
    const to = [BARNEY, 'wilma@example.com', 'barney@RUBBLE.com', 'betty@rubble.com'];
    const sent = fred.sendEach({ to, content: { message: { text: 'Dinner' } } });
    expect(channel.data.map(({ recipients }) => recipients.map(({ identity }) => identity))).to.deep.equal([
      [BARNEY],
      ['wilma@example.com'],
      ['betty@rubble.com'],
    ]);
    channel.answer();
    channel.answer({ code: 450, text: 'not attached' });
    channel.asked.shift()?.sink.failed('timeout');
    const outcomes = await sent;
    expect(outcomes.map(({ recipient, accepted, code }) => [recipient, accepted, code])).to.deep.equal([
      [BARNEY, true, 250],
      ['wilma@example.com', false, 450],
      ['betty@rubble.com', false, undefined],
    ]);
    expect(outcomes.map(({ error }) => error?.code)).to.deep.equal([undefined, 'REFUSED', 'TIMED_OUT']);
    expect((await failureOf(fred.sendEach({ to: [], content: 'x' }))).code).to.equal('ARGUMENT');
    const abort = new AbortController();
    const late = failureOf(fred.sendEach({ to: BARNEY, content: 'x', signal: abort.signal }));
    abort.abort(new Error('enough'));
    expect((await late).message).to.equal('enough');
    expect((await failureOf(fred.sendEach({ to: BARNEY, content: 'x', signal: abort.signal }))).message).to.equal(
      'enough',
    );
    channel.answer();
  });

  it('accepts one signal for any number of sends, without a warning of Node about a leak', async () => {
    const { fred, channel } = await manual({ limits: { outstandingData: 1 } });
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warned);
    const abort = new AbortController();
    const { signal } = abort;
    const sends = Array.from({ length: 1000 }, (_, index) =>
      failureOf(fred.send({ to: BARNEY, content: `${index}`, signal })),
    );
    const asking = Array.from({ length: 50 }, () => failureOf(fred.presence.poll(BARNEY, { signal })));
    abort.abort(new Error('enough'));
    for (const error of await Promise.all([...sends, ...asking])) expect(error.message).to.equal('enough');
    // Warnings are told in a turn of their own.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', warned);
    expect(warnings).to.deep.equal([]);
    channel.answer();
    expect(channel.asked).to.have.lengthOf(0);
  });

  it('ends the channel on an answer that is neither ok nor error', async () => {
    const { fred, channel } = await manual();
    const sent = failureOf(fred.send({ to: BARNEY, content: 'a' }));
    channel.asked.shift()?.sink.replied('RPY', Buffer.from('Content-Type: text/xml\r\n\r\n<fine />\r\n'));
    expect((await sent).code).to.equal('CONNECTION_LOST');
    expect(channel.open).to.equal(false);
  });

  it('submits a payload without a promise, several times', async () => {
    const { relay, fred } = await scripted({}, new ScriptedRelay(() => undefined));
    const payload = fred.encode({ to: BARNEY, content: 'tick' });
    let accepted = 0;
    await within(
      1000,
      new Promise<void>((resolve, reject) => {
        const sink = {
          accepted: () => {
            accepted += 1;
            if (accepted === 3) resolve();
            else fred.submit(payload, sink);
          },
          failed: reject,
        };
        fred.submit(payload, sink);
      }),
      'three answers',
    );
    expect(relay.channel.outstanding).to.equal(0);
  });
});
