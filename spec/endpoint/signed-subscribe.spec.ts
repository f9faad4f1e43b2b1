import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Message } from '../../lib/endpoint/message.js';
import { PresenceClient, type SubscriptionNotice } from '../../lib/endpoint/presence.js';
import { SignedSubscribes } from '../../lib/endpoint/signed-subscribe.js';
import { Transactions } from '../../lib/endpoint/transactions.js';
import { LocalError, RefusedError } from '../../lib/errors.js';
import type { Notify } from '../../lib/imxp/vocabulary/presence.js';
import {
  authority,
  BARNEY,
  barney,
  FRED,
  fred,
  person,
  secureOf,
  text,
  WILMA,
  wilma,
} from '../message/smime/people.js';
import { TestAuthority } from '../support/certificates.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';

const BETTY = 'betty@rubble.com';
const OPTION = 'urn:x-imxp:subscriber-proof';
const people = [fred, barney, wilma].map(({ certificate }) => certificate);
const keys = { [FRED]: fred, [BARNEY]: barney, [WILMA]: wilma };

describe('subscriptions that the subscriber signed', function () {
  this.timeout(60_000);

  for (const [dialect, between] of [
    ['imxp', 'imxp'],
    ['apex', 'apex'],
    ['apex', 'imxp'],
  ] as const) {
    describe(`asked in ${dialect}, over relays that speak ${between}`, () => {
      let mesh: LocalMesh;

      before(async () => {
        mesh = await LocalMesh.start({ dialect: between });
        // The relay of rubble.com reaches example.com over the link that this opens.
        const [sender, receiver] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
        receiver.receive(() => {});
        await sender.access.allow('*@*', ['presence:subscribe', 'core:data']);
        await sender.send({ to: BARNEY, content: 'Yabba' });
        await mesh.leave();
      });
      afterEach(() => mesh.leave());
      after(() => mesh.close());

      async function attach(address: keyof typeof keys | typeof BETTY): Promise<Endpoint> {
        const own = address === BETTY ? {} : { certificate: keys[address].certificate, key: keys[address].key };
        return mesh.attach(address, { dialect, secure: { ...own, authorities: authority.certificate, people } });
      }
      async function watched(endpoint: Endpoint, ...whom: string[]): Promise<() => Promise<SubscriptionNotice>> {
        const feed = (await endpoint.presence.subscriptions(FRED))[Symbol.asyncIterator]();
        return async () => {
          for (;;) {
            const { value } = await feed.next();
            if (value === undefined) throw new Error('the watch has ended');
            if (value.action === 'subscribe' && whom.includes(value.subscriber)) return value;
          }
        };
      }
      const verdict = ({ subscriber, signed }: SubscriptionNotice) => [
        subscriber,
        signed?.valid,
        signed?.by,
        signed?.reason,
      ];

      it('REQ-IMPP-049 name their subscriber to the publisher, who can verify it', async () => {
        const [publisher, subscriber, other] = [await attach(FRED), await attach(BARNEY), await attach(BETTY)];
        const next = await watched(publisher, BARNEY, BETTY);
        const feed = await subscriber.presence.subscribe(FRED, { sign: true, duration: 600 });
        expect(verdict(await next())).to.deep.equal([BARNEY, true, BARNEY, undefined]);
        await other.presence.poll(FRED);
        expect(verdict(await next())).to.deep.equal([BETTY, undefined, undefined, undefined]);
        await feed.end();
        await subscriber.presence.poll(FRED, { sign: 'required' });
        expect(verdict(await next())).to.deep.equal([BARNEY, true, BARNEY, undefined]);
      });

      it('REQ-IMPP-049 are kept with their proof over a restart, for those who watch later', async () => {
        const subscriber = await attach(BARNEY);
        await subscriber.presence.subscribe(FRED, { sign: true, duration: 600 });
        await mesh.stopNode('example.com');
        await mesh.startNode('example.com');
        const next = await watched(await attach(FRED), BARNEY);
        expect(verdict(await next())).to.deep.equal([BARNEY, true, BARNEY, undefined]);
      });

      it('REQ-IMPP-049 are reported as not valid with a proof that somebody else signed, or of something else', async () => {
        const publisher = await attach(FRED);
        const next = await watched(publisher, WILMA);
        const [own, signer] = [await attach(WILMA), new SignedSubscribes(secureOf(barney))];
        const statement = { publisher: FRED, transID: 7, duration: 600 };
        const service = `${dialect}=presence@example.com`;
        const ask = (xml: string, transID: number) =>
          own.send({
            to: service,
            content: { xml: `<subscribe publisher='${FRED}' duration='600' transID='${transID}' />` },
            options: [{ external: OPTION, xml }],
          });
        own.receive(() => {}, { notifications: true });
        await ask(signer.proofOf(statement, BARNEY), 7);
        expect(verdict(await next())).to.deep.equal([WILMA, false, BARNEY, 'other sender']);
        const elsewhere = new SignedSubscribes(secureOf(wilma)).proofOf({ ...statement, publisher: BARNEY }, WILMA);
        await ask(elsewhere, 8);
        expect(verdict(await next())).to.deep.equal([WILMA, false, WILMA, 'other publisher']);
        await ask(Buffer.from('nothing at all').toString('base64'), 9);
        expect(verdict(await next())).to.deep.equal([WILMA, false, undefined, 'altered']);
      });
    });
  }

  describe('at relays with little room', () => {
    let mesh: LocalMesh;

    before(async () => {
      mesh = await LocalMesh.start({ limits: { presence: { proofOctets: 1024 } } });
    });
    after(() => mesh.close());

    it('REQ-IMPP-049 are refused when the proof is too large', async () => {
      const publisher = await mesh.attach(FRED, { secure: { certificate: fred.certificate, key: fred.key } });
      const { reply } = await failureOf(publisher.presence.subscribe(FRED, { sign: true }));
      expect([reply?.code, reply?.text]).to.deep.equal([554, 'the proof of a subscriber may have 1024 octets']);
      await publisher.presence.subscribe(FRED);
      const unable = await mesh.attach(WILMA);
      expect((await failureOf(unable.presence.subscribe(FRED, { sign: true }))).code).to.equal('ARGUMENT');
    });
  });

  it('REQ-IMPP-049 are served by those who do not know it, unless it is required', async () => {
    const options: unknown[] = [];
    const send = async (message: Message): Promise<void> => {
      options.push(
        ...(message.options ?? []).map(({ external, targetHop, seeNoEvil }) => [external, targetHop, seeNoEvil]),
      );
      throw new RefusedError('REFUSED', { code: 504, text: 'option not understood' });
    };
    const endpoint = { address: BARNEY, addresses: [BARNEY], dialect: 'imxp' as const, send };
    const client = new PresenceClient(endpoint, new Transactions(), 1000, secureOf(barney));
    for (const sign of [false, true, 'required'] as const) {
      expect((await failureOf(client.subscribe(FRED, { sign }))).reply?.code).to.equal(504);
    }
    // By default an option is for the last relay; with seeNoEvil it is ignored where it is not understood.
    expect(options).to.deep.equal([
      [OPTION, undefined, true],
      [OPTION, undefined, false],
    ]);
  });

  describe('verified by a watcher', () => {
    const notify: Notify = { type: 'notify', subscriber: BARNEY, transID: 1, duration: 0, action: 'subscribe' };
    const context = { publisher: FRED, form: 'imxp' } as const;
    const statement = { publisher: FRED, transID: 3, duration: 600 };
    const signedAt = (ms: number, duration = 600) => {
      const now = () => new Date(Date.now() + ms);
      return new SignedSubscribes(secureOf(barney, { now })).proofOf({ ...statement, duration }, BARNEY);
    };
    const watcher = () => new SignedSubscribes(secureOf(fred));
    const reasonOf = (proof: string, told = notify) => watcher().verified(proof, told, context).reason;

    it('REQ-IMPP-049 hold for the time that was asked for, and five minutes', () => {
      expect(reasonOf(signedAt(0))).to.equal(undefined);
      expect(reasonOf(signedAt(-890_000))).to.equal(undefined);
      expect(reasonOf(signedAt(-910_000))).to.equal('stale');
      expect(reasonOf(signedAt(-310_000, 0))).to.equal('stale');
      expect(reasonOf(signedAt(310_000))).to.equal('stale');
    });

    it('REQ-IMPP-049 hold as often as they are told, until the subscriber signs a later one', () => {
      const by = watcher();
      const [earlier, later] = [signedAt(-100_000), signedAt(-50_000)];
      const judged = (proof: string) => by.verified(proof, notify, context).reason;
      expect([judged(earlier), judged(earlier), judged(later), judged(later)]).to.deep.equal(Array(4).fill(undefined));
      expect(judged(earlier)).to.equal('repeated');
    });

    it('REQ-IMPP-049 do not hold for another duration, without trust, or when what was signed is no subscription', () => {
      const inApex = { publisher: FRED, form: 'apex' } as const;
      expect(watcher().verified(signedAt(0), { ...notify, duration: 600 }, inApex).reason).to.equal(undefined);
      expect(watcher().verified(signedAt(0), { ...notify, duration: 900 }, inApex).reason).to.equal('altered');
      const stranger = new TestAuthority().issue({ uris: [`im:${BARNEY}`], usages: ['mail'], ownKey: true });
      const unknown = new SignedSubscribes(secureOf(stranger)).proofOf(statement, BARNEY);
      expect(reasonOf(unknown)).to.equal('untrusted');
      const message = secureOf(barney).seal(text('Yabba'), { sign: true, from: BARNEY, to: [] });
      const octets = Buffer.concat([Buffer.from(`Content-Type: ${message.type}\r\n\r\n`), message.body]);
      expect(reasonOf(octets.toString('base64'))).to.equal('altered');
      const unsigned = Buffer.from('Content-Type: text/plain\r\n\r\nYabba').toString('base64');
      expect(reasonOf(unsigned)).to.equal('altered');
    });

    it('REQ-IMPP-049 do not hold when a single octet differs', () => {
      const octets = Buffer.from(signedAt(0), 'base64');
      const at = octets.indexOf(`duration='600'`) + `duration='`.length;
      octets[at] = '9'.charCodeAt(0);
      expect(reasonOf(octets.toString('base64'))).to.equal('altered');
    });

    it('throw an error when a certificate on this side cannot be read, and no verdict', () => {
      const fault = new LocalError('CONFIGURATION', 'known certificates barney@rubble.com.crt: permission denied');
      const find = (): never => {
        throw fault;
      };
      const unable = new SignedSubscribes(secureOf(fred, { known: { find, learn: () => false } }));
      expect(() => unable.verified(signedAt(0), notify, context)).to.throw(fault.message);
      const broken = new SignedSubscribes(secureOf(fred, { people: () => 'no certificate' }));
      expect(() => broken.verified(signedAt(0), notify, context)).to.throw(LocalError);
      // A notification about nobody is a fault of the service.
      expect(reasonOf(signedAt(0), { ...notify, subscriber: 'nobody' })).to.equal('altered');
    });

    it('REQ-IMPP-049 are of a subaddress whose address the certificate names', () => {
      const mobile = 'barney/mobile@rubble.com';
      const proof = new SignedSubscribes(secureOf(person(BARNEY, { ownKey: true }))).proofOf(statement, mobile);
      expect(reasonOf(proof, { ...notify, subscriber: mobile })).to.equal(undefined);
      expect(reasonOf(proof)).to.equal('other sender');
    });
  });
});
