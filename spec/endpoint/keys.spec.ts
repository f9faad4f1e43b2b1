import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { ImxpError } from '../../lib/errors.js';
import { BARNEY, FRED, scripted } from '../support/scripted-endpoint.js';

/** What programs without types give. */
type Loose = (...given: readonly unknown[]) => unknown;

async function refusalOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof ImxpError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'taken';
}

describe('endpoint: misspelt keys', () => {
  it('refuses an unknown key of connect with the nearest known one', async () => {
    const connect: Loose = (given) => Reflect.apply(Endpoint.connect, Endpoint, [given]);
    const cases: [unknown, string][] = [
      [{ address: FRED, passwordfile: 'x' }, 'unknown key "passwordfile"; did you mean passwordFile?'],
      [{ address: FRED, limits: { lane: 2 } }, 'limits: unknown key "lane"; did you mean lanes?'],
      [{ address: FRED, reconnect: { first: 2 } }, 'reconnect: unknown key "first"; did you mean firstMs?'],
      [{ address: FRED, colour: 'red' }, 'unknown key "colour"; known keys are address, anonymous, relay,'],
      [{ adress: FRED }, 'unknown key "adress"; did you mean address?'],
      [{}, 'address is required'],
      [{ address: FRED, tls: 'required' }, 'tls must be one of off, prefer, require'],
      [undefined, 'expected an object, not undefined'],
      [null, 'expected an object, not null'],
    ];
    for (const [given, text] of cases) {
      const refusal = await refusalOf(() => connect(given));
      expect(refusal)
        .to.match(/^ARGUMENT Endpoint\.connect: /)
        .and.contain(text);
    }
  });

  it('refuses an unknown key of a message with the nearest known one, and sends nothing', async () => {
    const { relay, fred } = await scripted();
    const send: Loose = (given) => Reflect.apply(fred.send, fred, [given]);
    const message = { to: BARNEY, content: 'x' };
    const cases: [unknown, string][] = [
      [{ ...message, form: FRED }, 'send: unknown key "form"; did you mean from?'],
      [{ ...message, option: [] }, 'did you mean options?'],
      [{ ...message, options: [{ internal: 'statusRequest', targethop: 'all' }] }, 'did you mean targetHop?'],
      [{ ...message, content: { xml: '<a />', typ: 'x' } }, 'send: content: unknown key "typ"'],
      [{ ...message, content: { message: { subjct: 'x', text: 'y' } } }, 'did you mean subject?'],
      [{ content: 'x' }, '"to" must be an address or a list of addresses'],
      ['hello', 'expected an object, not string'],
    ];
    for (const [given, text] of cases) {
      const refusal = await refusalOf(() => send(given));
      expect(refusal)
        .to.match(/^ARGUMENT send/)
        .and.contain(text);
    }
    expect(relay.channel.asked).to.have.lengthOf(0);
    await fred.close();
  });

  it('refuses an unknown key of a request to a service with the nearest known one', async () => {
    const { fred } = await scripted();
    const calls: [object, string, unknown[], string][] = [
      [
        fred,
        'trace',
        [BARNEY, { reportTimeout: 5 }],
        'trace: unknown key "reportTimeout"; did you mean reportTimeoutMs?',
      ],
      [fred, 'ping', [BARNEY, { form: FRED }], 'ping: unknown key "form"; did you mean from?'],
      [fred, 'status', [{ to: BARNEY, content: 'x' }, { targethop: 'all' }], 'status: unknown key "targethop"'],
      [fred.presence, 'poll', [BARNEY, { durations: 5 }], 'presence.poll: unknown key "durations"'],
      [fred.presence, 'subscribe', [BARNEY, { renews: true }], 'did you mean renew?'],
      [fred.access, 'get', [{ owners: FRED }], 'access: unknown key "owners"; did you mean owner?'],
    ];
    for (const [object, name, given, text] of calls) {
      const method: unknown = Reflect.get(object, name);
      if (typeof method !== 'function') throw new Error(name);
      expect(await refusalOf(() => Reflect.apply(method, object, given)))
        .to.match(/^ARGUMENT /)
        .and.contain(text);
    }
    await fred.close();
  });
});
