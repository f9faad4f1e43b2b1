import { expect } from 'chai';
import type { Data } from '../../lib/imxp/operation.js';
import type { AccessEntry } from '../../lib/imxp/vocabulary/access.js';
import { AccessService } from '../../lib/services/access.js';
import { AccessCache } from '../../lib/services/access-cache.js';
import { documentData } from '../../lib/services/outgoing.js';
import { AccessEntries } from '../../lib/store/access.js';
import { MemoryStore } from '../../lib/store/memory.js';
import { settled } from '../support/fake-channel.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const WILMA = 'wilma@example.com';
const APEX = 'apex=access@example.com';
const IMXP = 'imxp=access@example.com';
const NOW = Date.UTC(2000, 4, 15, 7, 2);
/** {@link NOW} as the service writes it. */
const WRITTEN = '2000-05-15T07:02:00-00:00';

/** example.com with fred, barney and wilma; the clock stands at {@link NOW}. */
async function bedrock(initial: readonly AccessEntry[] = []) {
  const store = new MemoryStore();
  for (const name of [FRED, BARNEY, WILMA]) {
    await store.put(`account/${name}`, { created: '2000-05-01T00:00:00.000Z' });
  }
  const entries = new AccessEntries(store, initial);
  const access = new AccessCache(entries);
  const sent: Data[] = [];
  const clock = { now: NOW };
  const service = new AccessService({
    entries,
    access,
    directory: { known: async (address) => store.peek(`account/${address}`) !== undefined },
    serves: (local) => local === 'imxp=access',
    submit: (data) => sent.push(data),
    outstanding: 100,
    outstandingPerEndpoint: 100,
    now: () => clock.now,
  });
  /** @returns what was sent because of it, as `from > to: document` */
  const ask = async (document: string, from = FRED, to = APEX): Promise<string[]> => {
    sent.length = 0;
    service.deliver(
      { data: documentData(from, to, document), payload: () => Buffer.alloc(0) },
      { delivered: () => {}, failed: ({ code, text }) => expect.fail(`${code} ${text}`) },
    );
    for (let turn = 0; turn < 6; turn += 1) await settled();
    return sent.map(
      ({ originator, recipients, dataContent }) =>
        `${originator} > ${recipients[0]?.identity}: ${dataContent?.inner.toString()}`,
    );
  };
  /** @returns the document of the first answer */
  const answer = async (document: string, from = FRED, to = APEX): Promise<string> =>
    (await ask(document, from, to))[0]?.replace(/^.*?: /, '') ?? '';
  /** Creates an entry. */
  const create = async (actor: string, actions: string, owner = FRED): Promise<void> => {
    const document = `<set transID='7'><access owner='${owner}' actor='${actor}' actions='${actions}' /></set>`;
    expect(await answer(document)).to.equal("<reply code='250' transID='7' />");
  };
  const list = async (): Promise<string[]> => {
    const document = await answer(`<get owner='${FRED}' transID='9' />`, FRED, IMXP);
    const plain = document.replaceAll('&quot;', '"');
    return [...plain.matchAll(/<entry actor='(.*?)' actions='(.*?)' \/>/g)].map(
      ([, actor, does]) => `${actor} ${does}`,
    );
  };
  const allows = (actor: string, action: string): boolean => access.allowed(FRED, actor, action) === true;
  return { store, entries, access, clock, ask, answer, create, list, allows };
}

const get = (actor: string, owner = FRED): string => `<get owner='${owner}' actor='${actor}' transID='101' />`;
const query = (actor: string, actions: string, owner = FRED): string =>
  `<query owner='${owner}' actor='${actor}' actions='${actions}' transID='100' />`;
const codeIn = (document: string): number => Number(/^<reply code='(\d+)' transID='\d+'/.exec(document)?.[1] ?? 0);

/** The entries that RFC 3341 §3.1 explains the closest match with. */
const EXPLAINED: readonly (readonly [string, string])[] = [
  ['*@*', 'core:data'],
  ['*@example.com', 'core:data presence:subscribe presence:watch'],
  ['barney/appl=wb@example.com', 'core:data'],
  ['mr.slate@example.com', 'core:data'],
  ['wilma@example.com', 'all:all'],
];

