import { expect } from 'chai';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import { accepted, FakeChannel, makeRelay, settled } from '../support/fake-channel.js';

const dialect = imxpDialect();
const proof = { mechanism: 'DIGEST-MD5', privacy: true };

function setUp() {
  const relay = makeRelay({ dialects: [dialect] });
  const application = (address: string) => {
    const channel = accepted(relay, new FakeChannel({ kind: 'endpoint', address, proof }, { dialect }));
    expect(channel.attach(address)).to.equal(0);
    return channel;
  };
  const rubble = accepted(relay, new FakeChannel({ kind: 'relay', domains: ['rubble.com'], proof }, { dialect }));
  expect(rubble.bind('rubble.com')).to.equal(0);
  return { relay, fred: application('fred@example.com'), wilma: application('wilma@example.com'), rubble };
}

const xml = (document: string) => Buffer.from(`Content-Type: text/xml\r\n\r\n${document}`);

/** Octets that are no text, so that any conversion would show. */
const BODY = Buffer.from(Array.from({ length: 512 }, (_, at) => at % 256));

function multipart(recipients: string): Buffer {
  return Buffer.concat([
    Buffer.from(
      [
        'Content-Type: multipart/related; boundary="b1"; start="<1@example.com>"; type="text/xml"',
        '',
        '--b1',
        'Content-Type: text/xml',
        'Content-ID: <1@example.com>',
        '',
        `<data originator='fred@example.com' content='cid:2@example.com'>${recipients}</data>`,
        '--b1',
        'Content-Type: application/octet-stream',
        'Content-ID: <2@example.com>',
        'X-Kept:   as it is',
        '',
        '',
      ].join('\r\n'),
    ),
    BODY,
    Buffer.from('\r\n--b1--\r\n'),
  ]);
}

const TO_BOTH = "<recipient identity='barney@rubble.com' /><recipient identity='wilma@example.com' />";
const THIS =
  "<recipient identity='barney@rubble.com'><option internal='hop' targetHop='this' transID='7' /></recipient>";

describe('relay: with the IMXP dialect', () => {
  it('REQ-IMXP-034 forwards the received buffers themselves to a relay and to an application', () => {
    const { fred, wilma, rubble } = setUp();
    const local = xml(
      "<data originator='fred@example.com' content='#C'><recipient identity='wilma@example.com'/><data-content Name='C'> <b/>&amp; </data-content></data>",
    );
    const remote = multipart("<recipient identity='barney@rubble.com' />");
    fred.send(local);
    fred.send(remote);
    expect(wilma.requests[0]?.payload).to.equal(local);
    expect(rubble.requests[0]?.payload).to.equal(remote);
    rubble.requests[0]?.ok();
    wilma.requests[0]?.ok();
    expect(fred.replies.map(({ kind }) => kind)).to.deep.equal(['RPY', 'RPY', 'RPY']);
  });

  it('REQ-IMXP-034 keeps every other part octet for octet when the recipients are split', () => {
    const { fred, wilma, rubble } = setUp();
    fred.send(multipart(TO_BOTH));
    for (const [channel, recipient] of [
      [rubble, 'barney@rubble.com'],
      [wilma, 'wilma@example.com'],
    ] as const) {
      const [request] = channel.requests;
      expect(request?.data.recipients).to.deep.equal([{ identity: recipient, options: [] }]);
      const payload = request?.joined ?? Buffer.alloc(0);
      expect(
        payload.includes(Buffer.concat([Buffer.from('X-Kept:   as it is\r\n\r\n'), BODY, Buffer.from('\r\n--')])),
      ).to.equal(true);
    }
  });

  it('REQ-IMXP-038 forwards a Data without its option for `this`, and the rest unchanged', () => {
    const { fred, rubble } = setUp();
    fred.send(multipart(THIS));
    const [request] = rubble.requests;
    expect(request?.data.recipients[0]?.options).to.deep.equal([]);
    expect(request?.joined.includes(BODY)).to.equal(true);
  });

  it('REQ-IMXP-010 answers 500 and 501 with an explanation', () => {
    const { fred } = setUp();
    expect(fred.ask(xml('<data'))).to.equal(500);
    expect(fred.ask(xml("<data originator='fred@example.com' content='#C' />"))).to.equal(501);
    expect(fred.ask(multipart(TO_BOTH).subarray(0, 400))).to.be.oneOf([500, 501]);
  });

  it('answers 450 with one line for each recipient when none of several is attached', async () => {
    const { fred, wilma, rubble } = setUp();
    wilma.lose();
    const msgno = fred.send(multipart(`${TO_BOTH}<recipient identity='x@far.example' />`));
    rubble.requests[0]?.error(550, 'unknown endpoint identity');
    await settled();
    expect(fred.code(msgno)).to.equal(450);
    expect(fred.text(msgno)).to.equal('barney@rubble.com 550\nwilma@example.com 450\nx@far.example 550');
  });
});
