import { expect } from 'chai';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Data } from '../../lib/imxp/operation.js';
import type { AccessEntry } from '../../lib/imxp/vocabulary/access.js';
import { AccessService } from '../../lib/services/access.js';
import { AccessCache } from '../../lib/services/access-cache.js';
import { documentData } from '../../lib/services/outgoing.js';
import { AccessEntries } from '../../lib/store/access.js';
import { MemoryStore } from '../../lib/store/memory.js';
import { ABSENT } from '../../lib/store/store.js';
import { settled } from '../support/fake-channel.js';

const INES = 'ines@harbour.example';
const OTTO = 'otto@quay.example';
const SERVICE = 'imxp=access@harbour.example';
const CREATED = Date.UTC(2000, 9, 21, 7, 5);
const NOW = Date.UTC(2000, 9, 21, 7, 30, 11);
const INITIAL: readonly AccessEntry[] = [
  { actor: 'owner', actions: ['all:all'] },
  { actor: '*@*', actions: ['core:data'] },
];
/** The instant of {@link CREATED}, as the specification prints it. */
const PRINTED = '21 Oct 2000 09:05:00 +0200';

interface Answer {
  readonly data: Data;
  readonly xml: string;
}

/** harbour.example with ines, added at {@link CREATED}; the clock stands at {@link NOW}. */
async function harbour() {
  const store = new MemoryStore();
  const added = new Date(CREATED).toISOString();
  await store.put(`account/${INES}`, { created: added });
  const entries = new AccessEntries(store, INITIAL);
  const access = new AccessCache(entries);
  const answers: Answer[] = [];
  const clock = { now: NOW };
  const service = new AccessService({
    entries,
    access,
    directory: { known: async (address) => store.peek(`account/${address}`) !== undefined },
    serves: (local) => local === 'imxp=access',
    submit: (data) => answers.push({ data, xml: `${data.dataContent?.inner}` }),
    outstanding: 8,
    outstandingPerEndpoint: 8,
    now: () => clock.now,
  });
  let code = 0;
  const sink = { delivered: () => (code = 250), failed: (reply: { code: number }) => (code = reply.code) };
  /** Sends a Data. @returns what it was answered with */
  const deliver = (data: Data): number => {
    code = 0;
    service.deliver({ data, payload: () => Buffer.alloc(0) }, sink);
    return code;
  };
  const ask = async (document: string, from = INES, to = SERVICE): Promise<string> => {
    expect(deliver(documentData(from, to, document)), document).to.equal(250);
    for (let turn = 0; turn < 5; turn += 1) await settled();
    return answers.at(-1)?.xml ?? '';
  };
  return { store, entries, access, answers, clock, deliver, ask };
}

const get = (owner: string, transID = 90417): string => `<get owner='${owner}' transID='${transID}' />`;
interface SetParts {
  readonly owner?: string;
  readonly inner?: string;
  readonly lastUpdate?: string;
  readonly entries?: string;
  readonly transID?: number;
}
const ENTRY = "<entry actor='*@quay.example' actions='core:data' />";
function set({
  owner = INES,
  inner = owner,
  lastUpdate = PRINTED,
  entries = ENTRY,
  transID = 77120,
}: SetParts): string {
  return `<set owner='${owner}' transID='${transID}' timeStamp='21 Oct 2000 09:31:40 +0200'><access owner='${inner}' lastUpdate='${lastUpdate}'>${entries}</access></set>`;
}
const codeIn = (xml: string): number => Number(/^<reply code='(\d+)' transID='\d+'/.exec(xml)?.[1] ?? 0);

