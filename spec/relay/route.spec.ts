import { expect } from 'chai';
import type { Reply } from '../../lib/errors.js';
import type { Address } from '../../lib/imxp/address.js';
import type { Data } from '../../lib/imxp/operation.js';
import { REPLIES } from '../../lib/relay/answer.js';
import { OptionRegistry } from '../../lib/relay/options.js';
import { plan, RefusingTarget, type RouteView } from '../../lib/relay/route.js';
import type { DeliveryTarget } from '../../lib/relay/target.js';
import { FakeTarget } from '../support/fake-channel.js';
import { data, option, type To } from '../support/fake-dialect.js';

const fred = new FakeTarget();
const report = new FakeTarget();
const absent = new FakeTarget();
const rubble = new FakeTarget('rubble.com');
const slate = new FakeTarget('slate.example');
const NO_WAY = new RefusingTarget({ code: 450, text: 'relay unavailable' });

const NAMES = new Map<DeliveryTarget, string>([
  [fred, 'fred'],
  [report, 'report'],
  [absent, 'absent'],
  [rubble, 'rubble'],
  [slate, 'slate'],
]);

/** example.com with fred and fred/appl=im attached, and relays for two foreign domains. */
class TestView implements RouteView {
  readonly options = new OptionRegistry();
  relayed = false;
  sameHop = false;
  denied: true | Reply | Promise<boolean> = true;

  local(domain: string): boolean {
    return domain === 'example.com' || domain === 'example.org';
  }

  attached({ key }: Address): DeliveryTarget | undefined {
    return ['fred@example.com', 'fred/appl=im@example.com', 'fred@example.org'].includes(key) ? fred : undefined;
  }

  service({ wellKnown }: Address): DeliveryTarget | undefined {
    return wellKnown === 'imxp=report' ? report : undefined;
  }

  granted(): true | Reply | Promise<boolean> {
    return this.denied;
  }

  readonly hopLimit = 0;

  absent({ wellKnown }: Address): DeliveryTarget {
    return wellKnown === undefined ? absent : new RefusingTarget(REPLIES.unknownService);
  }

  offlineQueue(): DeliveryTarget | undefined {
    return undefined;
  }

  toward({ domain }: Address): DeliveryTarget {
    return domain === 'rubble.com' ? rubble : domain === 'slate.example' ? slate : NO_WAY;
  }
}

function legsOf(value: Data, view: RouteView = new TestView()) {
  const planned = plan(value, view);
  if (planned.type !== 'legs') throw new Error(`the plan is ${planned.type}`);
  return planned.legs;
}

/** `target: recipients`, for each leg. */
function summary(to: readonly To[], view?: RouteView): string[] {
  return legsOf(data('wilma@example.com', to), view).map(({ target, data: { recipients } }) => {
    const name = target instanceof RefusingTarget ? String(target.reply.code) : NAMES.get(target);
    return `${name}: ${recipients.map(({ identity }) => identity).join(' ')}`;
  });
}

