import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Message } from '../../lib/endpoint/message.js';
import { pemOf } from '../../lib/endpoint/pem.js';
import { type SecureFiles, secureOf } from '../../lib/endpoint/secure.js';
import { LocalPeer } from '../../lib/gateway/local-peer.js';
import { openGateway } from '../../lib/gateway/open.js';
import { Secure } from '../../lib/message/smime/secure.js';
import { Headers } from '../../lib/mime/headers.js';
import { authority, BARNEY, barney as barneys, FRED, fred as freds, wilma as wilmas } from '../message/smime/people.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';
import { temporaryDirectory } from '../support/temporary.js';
import { within } from '../support/within.js';

const known = { authorities: authority.certificate, people: [freds, barneys, wilmas].map((one) => one.certificate) };
const own = ({ certificate, key }: { certificate: string; key: string }): SecureFiles => ({
  certificate,
  key,
  ...known,
});

describe('endpoint: certificates', () => {
  let mesh: LocalMesh;
  let fred: Endpoint;
  let barney: Endpoint;
  let wilma: Endpoint;
  let got: Delivery[];

  before(async () => {
    mesh = await LocalMesh.start();
    fred = await mesh.attach(FRED, { secure: own(freds) });
    barney = await mesh.attach(BARNEY, { secure: new Secure({ ...barneys, ...known }) });
    wilma = await mesh.attach('wilma@example.com');
  });

  beforeEach(() => {
    got = [];
    for (const one of [barney, wilma]) one.receive((delivery) => void got.push(delivery));
  });

  after(() => mesh.close());

  async function sent(message: Omit<Message, 'to'>, to = BARNEY): Promise<Delivery> {
    await within(5000, fred.send({ to, ...message }), 'the ok');
    const delivery = got.at(-1);
    if (delivery === undefined) throw new Error('nothing arrived');
    return delivery;
  }

  const body = Buffer.from('Yabba dabba doo');
  const contents: readonly (readonly [string, Message['content']])[] = [
    ['a text', 'Yabba dabba doo'],
    ['octets', body],
    ['an instant message', { message: { subject: 'Bowling', text: 'Yabba dabba doo' } }],
    ['an instant message in one part', { message: { subject: 'Bowling', text: 'Yabba dabba doo' }, form: 'part' }],
    ['message/cpim', { cpim: { subject: 'Bowling', content: { type: 'text/plain; charset=utf-8', body } } }],
  ];

  for (const [name, content] of contents) {
    it(`REQ-CPIM-014 REQ-IMPP-064 REQ-IMPP-067 REQ-IMPP-068 REQ-IMPP-069 signs and encrypts ${name} from end to end`, async () => {
      for (const how of [{ sign: true }, { encrypt: true }, { sign: true, encrypt: true }]) {
        const delivery = await sent({ content, ...how });
        expect(delivery.text()).to.equal('Yabba dabba doo');
        expect(delivery.message?.subject).to.equal(name.includes('message') ? 'Bowling' : undefined);
        expect(delivery.encrypted).to.equal('encrypt' in how);
        expect([delivery.signed?.by, delivery.signed?.valid]).to.deep.equal(
          'sign' in how ? [FRED, true] : [undefined, undefined],
        );
        // what came stays as it came
        expect(delivery.content.kind === 'part' && delivery.content.type).to.match(/^multipart\/signed|pkcs7-mime$/);
        expect(delivery.opened).to.not.equal(delivery.content);
      }
    });
  }

  it('keeps the line ends of a text as they were sent, whatever S/MIME makes of them', async () => {
    for (const how of [{}, { sign: true }, { encrypt: true }]) {
      expect((await sent({ content: 'Yabba\ndabba\n', ...how })).text()).to.equal('Yabba\ndabba\n');
    }
  });

  it('REQ-IMPP-018 says what is neither signed nor encrypted, and never believes what it cannot verify', async () => {
    const plain = await sent({ content: 'Yabba' });
    expect([plain.signed, plain.encrypted, plain.opened]).to.deep.equal([undefined, false, plain.content]);
    const inline = await sent({ content: { xml: '<note>x</note>' } });
    expect([inline.signed, inline.encrypted]).to.deep.equal([undefined, false]);
    // Wilma was given nothing to check with
    const delivery = await sent({ content: 'Yabba', sign: true }, 'wilma@example.com');
    expect([delivery.text(), delivery.signed?.valid, delivery.signed?.reason]).to.deep.equal([
      'Yabba',
      false,
      'untrusted',
    ]);
  });

  it('does without: what arrives stays as it is, and nothing that is to be protected is sent', async () => {
    const phone = 'wilma/phone@example.com';
    const other = await mesh.attach(phone, { secure: false });
    const received = new Promise<Delivery>((resolve) => other.receive(resolve));
    await fred.send({ to: phone, content: 'Yabba', sign: true });
    const { signed, encrypted, opened, content } = await received;
    expect([signed, encrypted, opened]).to.deep.equal([undefined, false, content]);
    expect(content.kind === 'part' && content.type).to.equal('multipart/signed');
    for (const how of [{ sign: true }, { encrypt: true }]) {
      const error = await failureOf(other.send({ to: BARNEY, content: 'x', ...how }));
      expect([error.code, error.message.includes('secure: false')]).to.deep.equal(['ARGUMENT', true]);
    }
    await other.close();
  });

  it('answers 550 to what it cannot decrypt, whoever asks', async () => {
    wilma.receive((delivery) => void delivery.text());
    const error = await failureOf(fred.send({ to: 'wilma@example.com', content: 'Yabba', encrypt: true }));
    expect(error.reply).to.deep.equal({ code: 550, text: 'the content is encrypted and cannot be read here' });
  });

  it('sends nothing that it cannot sign or encrypt', async () => {
    const refused = async (from: Endpoint, message: Omit<Message, 'to'>, words: string, to = BARNEY): Promise<void> => {
      const error = await failureOf(from.send({ to, ...message }));
      expect(error.message).to.include(words);
      expect(error.code).to.equal('ARGUMENT');
    };
    await refused(wilma, { content: 'x', sign: true }, 'signing needs a certificate and its key');
    await refused(wilma, { content: 'x', encrypt: true }, `no certificate of ${BARNEY} is known`);
    await refused(fred, { content: 'x', encrypt: true }, 'no certificate of dino@example.com', 'dino@example.com');
    await refused(fred, { content: { xml: '<x/>' }, sign: true }, 'cannot be signed or encrypted');
    await refused(
      fred,
      { content: { message: { text: 'x' }, form: 'inline' }, sign: true },
      '"xml", "uri" and inline messages',
    );
    expect(got).to.deep.equal([]);
  });

  it('REQ-CPIM-011 REQ-CPIM-014 passes through a gateway to CPIM unread and unchanged', async () => {
    const peer = new LocalPeer();
    const security = { authenticated: true, confidential: true };
    const gateway = openGateway(wilma, peer, { security, answerTimeoutMs: 50 });
    peer.connect(gateway);
    const outside = new Secure({ ...wilmas, ...known });
    const seen: string[] = [];
    peer.inbox('im:wilma@example.com', ({ content }) => {
      const headers = new Headers([{ name: 'Content-Type', value: content.type }]);
      const { entity, signed, encrypted } = outside.open({ headers, body: content.body }, FRED);
      seen.push(`${entity.headers.get('Content-Type')} ${encrypted} ${signed?.valid} ${signed?.by}`);
      return 'success';
    });
    const cpim = { content: { type: 'text/plain; charset=utf-8', body } };
    await fred.send({ to: 'wilma@example.com', content: { cpim }, sign: true, encrypt: true });
    await fred.send({ to: 'wilma@example.com', content: { cpim }, sign: true });
    expect(seen).to.deep.equal([`Message/CPIM true true ${FRED}`, `Message/CPIM false true ${FRED}`]);
    gateway.close();
  });

  describe('in files', () => {
    const path = temporaryDirectory();

    it('accepts single files, and a directory of people', async () => {
      await writeFile(path('fred.crt'), freds.certificate);
      await writeFile(path('fred.key'), freds.key);
      await writeFile(path('ca.pem'), authority.certificate);
      const files = { certificate: path('fred.crt'), key: path('fred.key'), authorities: path('ca.pem') };
      const seal = { from: FRED, to: [FRED], encrypt: true, sign: true };
      for (const people of [path(), path('fred.crt'), [path('fred.crt')], freds.certificate]) {
        const secure = await secureOf({ ...files, people });
        expect(secure.seal({ type: 'text/plain', body }, seal).type).to.include('authEnveloped-data');
      }
    });

    it('says which file cannot be used', async () => {
      const code = async (given: SecureFiles): Promise<string> => {
        const { code, message } = await failureOf(secureOf(given));
        return `${code} ${message}`;
      };
      expect(await code({ certificate: path('none.crt'), key: 'x' })).to.match(
        /^CONFIGURATION certificate .*none\.crt/,
      );
      expect(await code({ people: path('none') })).to.match(/^CONFIGURATION certificates of recipients .*none/);
      expect(await code({ certificate: freds.certificate })).to.equal(
        'ARGUMENT certificate and key must be given together',
      );
      await writeFile(path('empty'), 'nothing');
      expect(await code({ authorities: path('empty') })).to.include('contains no PEM block');
      expect(await code(JSON.parse('{"certifcate": "x"}'))).to.include('did you mean certificate?');
      expect(await pemOf(Buffer.from('octets'), 'key')).to.deep.equal(Buffer.from('octets'));
    });
  });
});
