import { expect } from 'chai';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Message } from '../../lib/endpoint/message.js';
import {
  authority,
  BARNEY,
  barney as barneys,
  FRED,
  fred as freds,
  WILMA,
  wilma as wilmas,
} from '../message/smime/people.js';
import { failureOf } from '../support/failure.js';
import { Interceptor } from '../support/interceptor.js';
import { LocalMesh } from '../support/local-mesh.js';
import { within } from '../support/within.js';

const people = [freds, barneys, wilmas].map(({ certificate }) => certificate);
const own = ({ certificate, key }: { certificate: string; key: string }) => ({
  secure: { certificate, key, authorities: authority.certificate, people },
});
/** id-aes256-GCM: what is encrypted comes soon after it. */
const GCM = Buffer.from('60864801650304012e', 'hex');

describe('security: a relay that cannot be trusted', () => {
  let mesh: LocalMesh;
  /** What Barney's relay is made to be: it sees everything, and changes what it likes. */
  let relay: Interceptor;
  let seen: Buffer[];
  let change: (octets: Buffer) => Buffer;
  let fred: Endpoint;
  let barney: Endpoint;
  let got: Delivery[];

  before(async () => {
    mesh = await LocalMesh.start();
    const { port } = new URL(mesh.url('rubble.com'));
    relay = await Interceptor.between(Number(port), {
      down: (octets) => {
        seen.push(octets);
        return change(octets);
      },
    });
    fred = await mesh.attach(FRED, own(freds));
  });

  beforeEach(async () => {
    seen = [];
    got = [];
    change = (octets) => octets;
    barney = await Endpoint.connect({ ...mesh.options(BARNEY), relay: relay.url, ...own(barneys) });
    barney.receive((delivery) => {
      got.push(delivery);
      delivery.text();
    });
    seen = [];
  });

  afterEach(() => barney.close());

  after(async () => {
    relay.close();
    await mesh.close();
  });

  const eightToSeven = (octets: Buffer): Buffer =>
    Buffer.from(octets.toString('latin1').replaceAll('eight', 'seven'), 'latin1');

  async function sent(message: Omit<Message, 'to'>, from: Endpoint = fred): Promise<Delivery> {
    await within(20_000, from.send({ to: BARNEY, ...message }), 'the ok');
    const delivery = got.at(-1);
    if (delivery === undefined) throw new Error('nothing arrived');
    return delivery;
  }

  const content = { cpim: { content: { type: 'text/plain; charset=utf-8', body: Buffer.from('Bowling at eight') } } };
  const overheard = (): string => Buffer.concat(seen).toString('latin1');

  it('can change what is not signed without being noticed', async () => {
    change = eightToSeven;
    const delivery = await sent({ content });
    expect([delivery.text(), delivery.signed]).to.deep.equal(['Bowling at seven', undefined]);
  });

  it('REQ-IMPP-015 REQ-IMPP-067 REQ-IMPP-069 cannot change what is signed', async () => {
    expect((await sent({ content, sign: true })).signed?.valid).to.equal(true);
    change = eightToSeven;
    const { signed } = await sent({ content, sign: true });
    expect([signed?.valid, signed?.reason]).to.deep.equal([false, 'altered']);
  });

  it('REQ-IMPP-017 REQ-IMPP-067 REQ-IMPP-068 cannot read what is encrypted, nor change it', async () => {
    await sent({ content, sign: true });
    expect(overheard()).to.include('Bowling at eight');
    seen = [];
    expect((await sent({ content, sign: true, encrypt: true })).text()).to.equal('Bowling at eight');
    expect(overheard()).to.not.include('Bowling').and.not.include('cpim');
    change = (octets) => {
      const at = octets.indexOf(GCM);
      if (at >= 0 && at + 60 < octets.length) octets.writeUInt8(octets.readUInt8(at + 60) ^ 1, at + 60);
      return octets;
    };
    const refused = await failureOf(fred.send({ to: BARNEY, content, encrypt: true }));
    expect(refused.reply?.code).to.equal(550);
  });

  it('REQ-IMPP-064 cannot name another author, nor can others send again what the author has signed', async () => {
    const { content: signed } = await sent({ content: 'yes', sign: true });
    if (signed.kind !== 'part') throw new Error(signed.kind);
    const wilma = await mesh.attach(WILMA, own(wilmas));
    const type = signed.headers.get('Content-Type') ?? '';
    const again = await sent({ content: signed.body, type }, wilma);
    expect([again.originator, again.text()]).to.deep.equal([WILMA, 'yes']);
    expect([again.signed?.by, again.signed?.reason]).to.deep.equal([FRED, 'other sender']);
    change = (octets) => Buffer.from(octets.toString('latin1').replaceAll(FRED, 'dino@example.com'), 'latin1');
    const forged = await sent({ content: 'yes', sign: true });
    expect([forged.originator, forged.signed?.reason]).to.deep.equal(['dino@example.com', 'other sender']);
  });
});
