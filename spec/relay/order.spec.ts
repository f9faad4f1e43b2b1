import { expect } from 'chai';
import fc from 'fast-check';
import type { Data } from '../../lib/imxp/operation.js';
import {
  attached,
  type FakeChannel,
  type FakeRequest,
  LIMITS,
  makeRelay,
  neighbour,
  settled,
} from '../support/fake-channel.js';
import { data } from '../support/fake-dialect.js';

/**
 * Two applications send to local, slow-to-decide, remote and unknown recipients, one or several at a time, while answers
 * come in any order, decisions take their time, applications leave and come back. Whatever happens, every Data of a
 * living channel gets one answer, its octets come back once, and nothing overtakes.
 */
const RECIPIENTS = ['barney@example.com', 'wilma@example.com', 'a@rubble.com', 'b@rubble.com', 'dino@example.com'];
const SENDERS = ['fred@example.com', 'pearl@example.com'];

type Step =
  | { readonly do: 'send'; readonly from: number; readonly to: readonly number[] }
  | { readonly do: 'answer'; readonly which: number; readonly how: 'ok' | 'error' | 'timeout' }
  | { readonly do: 'decide'; readonly which: number; readonly allowed: boolean }
  | { readonly do: 'leave' }
  | { readonly do: 'come' }
  | { readonly do: 'bind' }
  | { readonly do: 'breathe' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      from: fc.nat(SENDERS.length - 1),
      to: fc.array(fc.nat(RECIPIENTS.length - 1), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      which: fc.nat(),
      how: fc.constantFrom('ok' as const, 'error' as const, 'timeout' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('decide' as const), which: fc.nat(), allowed: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constantFrom({ do: 'leave' } as const, { do: 'come' } as const, { do: 'bind' } as const) },
  { weight: 2, arbitrary: fc.constant({ do: 'breathe' } as const) },
);

class RelayFixture {
  readonly #decisions: ((allowed: boolean) => void)[] = [];
  readonly relay = makeRelay({
    limits: { ...LIMITS, outstanding: 64 },
    access: {
      allowed: (owner) => (owner.startsWith('wilma') ? new Promise((resolve) => this.#decisions.push(resolve)) : true),
    },
    directory: { known: async (address) => !address.startsWith('dino') },
  });
  readonly senders = SENDERS.map((address) => attached(this.relay, address));
  readonly channels: FakeChannel[] = [attached(this.relay, 'wilma@example.com')];
  barney = attached(this.relay, 'barney@example.com');
  #sent = 0;

  constructor() {
    this.channels.push(this.barney);
    this.bind();
  }

  bind(): void {
    const lane = neighbour(this.relay, 'rubble.com');
    lane.bind('rubble.com');
    this.channels.push(lane);
  }

  async run(one: Step): Promise<void> {
    if (one.do === 'send') {
      const originator = SENDERS[one.from] ?? '';
      const to = one.to.map((at) => RECIPIENTS[at] ?? '');
      this.senders[one.from]?.send(data(originator, to, [], String(this.#sent++)));
    } else if (one.do === 'answer') this.#answer(one.which, one.how);
    else if (one.do === 'decide') this.#decide(one.which, one.allowed);
    else if (one.do === 'leave') this.#leave();
    else if (one.do === 'come') this.#come();
    else if (one.do === 'bind') this.bind();
    else await settled();
  }

  #answer(which: number, how: 'ok' | 'error' | 'timeout'): void {
    const waiting = this.channels.flatMap((channel) => channel.waiting);
    const request = waiting[which % Math.max(1, waiting.length)];
    if (how === 'ok') request?.ok();
    else if (how === 'error') request?.error(550, 'no');
    else request?.fail('timeout');
  }

  #decide(which: number, allowed: boolean): void {
    const [decision] = this.#decisions.splice(which % Math.max(1, this.#decisions.length), 1);
    decision?.(allowed);
  }

  #leave(): void {
    if (this.barney.open) this.barney.lose();
  }

  #come(): void {
    if (this.barney.open) return;
    this.barney = attached(this.relay, 'barney@example.com');
    this.channels.push(this.barney);
  }

  /** Answers everything that is still open. */
  async finish(): Promise<void> {
    do {
      for (const decision of this.#decisions.splice(0)) decision(true);
      for (const channel of this.channels) for (const request of channel.waiting) request.ok();
      await settled();
    } while (this.relay.outstanding > 0);
  }

  /** What was sent for each originator and recipient, in order of the sending. */
  sent(): Map<string, { channel: FakeChannel; request: FakeRequest; number: number }[]> {
    const found = new Map<string, { channel: FakeChannel; request: FakeRequest; number: number }[]>();
    const all = this.channels.flatMap((channel) => channel.requests.map((request) => ({ channel, request })));
    for (const { channel, request } of all.sort((a, b) => a.request.sentAt - b.request.sentAt)) {
      const { operation } = request;
      if (operation.type !== 'data') continue;
      for (const key of pairs(operation)) {
        const list = found.get(key) ?? [];
        list.push({ channel, request, number: Number(operation.content.slice(1)) });
        found.set(key, list);
      }
    }
    return found;
  }
}

function pairs({ originator, recipients }: Data): string[] {
  return recipients.map(({ identity }) => `${originator} ${identity}`);
}

describe('relay: order', () => {
  it('REQ-BEEP-027 answers every Data once, returns its octets once, and never reorders for a recipient', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const fixture = new RelayFixture();
        for (const one of steps) await fixture.run(one);
        await fixture.finish();
        for (const sender of fixture.senders) {
          const msgnos = sender.replies.map(({ msgno }) => msgno).sort((a, b) => a - b);
          expect(msgnos, 'one answer each').to.deep.equal(msgnos.map((_, at) => at));
          expect(sender.consumed.length, 'octets given back once each').to.equal(msgnos.length);
          expect(sender.consumedOctets).to.equal(sender.received);
        }
        for (const [pair, list] of fixture.sent()) {
          for (const [at, { number, channel, request }] of list.entries()) {
            const previous = list[at - 1];
            if (previous === undefined) continue;
            expect(number, pair).to.be.greaterThan(previous.number);
            // On another channel it could overtake, unless the earlier one was done with.
            if (previous.channel !== channel) expect(previous.request.settledAt).to.be.lessThan(request.sentAt);
          }
        }
        expect(fixture.relay.outstanding).to.equal(0);
      }),
      { numRuns: 300 },
    );
  });
});
