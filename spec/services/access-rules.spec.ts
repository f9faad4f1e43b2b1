import { expect } from 'chai';
import fc from 'fast-check';
import { parseAddress } from '../../lib/imxp/address.js';
import type { AccessEntry } from '../../lib/imxp/vocabulary/access.js';
import { AccessRules, implicitEntries } from '../../lib/services/access-rules.js';

const entry = (actor: string, ...actions: string[]): AccessEntry => ({ actor, actions });
const rules = (owner: string, ...entries: AccessEntry[]) => new AccessRules(parseAddress(owner), entries);

const INES = 'ines@harbour.example';
/** An example of access-01 §3. */
const WORKED = [
  entry(INES, 'all:all'),
  entry('bosun@harbour.example', 'core:data'),
  entry('*@harbour.example', 'core:data', 'presence:subscribe', 'presence:watch'),
  entry('*@quay.example'),
  entry('*@*', 'core:data'),
];
const ACTIONS = ['core:data', 'presence:subscribe', 'presence:publish', 'access:get'] as const;

describe('services/access-rules', () => {
  describe('REQ-ACC-003 the worked example: the first entry that matches decides', () => {
    const table: readonly (readonly [string, string])[] = [
      [INES, 'yes yes yes yes'],
      ['bosun@harbour.example', 'yes no no no'],
      ['cook@harbour.example', 'yes yes no no'],
      ['imxp=presence@harbour.example', 'yes yes yes yes'],
      ['otto@quay.example', 'no no no no'],
      ['imxp=report@quay.example', 'yes no no no'],
      ['ada@elsewhere.example', 'yes no no no'],
    ];
    for (const [actor, row] of table) {
      it(`${actor}: ${row}`, () => {
        const worked = rules(INES, ...WORKED);
        expect(ACTIONS.map((action) => (worked.allows(actor, action) ? 'yes' : 'no')).join(' ')).to.equal(row);
      });
    }
  });

  it('REQ-ACC-003 appends four implicit entries, in this order', () => {
    expect(implicitEntries(parseAddress('Ines@HARBOUR.example'))).to.deep.equal([
      entry('imxp=*@harbour.example', 'all:all'),
      entry('imxp=*@*', 'core:data'),
      entry('Ines@harbour.example', 'all:all'),
      entry('*@*'),
    ]);
    const bare = rules(INES);
    expect(bare.allows(INES, 'access:set')).to.equal(true);
    expect(bare.allows('imxp=presence@harbour.example', 'access:set')).to.equal(true);
    expect(bare.allows('imxp=presence@quay.example', 'core:data')).to.equal(true);
    expect(bare.allows('imxp=presence@quay.example', 'access:get')).to.equal(false);
    expect(bare.allows('otto@quay.example', 'core:data')).to.equal(false);
  });

  it('REQ-ACC-003 never lets an entry for others shut out the owner or the services of the domain (D-ACCESS-01)', () => {
    for (const other of ['*@harbour.example', '*@*', 'imxp=*@*', 'ines@*', 'imxp=presence@harbour.example']) {
      for (const actor of [INES, 'imxp=presence@harbour.example', 'apex=access@harbour.example']) {
        const narrow = rules(INES, entry(other, 'x:y'));
        const may = [...ACTIONS, 'access:set'].map((action) => narrow.allows(actor, action));
        expect(may, `${actor} by ${other}`).to.deep.equal([true, true, true, true, true]);
      }
    }
    expect(rules(INES, entry('imxp=*@*')).allows('imxp=report@quay.example', 'core:data')).to.equal(false);
  });

  it('lets an entry that names the owner decide about everything but the entries themselves', () => {
    for (const list of [
      [entry(INES), entry('*@*', 'all:all')],
      [entry('*@*', 'all:all'), entry(INES, 'x:y')],
    ]) {
      const may = (action: string): boolean => rules(INES, ...list).allows(INES, action);
      expect(['core:data', 'presence:publish', 'access:get', 'access:set'].map(may)).to.deep.equal([
        false,
        false,
        true,
        true,
      ]);
    }
    const inherited = rules(INES, entry('*@*', 'all:all'), entry('ines/*@harbour.example'));
    expect(inherited.allows('ines/x@harbour.example', 'core:data')).to.equal(false);
    expect(inherited.allows('ines/x@harbour.example', 'access:set')).to.equal(true);
    expect(inherited.allows(INES, 'core:data')).to.equal(true);
  });

  it('REQ-ACC-003 reads the example of the draft as the draft explains it', () => {
    const own = (name: string): string => `${name}@example.com`;
    const example = rules(
      own('fred'),
      entry(own('wilma'), 'all:all'),
      entry(own('mr.slate'), 'core:data'),
      entry(own('*'), 'core:data', 'presence:subscribe', 'presence:watch'),
      entry('*@*', 'core:data'),
    );
    const may = (actor: string): string =>
      ['core:data', 'presence:watch', 'presence:publish', 'access:set']
        .filter((action) => example.allows(actor, action))
        .join(' ');
    const all = 'core:data presence:watch presence:publish access:set';
    for (const actor of ['fred', 'wilma', 'imxp=presence', 'imxp=access']) expect(may(own(actor)), actor).to.equal(all);
    expect(may(own('mr.slate'))).to.equal('core:data');
    expect(may(own('pebbles'))).to.equal('core:data presence:watch');
    for (const actor of ['barney@rubble.com', 'imxp=report@rubble.com'])
      expect(may(actor), actor).to.equal('core:data');
  });

  it('REQ-ACC-004 REQ-IMPP-050 takes `*` as everybody but services, `imxp=*` as services only, and domain `*` as every domain', () => {
    const star = rules(INES, entry('*@*', 'x:y'));
    expect(star.allows('otto@quay.example', 'x:y')).to.equal(true);
    expect(star.allows('otto/appl=wb@quay.example', 'x:y')).to.equal(true);
    expect(star.allows('imxp=report@quay.example', 'x:y')).to.equal(false);
    const services = rules(INES, entry('imxp=*@quay.example', 'x:y'));
    expect(services.allows('imxp=report@QUAY.example', 'x:y')).to.equal(true);
    expect(services.allows('apex=report@quay.example', 'x:y')).to.equal(true);
    expect(services.allows('imxp=report@pier.example', 'x:y')).to.equal(false);
    expect(services.allows('otto@quay.example', 'x:y')).to.equal(false);
  });

  it('REQ-ACC-004 compares local parts exactly, domains without regard to case, and services by either prefix', () => {
    const literal = rules(
      INES,
      entry('otto@Quay.example', 'x:y'),
      entry('"big ed"@*', 'x:y'),
      entry('apex=bot@*', 'x:y'),
    );
    expect(literal.allows('otto@quay.EXAMPLE', 'x:y')).to.equal(true);
    expect(literal.allows('Otto@quay.example', 'x:y')).to.equal(false);
    expect(literal.allows('otto/appl=wb@quay.example', 'x:y')).to.equal(false);
    expect(literal.allows('"big\\ ed"@pier.example', 'x:y')).to.equal(true);
    expect(literal.allows('IMXP=bot@pier.example', 'x:y')).to.equal(true);
  });

  it('REQ-ACC-005 takes `all` as every service and every operation', () => {
    const grants = (granted: string, asked: string) => rules(INES, entry('*@*', granted)).allows('o@q.example', asked);
    expect(['all:all', 'all:data', 'core:all', 'core:data'].map((one) => grants(one, 'core:data'))).to.deep.equal([
      true,
      true,
      true,
      true,
    ]);
    expect(['all:get', 'presence:all', 'core:get'].map((one) => grants(one, 'core:data'))).to.deep.equal([
      false,
      false,
      false,
    ]);
  });

  it('D-ACCESS-05 takes an endpoint and all its subaddresses as the owner of their entries', () => {
    const program = 'ines/appl=wb@harbour.example';
    for (const owner of [INES, program, 'ines/appl=im@harbour.example']) {
      expect(rules(owner).allows(program, 'access:set'), owner).to.equal(true);
      expect(rules(owner).allows(INES, 'access:set'), owner).to.equal(true);
      expect(rules(owner).allows('inesse@harbour.example', 'access:set'), owner).to.equal(false);
      expect(rules(owner).allows('ines/appl=wb@quay.example', 'access:set'), owner).to.equal(false);
    }
  });

  it('D-ACCESS-05 lets an entry take from the programs of the owner what it does not take from the owner', () => {
    const entries = rules(INES, entry('ines/*@harbour.example', 'core:data'));
    expect(entries.allows('ines/appl=wb@harbour.example', 'presence:publish')).to.equal(false);
    expect(entries.allows('ines/appl=wb@harbour.example', 'access:set'), 'no entry takes that').to.equal(true);
    expect(entries.allows(INES, 'presence:publish')).to.equal(true);
  });

  it('lets everybody send to a service unless its entries say otherwise (D-CORE-20)', () => {
    const access = 'imxp=access@harbour.example';
    expect(rules(access).allows('otto@quay.example', 'core:data')).to.equal(true);
    expect(rules(access).allows('otto@quay.example', 'access:get')).to.equal(false);
    expect(rules(access, entry('*@quay.example')).allows('otto@quay.example', 'core:data')).to.equal(false);
  });

  it('D-ACCESS-11 knows an anonymous principal by any notation of its name', () => {
    const open = rules(INES, entry('*@*', 'core:data'), entry('imxp=*@*', 'core:data'));
    expect(open.allows('otto@quay.example', 'core:data')).to.equal(true);
    const random = '0123456789abcdef0123456789abcdef';
    for (const local of ['anonymous', '"anonymous"', 'anony"mous"', '"\\anonymous"']) {
      expect(open.allows(`${local}/${random}@harbour.example`, 'core:data'), local).to.equal(false);
    }
  });

  it('grants nothing to an invalid address', () => {
    expect(rules(INES, entry('*@quay.example', 'all:all')).allows('@quay.example', 'x:y')).to.equal(false);
  });

  it('decides as the algorithm of access-01 §3 does, for any entries and actor', () => {
    const local = fc.constantFrom('ines', 'otto', 'imxp=report', 'apex=report');
    const domain = fc.constantFrom('harbour.example', 'quay.example');
    const entries = fc.array(
      fc.record({
        actor: fc
          .tuple(fc.oneof(local, fc.constantFrom('*', 'imxp=*')), fc.oneof(domain, fc.constant('*')))
          .map((parts) => parts.join('@')),
        actions: fc.subarray(['core:data', 'all:data', 'core:all', 'presence:all', 'all:all']),
      }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(
        entries,
        local,
        domain,
        fc.constantFrom('core:data', 'presence:watch'),
        (some, who, where, action) => {
          const actor = `${who}@${where}`;
          expect(rules(INES, ...some).allows(actor, action)).to.equal(asSpecified(some, who, where, action));
        },
      ),
      { numRuns: 500 },
    );
  });
});

/** access-01 §3, word by word; the owner and the services of the domain by D-ACCESS-01. */
function asSpecified(explicit: readonly AccessEntry[], who: string, where: string, action: string): boolean {
  const [service, operation] = action.split(':');
  const isService = /^(imxp|apex)=/.test(who);
  if (isService && where === 'harbour.example') return true;
  const owner = `${who}@${where}` === INES;
  if (owner && !explicit.some(({ actor }) => actor === INES)) return true;
  for (const { actor, actions } of [...explicit, ...implicitEntries(parseAddress(INES))]) {
    const [local, domain] = actor.split('@');
    if (domain !== '*' && domain !== where) continue;
    if (owner && actor !== INES) continue;
    const same = local?.replace('apex=', 'imxp=') === who.replace('apex=', 'imxp=');
    if (local === 'imxp=*' ? !isService : local === '*' ? isService : !same) continue;
    return actions.some((one) => {
      const [s, o] = one.split(':');
      return (s === service || s === 'all') && (o === operation || o === 'all');
    });
  }
  return false;
}