describe('services/access', () => {
  describe('get', () => {
    it('REQ-ACC-006 REQ-ACC-011 answers set with the transID of the request, as data to the originator', async () => {
      const { ask, answers } = await harbour();
      await ask(get(INES));
      expect(answers).to.have.length(1);
      expect(answers[0]?.data).to.deep.include({ originator: SERVICE, recipients: [{ identity: INES, options: [] }] });
      expect(answers[0]?.xml).to.equal(
        `<set owner='${INES}' transID='90417' timeStamp='21 Oct 2000 7:30:11 +0000'>`.replace(' 7:', ' 07:') +
          `<access owner='${INES}' lastUpdate='21 Oct 2000 07:05:00 +0000'>` +
          `<entry actor='${INES}' actions='all:all' /><entry actor='*@*' actions='core:data' /></access></set>`,
      );
    });

    it('REQ-ACC-006 answers 553 for a subject elsewhere, then 550, then 537', async () => {
      const { ask } = await harbour();
      expect(codeIn(await ask(get(OTTO)))).to.equal(553);
      expect(codeIn(await ask(get('nonsense')))).to.equal(553);
      expect(codeIn(await ask(get('nobody@harbour.example')))).to.equal(550);
      expect(codeIn(await ask(get('imxp=nothing@harbour.example')))).to.equal(550);
      expect(codeIn(await ask(get(INES), OTTO))).to.equal(537);
      expect(codeIn(await ask(get('nobody@harbour.example'), OTTO)), '550 before 537').to.equal(550);
    });

    it('lets an actor with access:get read', async () => {
      const { ask } = await harbour();
      await ask(set({ entries: `<entry actor='${OTTO}' actions='access:get' />` }));
      expect(await ask(get(INES), OTTO)).to.include(`<entry actor='${OTTO}' actions='access:get' />`);
      expect(codeIn(await ask(set({}), OTTO))).to.equal(537);
    });

    it('returns the implicit entries where there are no others (D-ACCESS-06)', async () => {
      const { entries, ask } = await harbour();
      entries.initial = [];
      expect(await ask(get(INES))).to.include(
        `lastUpdate='21 Oct 2000 07:05:00 +0000'><entry actor='imxp=*@harbour.example' actions='all:all' />` +
          `<entry actor='imxp=*@*' actions='core:data' /><entry actor='${INES}' actions='all:all' /><entry actor='*@*' actions='' />`,
      );
    });
  });

  describe('set', () => {
    it('REQ-ACC-010 stores the list, returns the time, and replies 250', async () => {
      const { ask, answers } = await harbour();
      expect(await ask(set({ entries: `<entry actor='${INES}' actions='all:all' />${ENTRY}` }))).to.equal(
        "<reply code='250' transID='77120' />",
      );
      expect(answers[0]?.data).to.deep.include({ originator: SERVICE });
      const stored = await ask(get(INES));
      expect(stored).to.include("lastUpdate='21 Oct 2000 07:30:11 +0000'").and.include(ENTRY);
    });

    it('REQ-ACC-007 answers 503 first, whatever else is wrong', async () => {
      const { ask } = await harbour();
      expect(
        codeIn(await ask(set({ owner: OTTO, inner: INES, lastUpdate: '1 Jan 2001 00:00:00 GMT' }), OTTO)),
      ).to.equal(503);
      expect(codeIn(await ask(set({ owner: 'nobody@harbour.example', inner: INES })))).to.equal(503);
      expect(codeIn(await ask(set({ owner: 'ines@HARBOUR.example', inner: INES }))), 'the same owner').to.equal(250);
    });

    it('REQ-ACC-008 answers 553, 550 and 537 in this order, and before 555', async () => {
      const { ask } = await harbour();
      const lastUpdate = '1 Jan 2001 00:00:00 GMT';
      expect(codeIn(await ask(set({ owner: OTTO, lastUpdate }), OTTO))).to.equal(553);
      expect(codeIn(await ask(set({ owner: 'nobody@harbour.example', lastUpdate }), OTTO))).to.equal(550);
      expect(codeIn(await ask(set({ lastUpdate }), OTTO))).to.equal(537);
      expect(codeIn(await ask(set({ lastUpdate })))).to.equal(555);
    });

    it('REQ-ACC-009 answers 555 unless lastUpdate names the same instant in any notation', async () => {
      for (const lastUpdate of [PRINTED, 'Sat, 21 Oct 2000 07:05:00 GMT', '2000-10-21T02:05:00-05:00']) {
        const { ask } = await harbour();
        expect(codeIn(await ask(set({ lastUpdate }))), lastUpdate).to.equal(250);
        expect(codeIn(await ask(set({ lastUpdate }))), 'a second time').to.equal(555);
      }
      const { ask } = await harbour();
      expect(codeIn(await ask(set({ lastUpdate: '21 Oct 2000 09:05:01 +0200' })))).to.equal(555);
    });

    it('REQ-ACC-009 lets exactly one of two simultaneous changes succeed', async () => {
      const { ask, deliver, answers } = await harbour();
      deliver(documentData(INES, SERVICE, set({ transID: 1 })));
      deliver(documentData(INES, SERVICE, set({ transID: 2 })));
      await ask(get(INES));
      const codes = answers.map(({ xml }) => codeIn(xml)).filter((code) => code !== 0);
      expect(codes.sort()).to.deep.equal([250, 555]);
    });

    it('REQ-ACC-010 makes lastUpdate strictly later, even when the clock stands or goes back', async () => {
      const { ask, clock } = await harbour();
      await ask(set({}));
      clock.now = NOW - 3_600_000;
      expect(
        codeIn(await ask(set({ lastUpdate: '21 Oct 2000 07:30:11 GMT', entries: `<entry actor='*@*' />` }))),
      ).to.equal(250);
      expect(codeIn(await ask(set({ lastUpdate: '21 Oct 2000 07:30:11 GMT' }))), 'read before').to.equal(555);
      expect(codeIn(await ask(set({ lastUpdate: '21 Oct 2000 07:30:12 GMT' }))), 'a second later').to.equal(250);
      const { entries } = await harbour();
      expect(entries).to.be.instanceOf(AccessEntries);
    });

    it('REQ-ACC-002 keeps the entry of an endpoint in the store, attached or not', async () => {
      const { ask, store } = await harbour();
      await ask(set({}));
      const again = new AccessCache(new AccessEntries(store, INITIAL));
      expect(again.allowed(INES, OTTO, 'core:data')).to.equal(true);
      expect(again.allowed(INES, 'ada@elsewhere.example', 'core:data')).to.equal(false);
    });

    it('applies a list as soon as it was answered', async () => {
      const { ask, access } = await harbour();
      expect(access.allowed(INES, 'ada@elsewhere.example', 'core:data')).to.equal(true);
      await ask(set({}));
      expect(access.allowed(INES, 'ada@elsewhere.example', 'core:data')).to.equal(false);
    });

    it('refuses too many entries', async () => {
      const { ask } = await harbour();
      expect(codeIn(await ask(set({ entries: ENTRY.repeat(1001) })))).to.equal(554);
    });
  });

  describe('invalid requests', () => {
    it('D-ACCESS-08 are answered 501 where they have a transID', async () => {
      const { ask } = await harbour();
      const wrong = [
        "<get transID='1' />",
        "<get owner='x@y' transID='1'>text</get>",
        "<get owner='x@y' transID='1' more='no' />",
        `<set owner='${INES}' transID='1' timeStamp='yesterday'><access owner='${INES}' lastUpdate='${PRINTED}'>${ENTRY}</access></set>`,
        `<set owner='${INES}' transID='1' timeStamp='${PRINTED}' />`,
        set({ lastUpdate: '31 Feb 2000 09:05:00 +0200' }),
        set({ entries: '' }),
        set({ entries: "<entry actions='core:data' />" }),
        set({ entries: "<entry actor='nobody' actions='core:data' />" }),
        set({ entries: "<entry actor='a*@quay.example' actions='core:data' />" }).replace('a*@', 'a b@'),
        set({ entries: "<entry actor='*@*example' actions='core:data' />" }),
        set({ entries: "<entry actor='*@*' actions='coredata' />" }),
        set({ entries: "<entry actor='*@*' actions='core:data:more' />" }),
        set({ entries: "<other actor='*@*' />" }),
      ];
      for (const document of wrong) expect(codeIn(await ask(document)), document).to.equal(501);
    });

    it('are answered 504 when the service does not know the element', async () => {
      const { ask } = await harbour();
      expect(codeIn(await ask("<purge owner='x@y' transID='5' />"))).to.equal(504);
    });

    it('fail their Data when there is no transID to answer', async () => {
      const { deliver, answers } = await harbour();
      const send = (document: string) => deliver(documentData(INES, SERVICE, document));
      expect(send(`<get owner='${INES}' />`)).to.equal(501);
      expect(send(`<get owner='${INES}' transID='0' />`)).to.equal(501);
      expect(send('no element')).to.equal(500);
      expect(deliver({ ...documentData(INES, SERVICE, ''), content: 'http://example.com/' })).to.equal(501);
      expect(answers).to.deep.equal([]);
    });

    it('are never answers or reports, so that two services do not answer each other for ever', async () => {
      const { deliver, answers } = await harbour();
      expect(deliver(documentData(OTTO, SERVICE, "<reply code='504' transID='5'>no</reply>"))).to.equal(250);
      expect(deliver(documentData(OTTO, SERVICE, "<statusResponse transID='5' />"))).to.equal(250);
      await settled();
      expect(answers).to.deep.equal([]);
    });

    it('are refused with 450 when too many are outstanding', async () => {
      const { deliver } = await harbour();
      const codes = Array.from({ length: 9 }, () => deliver(documentData(INES, SERVICE, get(INES))));
      expect(codes).to.deep.equal([250, 250, 250, 250, 450, 450, 450, 450, 450]);
      const other = deliver(documentData(INES.replace('@', '/x@'), SERVICE, get(INES)));
      expect([other, deliver(documentData(OTTO, SERVICE, get(INES)))], 'and leaves room for others').to.deep.equal([
        450, 250,
      ]);
    });
  });

  it('REQ-ACC-001 serves the addressed domain, not another domain of the same node', async () => {
    const { ask } = await harbour();
    expect(codeIn(await ask(get(INES), INES, 'imxp=access@quay.example'))).to.equal(553);
    expect(await ask(get(INES), INES, 'IMXP=access@HARBOUR.example')).to.include(`<set owner='${INES}'`);
  });

  it('REQ-ACC-012 never sends first', async () => {
    const { store, answers } = await harbour();
    await store.put(`access/${INES}`, { entries: [], lastUpdate: NOW, account: '' });
    await settled();
    expect(answers).to.deep.equal([]);
  });

  it('REQ-ACC-012 never sends first, whoever changes an entry', async () => {
    const { ask, answers } = await harbour();
    await ask(set({ entries: `<entry actor='*@*' actions='all:all' />` }));
    await ask(set({ lastUpdate: '21 Oct 2000 07:30:11 GMT' }), OTTO);
    expect(answers.map(({ data }) => data.recipients[0]?.identity)).to.deep.equal([INES, OTTO]);
  });

  describe('subaddresses', () => {
    const WB = 'ines/appl=wb@harbour.example';

    it('D-ACCESS-05 use the entry of their endpoint until they have one of their own', async () => {
      const { ask, access } = await harbour();
      expect(await ask(get(WB))).to.include(`<access owner='${WB}' lastUpdate='21 Oct 2000 07:05:00 +0000'>`);
      expect(codeIn(await ask(set({ owner: WB, entries: "<entry actor='*@*' />" })))).to.equal(250);
      expect(access.allowed(WB, OTTO, 'core:data')).to.equal(false);
      expect(access.allowed(INES, OTTO, 'core:data')).to.equal(true);
    });
  });

  describe('an account that is removed and added anew', () => {
    it('does not get the entries of the earlier account', async () => {
      const { ask, store, access } = await harbour();
      await ask(set({}));
      await store.delete(`account/${INES}`);
      await store.put(`account/${INES}`, { created: new Date(NOW).toISOString() }, ABSENT);
      expect(access.allowed(INES, 'ada@elsewhere.example', 'core:data')).to.equal(true);
      expect(codeIn(await ask(set({ lastUpdate: '21 Oct 2000 07:30:11 GMT' })))).to.equal(250);
    });
  });

  it('reads what the dialect has read, in data-content or as a part', async () => {
    const { deliver } = await harbour();
    const payload = Buffer.from(
      [
        'Content-Type: multipart/related; boundary="b"; start="<a@x>"; type="text/xml"',
        '',
        '--b',
        'Content-Type: text/xml',
        'Content-ID: <a@x>',
        '',
        `<data originator='${INES}' content='cid:b@x'><recipient identity='${SERVICE}' /></data>`,
        '--b',
        'Content-Type: text/xml',
        'Content-ID: <b@x>',
        '',
        get(INES),
        '--b--',
        '',
      ].join('\r\n'),
    );
    const operation = imxpDialect().decode(payload);
    expect(operation.type === 'data' && deliver(operation)).to.equal(250);
  });
});
