import { expect } from 'chai';
import fc from 'fast-check';
import { parseAddress } from '../../lib/imxp/address.js';
import type { AccessEntry } from '../../lib/imxp/vocabulary/access.js';
import {
  type ActorPattern,
  closeness,
  covers,
  matchesActor,
  overlaps,
  parseActor,
  parseApexActor,
  writeActor,
} from '../../lib/imxp/vocabulary/actor.js';
import { entryOf, withEntry, withoutEntry } from '../../lib/services/access-order.js';
import { AccessRules, implicitEntries } from '../../lib/services/access-rules.js';

const OWNER = parseAddress('fred@a.example');
const ACTION = 'core:data';

const local = fc.constantFrom('fred', 'wilma', 'wilma/x', 'wilma/y', 'imxp=presence', 'apex=report');
const domain = fc.constantFrom('example', 'a.example', 'b.example', 'c.b.example');
const endpoint = fc.tuple(local, domain).map((parts) => parts.join('@'));
const actor = fc
  .tuple(
    fc.oneof(local, fc.constantFrom('*', 'imxp=*', 'wilma/*', 'fred/*')),
    fc.oneof(domain, fc.constantFrom('*', '*.example', '*.b.example')),
  )
  .map((parts) => parts.join('@'));

function pattern(text: string): ActorPattern {
  const parsed = parseActor(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

/** RFC 3341 §3.1 to the letter: of the entries that match, the closest; but D-ACCESS-01 comes first. */
function closestGrants(entries: readonly AccessEntry[], asker: string): boolean {
  if (ownService(asker)) return true;
  if (asker === OWNER.key && !entries.some((entry) => entry.actor === asker)) return true;
  const actors = new Set(entries.map((entry) => writeActor(pattern(entry.actor))));
  const defaults = implicitEntries(OWNER).filter((entry) => !actors.has(writeActor(pattern(entry.actor))));
  const [closest] = [...entries, ...defaults]
    .filter((entry) => matchesActor(pattern(entry.actor), parseAddress(asker)))
    .sort((first, second) => closeness(pattern(first.actor), pattern(second.actor)));
  return closest?.actions.some((action) => action === ACTION || action === 'all:all') ?? false;
}

function ownService(asker: string): boolean {
  const { service, domain: where } = parseAddress(asker);
  return service && where === OWNER.domain;
}

describe('services/access-order', () => {
  it('REQ-ACC-013 finds as the first match of a list made entry by entry the closest match', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(actor, fc.boolean(), fc.boolean()), { maxLength: 12 }),
        fc.array(endpoint, { minLength: 1, maxLength: 8 }),
        (steps, askers) => {
          let list: AccessEntry[] = [];
          const set = new Map<string, AccessEntry>();
          for (const [text, grants, deletes] of steps) {
            const wanted = pattern(text);
            const actions = grants ? [ACTION] : [];
            if (deletes && entryOf(list, wanted) !== undefined) {
              list = withoutEntry(list, wanted);
              set.delete(writeActor(wanted));
            } else {
              list = withEntry(list, wanted, actions);
              set.set(writeActor(wanted), { actor: text, actions });
            }
          }
          const rules = new AccessRules(OWNER, list);
          for (const asker of askers) {
            expect(rules.allows(asker, ACTION), `${asker} in ${JSON.stringify(list)}`).to.equal(
              closestGrants([...set.values()], asker),
            );
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('obeys what is set last, whatever the order of the list was', () => {
    fc.assert(
      fc.property(fc.array(actor, { maxLength: 8 }), endpoint, fc.boolean(), (before, asker, grants) => {
        const list = before.map((text) => ({ actor: text, actions: grants ? [] : [ACTION] }));
        const changed = withEntry(list, pattern(asker), grants ? [ACTION] : []);
        fc.pre(!ownService(asker));
        expect(new AccessRules(OWNER, changed).allows(asker, ACTION)).to.equal(grants);
      }),
    );
  });

  it('decides for actors as for the endpoints that they match', () => {
    fc.assert(
      fc.property(actor, actor, endpoint, (first, second, asker) => {
        const both = [first, second].map((text) => matchesActor(pattern(text), parseAddress(asker)));
        if (both[0] && both[1]) expect(overlaps(pattern(first), pattern(second))).to.equal(true);
        if (covers(pattern(first), pattern(second)) && both[1]) expect(both[0]).to.equal(true);
        if (first === second) expect(covers(pattern(first), pattern(second))).to.equal(true);
      }),
    );
  });

  it('REQ-ACC-016 reads what it writes, in both forms', () => {
    const texts = fc.oneof(actor, fc.constantFrom('"*"@example', 'a/"*"@*', '"a b"@example', '"a\\\\b"@example'));
    fc.assert(
      fc.property(texts, (text) => {
        expect(parseActor(writeActor(pattern(text)))).to.deep.equal(pattern(text));
        expect(parseApexActor(writeActor(pattern(text), 'apex'))).to.deep.equal(pattern(text));
      }),
    );
  });

  it('writes nothing that was not set', () => {
    const list = withEntry([], pattern('*@a.example'), [ACTION]);
    expect(list.map((entry) => entry.actor)).to.deep.equal(['*@a.example']);
    expect(entryOf(list, pattern('fred@a.example'))).to.equal(undefined);
    expect(entryOf(list, pattern('*@a.example'))).to.deep.include({ actions: [ACTION] });
  });
});
