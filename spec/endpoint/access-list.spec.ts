import { expect } from 'chai';
import fc from 'fast-check';
import { allowed, denied, keepingOwner } from '../../lib/endpoint/access-list.js';
import { LocalError } from '../../lib/errors.js';
import { parseAddress } from '../../lib/imxp/address.js';
import type { AccessEntry } from '../../lib/imxp/vocabulary/access.js';
import { AccessRules } from '../../lib/services/access-rules.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

const entry = (actor: string, ...actions: string[]): AccessEntry => ({ actor, actions });
const INITIAL = [entry(FRED, 'all:all'), entry('*@*', 'core:data')];
const lines = (list: readonly AccessEntry[]): string[] =>
  list.map(({ actor, actions }) => [actor, ...actions].join(' '));

describe('endpoint/access-list', () => {
  it('puts an actor before the entry that decided for everybody, with the same permissions as before', () => {
    expect(lines(allowed(INITIAL, FRED, BARNEY, ['presence:subscribe']))).to.deep.equal([
      'fred@example.com all:all',
      'barney@rubble.com core:data presence:subscribe',
      'barney/*@rubble.com core:data presence:subscribe',
      '*@* core:data',
    ]);
  });

  it('adds to the entry that an actor has, and adds nothing twice', () => {
    const once = allowed(INITIAL, FRED, '*@Rubble.com', ['presence:subscribe']);
    const twice = allowed(once, FRED, '*@rubble.com', ['presence:subscribe', 'presence:watch']);
    expect(lines(twice)[1]).to.equal('*@rubble.com core:data presence:subscribe presence:watch');
    expect(lines(allowed(twice, FRED, '*@rubble.com', ['core:data']))).to.deep.equal(lines(twice));
  });

  it('removes all permissions, or some of them', () => {
    expect(lines(denied(INITIAL, FRED, BARNEY, []))[1]).to.equal('barney@rubble.com');
    const list = [entry(FRED, 'all:all'), entry(BARNEY, 'core:data', 'presence:watch')];
    expect(lines(denied(list, FRED, BARNEY, ['core:data']))[1]).to.equal('barney@rubble.com presence:watch');
    expect(lines(denied(list, FRED, BARNEY, ['all:all']))[1]).to.equal('barney@rubble.com');
  });

  it('writes out what remains of `all`', () => {
    const list = [entry(FRED, 'all:all'), entry(BARNEY, 'all:all')];
    expect(lines(denied(list, FRED, BARNEY, ['core:data', 'access:all', 'presence:publish']))[1]).to.equal(
      'barney@rubble.com presence:subscribe presence:watch',
    );
  });

  it('removes an entry that was never reached', () => {
    const list = [entry(FRED, 'all:all'), entry('*@*', 'core:data'), entry(BARNEY, 'all:all')];
    expect(lines(allowed(list, FRED, BARNEY, ['access:get']))).to.deep.equal([
      'fred@example.com all:all',
      'barney@rubble.com core:data access:get',
      'barney/*@rubble.com core:data access:get',
      '*@* core:data',
    ]);
  });

  it('starts with what the implicit entries grant', () => {
    expect(lines(allowed([], FRED, 'imxp=*@rubble.com', ['presence:publish']))).to.deep.equal([
      'imxp=*@rubble.com core:data presence:publish',
    ]);
    expect(lines(allowed([entry('*@*', 'core:data')], FRED, FRED, ['x:y']))[0]).to.equal('fred@example.com all:all');
    expect(() => denied([], FRED, 'imxp=presence@example.com', ['core:data'])).to.throw(LocalError, 'services of');
    expect(lines(allowed([], FRED, FRED, ['core:data']))).to.deep.equal([
      'fred@example.com all:all',
      'fred/*@example.com core:data',
    ]);
  });

  it('never takes the owner’s permission to change the list', () => {
    expect(lines(allowed([], FRED, '*@example.com', ['core:data']))).to.deep.equal([
      'fred@example.com all:all',
      '*@example.com core:data',
    ]);
    expect(keepingOwner([entry(FRED, 'access:all')], FRED)).to.have.length(1);
    expect(() => denied(INITIAL, FRED, FRED, [])).to.throw(LocalError, 'access:set');
    expect(() => denied(INITIAL, FRED, FRED, ['all:all'])).to.throw(LocalError, 'access:set');
    expect(lines(denied(INITIAL, FRED, FRED, ['core:data']))[0]).to.match(
      /^fred@example.com access:get access:query access:set /,
    );
  });

  it('covers subaddresses with what is written for the endpoint', () => {
    const may = (list: readonly AccessEntry[], actor: string): boolean =>
      new AccessRules(parseAddress(FRED), list).allows(actor, 'core:data');
    const once = denied(INITIAL, FRED, BARNEY, []);
    const own = allowed(INITIAL, FRED, 'barney/work@rubble.com', ['core:data', 'presence:watch']);
    const both = denied(own, FRED, BARNEY, ['core:data']);
    for (const list of [once, both]) {
      expect([BARNEY, 'barney/x@rubble.com', 'barney/work@rubble.com'].map((one) => may(list, one))).to.deep.equal([
        false,
        false,
        false,
      ]);
      expect(may(list, 'barneyx@rubble.com')).to.equal(true);
    }
    const watches = new AccessRules(parseAddress(FRED), both).allows('barney/work@rubble.com', 'presence:watch');
    expect(watches, 'what was not denied').to.equal(true);
    const subscribers = allowed(INITIAL, FRED, BARNEY, ['presence:subscribe']);
    const subscribes = new AccessRules(parseAddress(FRED), subscribers);
    expect(subscribes.allows('barney/home@rubble.com', 'presence:subscribe')).to.equal(true);
    expect(lines(denied(INITIAL, FRED, 'barney/x@rubble.com', []))).to.deep.equal([
      'fred@example.com all:all',
      'barney/x@rubble.com',
      '*@* core:data',
    ]);
  });

  it('names an invalid actor and an invalid action', () => {
    expect(() => allowed(INITIAL, FRED, 'barney', ['core:data'])).to.throw(LocalError, 'not an actor');
    expect(() => allowed(INITIAL, FRED, BARNEY, ['send'])).to.throw(LocalError, 'not an action');
    expect(() => allowed(INITIAL, FRED, BARNEY, [])).to.throw(LocalError, 'what to allow');
  });

  describe('with any list', () => {
    const ACTIONS = ['core:data', 'access:get', 'presence:subscribe', 'all:data', 'presence:all', 'all:all'];
    const who = fc.constantFrom(
      BARNEY,
      'wilma@example.com',
      '*@rubble.com',
      '*@*',
      'imxp=*@*',
      'imxp=report@rubble.com',
    );
    const list = fc.array(fc.record({ actor: who, actions: fc.subarray(ACTIONS) }), { maxLength: 4 });
    const people = [BARNEY, 'betty@rubble.com', 'wilma@example.com', 'imxp=report@rubble.com', 'imxp=x@slate.example'];
    const asked = ['core:data', 'access:get', 'presence:subscribe'] as const;
    const table = (entries: readonly AccessEntry[]): Map<string, boolean> => {
      const rules = new AccessRules(parseAddress(FRED), entries);
      return new Map(people.flatMap((one) => asked.map((action) => [`${one} ${action}`, rules.allows(one, action)])));
    };

    it('changes exactly what was asked for, for one literal actor', () => {
      const literal = fc.constantFrom(...people);
      fc.assert(
        fc.property(list, literal, fc.constantFrom(...asked), fc.boolean(), (entries, actor, action, allow) => {
          const before = table(entries);
          const after = table((allow ? allowed : denied)(entries, FRED, actor, [action]));
          expect(after.get(`${actor} ${action}`)).to.equal(allow);
          for (const [question, answer] of before) {
            if (question !== `${actor} ${action}`) expect(after.get(question), question).to.equal(answer);
          }
        }),
        { numRuns: 500 },
      );
    });
  });
});