describe('relay/route', () => {
  it('routes a local recipient to its application, its service or a refusal', () => {
    expect(summary(['fred@example.com'])).to.deep.equal(['fred: fred@example.com']);
    expect(summary(['fred@EXAMPLE.org'])).to.deep.equal(['fred: fred@EXAMPLE.org']);
    expect(summary(['imxp=report@example.com'])).to.deep.equal(['report: imxp=report@example.com']);
    expect(summary(['IMXP=Report@example.com'])).to.deep.equal(['report: IMXP=Report@example.com']);
    expect(summary(['imxp=none@example.com'])).to.deep.equal(['550: imxp=none@example.com']);
    expect(summary(['wilma@example.com'])).to.deep.equal(['absent: wilma@example.com']);
    expect(summary(['nobody'])).to.deep.equal(['553: nobody']);
  });

  it('finds a subaddress only where exactly that is attached', () => {
    expect(summary(['fred/appl=im@example.com'])).to.deep.equal(['fred: fred/appl=im@example.com']);
    expect(summary(['fred/appl=wb@example.com'])).to.deep.equal(['absent: fred/appl=wb@example.com']);
  });

  it('REQ-IMXP-031 groups recipients toward a relay, and gives each application a Data of its own', () => {
    expect(
      summary([
        'barney@rubble.com',
        'fred@example.com',
        'joe@slate.example',
        'betty@rubble.com',
        'fred/appl=im@example.com',
      ]),
    ).to.deep.equal([
      'rubble: barney@rubble.com betty@rubble.com',
      'fred: fred@example.com',
      'slate: joe@slate.example',
      'fred: fred/appl=im@example.com',
    ]);
  });

  it('keeps recipients without a next hop apart', () => {
    expect(summary(['a@far.example', 'b@far.example'])).to.deep.equal(['450: a@far.example', '450: b@far.example']);
  });

  it('REQ-IMPP-063 delivers once to a recipient that is named twice', () => {
    expect(summary(['fred@example.com', 'barney@rubble.com', 'fred@Example.COM', 'barney@rubble.COM'])).to.deep.equal([
      'fred: fred@example.com',
      'rubble: barney@rubble.com',
    ]);
  });

  it('REQ-IMXP-034 plans the received Data itself when nothing changes', () => {
    const one = data('wilma@example.com', ['fred@example.com']);
    expect(legsOf(one)[0]?.data).to.equal(one);
    const all = option({ targetHop: 'all' });
    const group = data('wilma@example.com', ['barney@rubble.com', ['betty@rubble.com', [all]]], [all]);
    expect(legsOf(group)[0]?.data).to.equal(group);
  });

  it('REQ-IMXP-038 removes options for `this` toward relays, of the Data and of recipients', () => {
    const hops = (['this', 'final', 'all'] as const).map((targetHop) => option({ targetHop }));
    const [leg] = legsOf(data('wilma@example.com', [['barney@rubble.com', hops]], hops));
    expect(leg?.data.options.map(({ targetHop }) => targetHop)).to.deep.equal(['final', 'all']);
    expect(leg?.data.recipients[0]?.options.map(({ targetHop }) => targetHop)).to.deep.equal(['final', 'all']);
  });

  it('REQ-IMXP-039 removes no option toward an application', () => {
    const hops = (['this', 'final', 'all'] as const).map((targetHop) => option({ targetHop }));
    const value = data('wilma@example.com', [['fred@example.com', hops]], hops);
    expect(legsOf(value)[0]?.data).to.equal(value);
  });

  it("REQ-IMXP-027 keeps the per-Data options and the recipient's own when a Data is split", () => {
    const [first, second] = [option({ internal: 'first' }), option({ internal: 'second' })];
    const common = [option({ internal: 'common' })];
    const legs = legsOf(
      data(
        'wilma@example.com',
        [
          ['barney@rubble.com', [first]],
          ['joe@slate.example', [second]],
        ],
        common,
      ),
    );
    expect(legs.map(({ data: { options } }) => options)).to.deep.equal([common, common]);
    expect(legs.map(({ data: { recipients } }) => recipients[0]?.options)).to.deep.equal([[first], [second]]);
  });

  it('REQ-IMXP-040 fails the whole Data for a per-Data option that applies at every hop', () => {
    for (const targetHop of ['this', 'all'] as const) {
      const strict = option({ targetHop, seeNoEvil: false });
      const planned = plan(data('wilma@example.com', ['fred@example.com', 'a@rubble.com'], [strict]), new TestView());
      expect(planned).to.deep.include({ type: 'refused' });
    }
  });

  it('fails only the local recipients for a per-Data option for `final`', () => {
    const strict = option({ targetHop: 'final', seeNoEvil: false });
    const legs = legsOf(data('wilma@example.com', ['fred@example.com', 'barney@rubble.com'], [strict]));
    expect(
      legs.map(({ target }) => (target instanceof RefusingTarget ? target.reply.code : NAMES.get(target))),
    ).to.deep.equal([504, 'rubble']);
    expect(legs[1]?.data.options).to.deep.equal([strict]);
  });

  it('REQ-IMXP-026 fails only the recipient whose option is not understood', () => {
    const strict = option({ targetHop: 'all', seeNoEvil: false });
    expect(summary([['barney@rubble.com', [strict]], 'betty@rubble.com'])).to.deep.equal([
      '504: barney@rubble.com',
      'rubble: betty@rubble.com',
    ]);
  });

  it('leaves a recipient option for `final` to the final relay', () => {
    const strict = option({ targetHop: 'final', seeNoEvil: false });
    expect(summary([['barney@rubble.com', [strict]]])).to.deep.equal(['rubble: barney@rubble.com']);
    expect(summary([['fred@example.com', [strict]]])).to.deep.equal(['504: fred@example.com']);
  });

  it('REQ-IMXP-029 refuses where access is denied, and waits where it has to be looked up', () => {
    const view = new TestView();
    view.denied = REPLIES.accessDenied;
    expect(summary(['fred@example.com', 'barney@rubble.com'], view)).to.deep.equal([
      '537: fred@example.com',
      'rubble: barney@rubble.com',
    ]);
    const pending = Promise.resolve(true);
    view.denied = pending;
    const planned = plan(data('wilma@example.com', ['fred@example.com', 'barney@rubble.com']), view);
    expect(planned).to.deep.equal({ type: 'pending', decisions: new Map([['fred@example.com', pending]]) });
  });
});
