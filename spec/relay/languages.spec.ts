import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { OptionInit } from '../../lib/endpoint/option.js';
import type { Option } from '../../lib/imxp/operation.js';
import { REPLIES } from '../../lib/relay/answer.js';
import { languagesOf, localized, TRANSLATED } from '../../lib/relay/languages.js';
import { failureOf } from '../support/failure.js';
import { data, option } from '../support/fake-dialect.js';
import { LocalMesh } from '../support/local-mesh.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

describe('the language of errors', function () {
  this.slow(3000);
  let mesh: LocalMesh;
  let fred: Endpoint;

  before(async () => {
    mesh = await LocalMesh.start();
    fred = await mesh.attach(FRED);
  });
  after(() => mesh.close());

  const asking = (localize: string): OptionInit => ({ internal: 'statusRequest', localize });
  async function refusal(to: string, ...options: readonly OptionInit[]) {
    const { reply } = await failureOf(fred.send({ to, content: 'hi', options }));
    return [reply?.code, reply?.text, reply?.lang];
  }

  it('REQ-IMXP-047 answers at once in the language of localize, as reports do', async () => {
    const german = [550, 'diese Adresse gibt es hier nicht', 'de'];
    expect(await refusal('nobody@example.com', asking('de-AT en'))).to.deep.equal(german);
    expect(await refusal('nobody@example.com', asking('fr en'))).to.deep.equal([
      550,
      REPLIES.unknownEndpoint.text,
      'en',
    ]);
    for (const options of [[], [asking('i-default')], [asking('fr')]]) {
      expect(await refusal('nobody@example.com', ...options)).to.deep.equal([
        550,
        REPLIES.unknownEndpoint.text,
        undefined,
      ]);
    }
  });

  it('REQ-IMXP-047 passes on the language of the next relay, and of an application', async () => {
    expect(await refusal('nobody@rubble.com', asking('de'))).to.deep.equal([
      550,
      'diese Adresse gibt es hier nicht',
      'de',
    ]);
    const barney = await mesh.attach(BARNEY);
    barney.receive((delivery) => void delivery.refuse({ code: 550, text: 'Pas ce soir', lang: 'fr' }));
    expect(await refusal(BARNEY, asking('de'))).to.deep.equal([550, 'Pas ce soir', 'fr']);
    await barney.close();
  });

  it('REQ-IMXP-047 says in that language which option is not understood', async () => {
    const strange: OptionInit = { internal: 'bowling', seeNoEvil: false, targetHop: 'this', localize: 'de' };
    expect(await refusal(BARNEY, strange)).to.deep.equal([504, 'unbekannte Option: bowling', 'de']);
  });

  it('asks all options of an operation, those of the whole first', () => {
    const some = (localize: string): Option => ({ ...option({ internal: 'x' }), localize });
    const { recipients, ...whole } = data(FRED, [BARNEY]);
    const each = recipients.map((recipient) => ({ ...recipient, options: [some('fr'), some('i-default')] }));
    expect(languagesOf({ ...whole, recipients: each, options: [some('de en')] })).to.equal('de en fr');
    expect(languagesOf({ ...whole, recipients, options: [some('i-default')] })).to.equal('');
    expect(languagesOf({ type: 'attach', endpoint: FRED, transID: 1, options: [some('de')] })).to.equal('de');
  });

  it('translates every text of this relay, and nothing that it does not say', () => {
    const sources = ['relay', 'mesh'].flatMap((folder) =>
      readdirSync(`lib/${folder}`)
        .filter((name) => name.endsWith('.ts') && name !== 'languages.ts')
        .map((name) => readFileSync(`lib/${folder}/${name}`, 'utf8')),
    );
    for (const text of TRANSLATED) {
      expect(localized({ text }, 'de').lang, text).to.equal('de');
      expect(
        sources.some((source) => source.includes(`'${text}'`)),
        text,
      ).to.equal(true);
    }
  });
});