describe('services/apex-access', () => {
  describe('the exchanges of RFC 3341 §2', () => {
    it('REQ-ACC-013 answers query with allow and deny (RFC 3341 §2.1)', async () => {
      const { ask, create } = await bedrock();
      await create('*@example.com', 'core:data presence:subscribe');
      const allowed = "apex=access@example.com > fred@example.com: <allow transID='100' />";
      expect(await ask(query(BARNEY, 'core:data presence:subscribe'))).to.deep.equal([allowed]);
      expect(await ask(query(BARNEY, 'core:data presence:watch'))).to.deep.equal([allowed.replace('allow', 'deny')]);
    });

    it('REQ-ACC-014 answers get with set (RFC 3341 §2.2)', async () => {
      const { ask, create, clock } = await bedrock();
      clock.now = Date.parse('2000-05-14T13:02:00-08:00');
      await create('*@example.com', 'core:data presence:subscribe');
      expect(await ask("<get owner='fred@example.com' actor='*@example.com' transID='100' />")).to.deep.equal([
        "apex=access@example.com > fred@example.com: <set transID='100'><access owner='fred@example.com' actor='*@example.com' actions='core:data presence:subscribe' lastUpdate='2000-05-14T21:02:00-00:00' /></set>",
      ]);
    });

    it('REQ-ACC-014 REQ-ACC-015 replaces with 250 and tells the owner (RFC 3341 §2.3)', async () => {
      const { ask, create, clock } = await bedrock();
      clock.now = Date.parse('2000-05-14T13:02:00-08:00');
      await create('*@example.com', 'core:data');
      clock.now = Date.parse('2000-05-14T23:02:00-08:00');
      const wanted =
        "<set transID='101'><access owner='fred@example.com' actor='*@example.com' actions='core:data presence:subscribe' lastUpdate='2000-05-14T13:02:00-08:00' /></set>";
      expect(await ask(wanted)).to.deep.equal([
        "apex=access@example.com > fred@example.com: <reply code='250' transID='101' />",
        `apex=access@example.com > fred@example.com: ${wanted.replace('2000-05-14T13:02:00-08:00', WRITTEN)}`,
      ]);
    });

    it('REQ-ACC-014 REQ-ACC-015 deletes an entry without actions, and tells the owner', async () => {
      const { ask, answer, create, clock } = await bedrock();
      clock.now = Date.parse('2000-05-14T13:02:00-08:00');
      await create('*@example.com', 'core:data');
      const wanted =
        "<set transID='102'><access owner='fred@example.com' actor='*@example.com' lastUpdate='2000-05-14T13:02:00-08:00' /></set>";
      expect(await ask(wanted)).to.deep.equal([
        "apex=access@example.com > fred@example.com: <reply code='250' transID='102' />",
        `apex=access@example.com > fred@example.com: ${wanted.replace('13:02:00-08:00', '21:02:00-00:00')}`,
      ]);
      expect(codeIn(await answer(get('*@example.com')))).to.equal(551);
    });
  });

  describe('conditions', () => {
    it('REQ-ACC-013 REQ-ACC-014 answers 553, 550 and 537 in this order, for each operation', async () => {
      const { answer } = await bedrock();
      const set = (actor: string, owner: string): string =>
        `<set transID='1'><access owner='${owner}' actor='${actor}' actions='all:none' lastUpdate='${WRITTEN}' /></set>`;
      const queried = (actor: string, owner: string): string => query(actor, 'core:data', owner);
      for (const operation of [queried, get, set]) {
        expect(codeIn(await answer(operation(BARNEY, 'fred@rubble.com'), BARNEY))).to.equal(553);
        expect(codeIn(await answer(operation(BARNEY, 'nobody@example.com'), BARNEY))).to.equal(550);
        expect(codeIn(await answer(operation(BARNEY, FRED), BARNEY))).to.equal(537);
      }
      expect(codeIn(await answer(get(BARNEY)))).to.equal(551);
      expect(codeIn(await answer(set(BARNEY, FRED)))).to.equal(555);
    });

    it('REQ-ACC-014 answers 555 unless lastUpdate is that of the entry; a new one needs none', async () => {
      const { answer, create } = await bedrock();
      const set = (lastUpdate: string, actions = " actions='core:data'"): string =>
        `<set transID='1'><access owner='${FRED}' actor='${BARNEY}'${actions}${lastUpdate} /></set>`;
      expect(codeIn(await answer(set(` lastUpdate='${WRITTEN}'`)))).to.equal(555);
      expect(codeIn(await answer(set('', ''))), 'nothing to delete').to.equal(250);
      expect(codeIn(await answer(get(BARNEY)))).to.equal(551);
      await create(BARNEY, 'core:data');
      expect(codeIn(await answer(set('')))).to.equal(555);
      expect(codeIn(await answer(set('', '')))).to.equal(555);
      expect(codeIn(await answer(set(" lastUpdate='2000-05-15T07:02:01Z'")))).to.equal(555);
      expect(codeIn(await answer(set(" lastUpdate='2000-05-15T09:02:00+02:00'")))).to.equal(250);
    });

    it('REQ-ACC-017 gives a replaced entry a new lastUpdate even if the clock stands; others keep theirs', async () => {
      const { answer, create } = await bedrock();
      await create(BARNEY, 'core:data');
      await create(WILMA, 'all:all');
      const since = /lastUpdate='(.*?)'/;
      const [, first = ''] = since.exec(await answer(get(BARNEY))) ?? [];
      const [, other = ''] = since.exec(await answer(get(WILMA))) ?? [];
      const same = `<set transID='1'><access owner='${FRED}' actor='${BARNEY}' actions='core:data' lastUpdate='${first}' /></set>`;
      expect(codeIn(await answer(same))).to.equal(250);
      expect(since.exec(await answer(get(BARNEY)))?.[1])
        .to.be.a('string')
        .and.not.be.oneOf([first, other]);
      expect(since.exec(await answer(get(WILMA)))?.[1]).to.equal(other);
      expect(codeIn(await answer(same)), 'a second time').to.equal(555);
    });

    it('REQ-ACC-018 writes times with the offset -00:00, which does not tell where the relay is', async () => {
      const { answer, create } = await bedrock();
      await create(BARNEY, 'core:data');
      expect(await answer(get(BARNEY))).to.include(`lastUpdate='${WRITTEN}'`);
    });

    it('REQ-ACC-015 tells the owner what others have changed', async () => {
      const { ask, create } = await bedrock();
      await create(WILMA, 'access:set');
      const wanted = `<set transID='3'><access owner='${FRED}' actor='${BARNEY}' actions='all:none' /></set>`;
      const [reply, notice, ...more] = await ask(wanted, WILMA);
      expect(reply).to.equal(`${APEX} > ${WILMA}: <reply code='250' transID='3' />`);
      expect(notice).to.match(/^apex=access@example.com > fred@example.com: <set transID='3'>.*actions='all:none'/);
      expect(more).to.deep.equal([]);
    });

    it('answers 501 and 504 in a reply', async () => {
      const { answer } = await bedrock();
      const wrong = [
        query('*@example.com'.replace('@example.com', ''), 'core:data'),
        query(BARNEY, ''),
        get('b*@example.com'),
        get('barney\\x@example.com'),
        get('barney/x/*@example.com'),
        get('*@*example.com'),
        "<set transID='1' />",
        `<set transID='1'><access owner='${FRED}' actor='${BARNEY}' actions='nonsense' /></set>`,
        `<set transID='1'><access owner='${FRED}' actor='${BARNEY}' actions='core:data' lastUpdate='now' /></set>`,
      ];
      for (const document of wrong) expect(codeIn(await answer(document)), document).to.equal(501);
      expect(codeIn(await answer("<purge transID='1' />"))).to.equal(504);
    });
  });

  it('never answers an answer, so that two services do not talk for ever', async () => {
    const { ask } = await bedrock();
    for (const answer of ['allow', 'deny'])
      expect(await ask(`<${answer} transID='1' />`, 'apex=access@rubble.com')).to.deep.equal([]);
  });

  describe('REQ-ACC-013 the closest match', () => {
    const table: readonly (readonly [string, string])[] = [
      ['wilma@example.com', 'core:data presence:subscribe presence:publish'],
      ['mr.slate@example.com', 'core:data'],
      ['barney/appl=wb@example.com', 'core:data'],
      ['barney@example.com', 'core:data presence:subscribe'],
      ['wilma/appl=im@example.com', 'core:data presence:subscribe'],
      ['betty@rubble.com', 'core:data'],
      ['apex=presence@example.com', 'core:data presence:subscribe presence:publish'],
      ['apex=presence@rubble.com', 'core:data'],
      ['fred@example.com', 'core:data presence:subscribe presence:publish'],
    ];
    for (const order of ['as printed', 'backwards'] as const) {
      it(`decides as RFC 3341 §3.1 explains, with the entries set ${order}`, async () => {
        const { create, answer } = await bedrock();
        for (const [actor, actions] of order === 'as printed' ? EXPLAINED : EXPLAINED.toReversed()) {
          await create(actor, actions);
        }
        for (const [actor, actions] of table) {
          const asked = ['core:data', 'presence:subscribe', 'presence:publish'];
          const granted: string[] = [];
          for (const action of asked) {
            if ((await answer(query(actor, action))).startsWith('<allow')) granted.push(action);
          }
          expect(granted.join(' '), actor).to.equal(actions);
        }
      });
    }

    it('takes the longer of two domains with a wildcard, which includes the domain itself', async () => {
      const { create, allows } = await bedrock();
      await create('*@*.quay.example', 'core:data');
      await create('*@*.pier.quay.example', 'presence:watch');
      await create('*@*', 'all:none');
      expect(allows('a@quay.example', 'core:data')).to.equal(true);
      expect(allows('a@x.quay.example', 'core:data')).to.equal(true);
      expect(allows('a@otherquay.example', 'core:data')).to.equal(false);
      expect(allows('a@x.pier.quay.example', 'core:data')).to.equal(false);
      expect(allows('a@x.pier.quay.example', 'presence:watch')).to.equal(true);
    });

    it('prefers the closer domain to the closer name, and `name/*` to `*`', async () => {
      const { create, allows } = await bedrock();
      await create('ines@*', 'presence:watch');
      await create('*@quay.example', 'core:data');
      await create('ines/*@quay.example', 'presence:subscribe');
      expect(allows('ines@quay.example', 'core:data')).to.equal(true);
      expect(allows('ines@quay.example', 'presence:watch')).to.equal(false);
      expect(allows('ines/appl=wb@quay.example', 'presence:subscribe')).to.equal(true);
      expect(allows('ines@pier.example', 'presence:watch')).to.equal(true);
    });

    it('has defaults that only an entry of the same actor overrides', async () => {
      const { create, answer, allows } = await bedrock();
      expect(codeIn(await answer(get('*@*'))), 'a default is no entry').to.equal(551);
      await create('*@example.com', 'core:data');
      expect(allows(FRED, 'access:set'), 'L@D all:all').to.equal(true);
      await create('apex=*@*', 'all:none');
      expect(allows('apex=report@example.com', 'all:data'), 'apex=*@D all:all').to.equal(true);
      expect(allows('apex=report@rubble.com', 'core:data')).to.equal(false);
      await create('*@*', 'presence:subscribe');
      expect(allows('betty@rubble.com', 'presence:subscribe')).to.equal(true);
    });
  });

  describe('REQ-ACC-016 escapes', () => {
    it('distinguish a star in a name from a wildcard in access and get', async () => {
      const { create, answer, allows } = await bedrock();
      await create('\\*@example.com', 'presence:watch');
      await create('a\\\\b@example.com', 'presence:publish');
      expect(codeIn(await answer(get('*@example.com')))).to.equal(551);
      expect(await answer(get('\\*@example.com'))).to.include(" actor='\\*@example.com' actions='presence:watch'");
      expect(await answer(get('a\\\\b@example.com'))).to.include(" actor='a\\\\b@example.com'");
      expect(allows('"*"@example.com', 'presence:watch')).to.equal(true);
      expect(allows(BARNEY, 'presence:watch')).to.equal(false);
    });

    it('are not used in query, where a star is a star', async () => {
      const { create, answer } = await bedrock();
      await create('\\*@example.com', 'presence:watch');
      expect(await answer(query('*@example.com', 'presence:watch'))).to.equal("<allow transID='100' />");
      expect(await answer(query('\\*@example.com', 'presence:watch'))).to.equal("<deny transID='100' />");
    });

    it('are quotes in the form of IMXP', async () => {
      const { create, list } = await bedrock();
      await create('\\*@example.com', 'presence:watch');
      await create('wilma/\\*@example.com', 'core:data');
      await create('wilma/*@example.com', 'core:data');
      expect(await list()).to.deep.equal([
        '"*"@example.com presence:watch',
        'wilma/"*"@example.com core:data',
        'wilma/*@example.com core:data',
      ]);
    });
  });

  describe('REQ-ACC-013 one list for both dialects', () => {
    const setAll = (lastUpdate: string, entries: string): string =>
      `<set owner='${FRED}' transID='5' timeStamp='15 May 2000 07:02:00 +0000'><access owner='${FRED}' lastUpdate='${lastUpdate}'>${entries}</access></set>`;
    const CREATED = '1 May 2000 00:00:00 +0000';

    it('answers each in its own form, whatever name the service was given', async () => {
      const { ask, create } = await bedrock();
      await create(BARNEY, 'core:data');
      expect((await ask(get(BARNEY), FRED, IMXP))[0]).to.match(
        /^apex=access@example.com > .*<set transID='101'><access/,
      );
      expect((await ask(`<get owner='${FRED}' transID='9' />`))[0]).to.match(
        /^imxp=access@example.com > .*<set owner='fred@example.com' transID='9' timeStamp='15 May 2000 07:02:00 \+0000'>/,
      );
      expect((await ask("<purge transID='1' />", FRED, IMXP))[0]).to.match(/^imxp=access/);
      expect((await ask("<purge transID='1' />"))[0]).to.match(/^apex=access/);
    });

    it('shows the entries of APEX in IMXP, the closest first, and accepts them back', async () => {
      const { answer, create, list, clock, allows } = await bedrock();
      for (const [actor, actions] of EXPLAINED) await create(actor, actions);
      const shown = await list();
      expect(shown).to.deep.equal(
        [
          'barney/appl=wb@example.com core:data',
          'mr.slate@example.com core:data',
          'wilma@example.com all:all',
          '*@example.com core:data presence:subscribe presence:watch',
          '*@* core:data',
        ].sort((a, b) => shown.indexOf(a) - shown.indexOf(b)),
      );
      expect(shown.slice(-2)).to.deep.equal([
        '*@example.com core:data presence:subscribe presence:watch',
        '*@* core:data',
      ]);
      const entries = shown.map((one) => {
        const [actor = '', ...actions] = one.split(' ');
        return `<entry actor='${actor}' actions='${actions.join(' ')}' />`;
      });
      const document = await answer(`<get owner='${FRED}' transID='9' />`, FRED, IMXP);
      const [, , lastUpdate = ''] = /(lastUpdate)='(.*?)'/.exec(document) ?? [];
      const before = await answer(get(WILMA));
      clock.now += 60_000;
      expect(codeIn(await answer(setAll(lastUpdate, entries.join('')), FRED, IMXP))).to.equal(250);
      expect(await answer(get(WILMA)), 'not updated by a list that says the same of it').to.equal(before);
      expect(allows('mr.slate@example.com', 'presence:watch')).to.equal(false);
    });

    it('shows the entries of IMXP in APEX, one by one', async () => {
      const { answer } = await bedrock();
      const entries = `<entry actor='${FRED}' actions='all:all' /><entry actor='imxp=*@*' /><entry actor='*@*' actions='core:data' />`;
      expect(codeIn(await answer(setAll(CREATED, entries), FRED, IMXP))).to.equal(250);
      expect(await answer(get('apex=*@*'))).to.equal(
        `<set transID='101'><access owner='${FRED}' actor='apex=*@*' actions='all:none' lastUpdate='${WRITTEN}' /></set>`,
      );
      expect(await answer(get('*@*'))).to.include("actions='core:data'");
      expect(await answer(query('betty@rubble.com', 'core:data'))).to.include('<allow');
    });

    it('shows the default list of an account that never set one', async () => {
      const { answer } = await bedrock([
        { actor: 'owner', actions: ['all:all'] },
        { actor: '*@*', actions: ['core:data'] },
      ]);
      expect(await answer(get('*@*'))).to.equal(
        `<set transID='101'><access owner='${FRED}' actor='*@*' actions='core:data' lastUpdate='2000-05-01T00:00:00-00:00' /></set>`,
      );
    });

    it('D-ACCESS-09 keeps an order that IMXP set against the closest match, and applies what APEX adds to it', async () => {
      const { answer, create, list, allows } = await bedrock();
      const entries = `<entry actor='${FRED}' actions='all:all' /><entry actor='*@*' actions='core:data' /><entry actor='${WILMA}' actions='all:all' />`;
      expect(codeIn(await answer(setAll(CREATED, entries), FRED, IMXP))).to.equal(250);
      expect(allows(WILMA, 'presence:watch'), 'the first that matches decides').to.equal(false);
      await create(BARNEY, 'presence:watch');
      expect(allows(BARNEY, 'presence:watch')).to.equal(true);
      expect(await list()).to.deep.equal([
        `${FRED} all:all`,
        `${BARNEY} presence:watch`,
        '*@* core:data',
        `${WILMA} all:all`,
      ]);
      const [, since = ''] = /lastUpdate='(.*?)'/.exec(await answer(get(WILMA))) ?? [];
      const again = `<set transID='1'><access owner='${FRED}' actor='${WILMA}' actions='presence:watch' lastUpdate='${since}' /></set>`;
      expect(codeIn(await answer(again))).to.equal(250);
      expect(allows(WILMA, 'presence:watch'), 'what is set by itself is meant').to.equal(true);
    });
  });
});
