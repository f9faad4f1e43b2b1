import { expect } from 'chai';
import fc from 'fast-check';
import { TransportError } from '../../lib/errors.js';
import type { Data } from '../../lib/imxp/operation.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';
import { BARNEY, FRED, scripted } from '../support/scripted-endpoint.js';
import { type ScriptedChannel, ScriptedRelay } from '../support/scripted-relay.js';
import { within } from '../support/within.js';

const WILMA = 'wilma@example.com';
const BETTY = 'betty@rubble.com';
const CUT = new TransportError('CONNECTION_LOST', 'cut');
const NOT_YOURS = { code: 537, text: 'not attached on this channel' };

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const toOf = ({ recipients }: Data): string[] => recipients.map(({ identity }) => identity);
const asked = (channel: ScriptedChannel | undefined): string[][] => (channel?.data ?? []).map(toOf);

/** An endpoint whose relay answers nothing by itself, on any channel. */
async function silent(options: Parameters<typeof scripted>[0] = {}, relay = new ScriptedRelay()) {
  const { fred } = await scripted(options, relay);
  relay.auto = undefined;
  relay.channel.auto = undefined;
  const send = async (...to: string[]): Promise<{ answer: Promise<unknown> }> => {
    const answer = fred.send({ to, content: 'x' }).then(
      () => 'ok',
      (error: Error) => error.message,
    );
    await turn();
    return { answer };
  };
  return { relay, fred, channel: relay.channel, send };
}

describe('endpoint: lanes', () => {
  it('opens a lane while an answer is due, so that a slow recipient delays nobody else', async () => {
    const { relay, channel, send } = await silent();
    const slow = await send(BARNEY);
    expect(relay.lanes).to.have.lengthOf(0);
    const quick = await send(WILMA);
    expect([asked(channel), asked(relay.lanes[0])]).to.deep.equal([[[BARNEY]], [[WILMA]]]);
    relay.lanes[0]?.answer();
    expect(await quick.answer).to.equal('ok');
    channel.answer({ code: 451, text: 'too slow' });
    expect(await slow.answer).to.equal('451 too slow');
  });

  it('opens none for an application that waits for each answer, nor for one recipient', async () => {
    const { relay, channel, send } = await silent();
    for (const to of [BARNEY, WILMA, BETTY]) {
      await send(to);
      channel.answer();
    }
    for (let count = 0; count < 5; count += 1) await send(BARNEY);
    expect(asked(channel)).to.have.lengthOf(5);
    expect(relay.lanes).to.have.lengthOf(0);
  });

  it('opens as many as configured, and shares them', async () => {
    const { relay, channel, send } = await silent({ limits: { lanes: 2 } });
    for (const to of ['a@b.example', 'c@b.example', 'd@b.example', 'e@b.example']) await send(to);
    expect(relay.lanes).to.have.lengthOf(1);
    expect([channel.outstanding, relay.lanes[0]?.outstanding]).to.deep.equal([2, 2]);
    const alone = await silent({ limits: { lanes: 1 } });
    for (const to of [BARNEY, WILMA]) await alone.send(to);
    expect(alone.relay.lanes).to.have.lengthOf(0);
  });

  it('keeps a recipient on one lane while an answer is due, however the address is written', async () => {
    const { relay, channel, send } = await silent();
    await send(BARNEY);
    await send(WILMA);
    await send('wilma@EXAMPLE.com');
    channel.answer();
    await send(WILMA);
    expect(asked(relay.lanes[0])).to.deep.equal([[WILMA], ['wilma@EXAMPLE.com'], [WILMA]]);
    for (let count = 0; count < 3; count += 1) relay.lanes[0]?.answer();
    await send(WILMA);
    expect(asked(channel), 'nothing of hers is under way').to.deep.equal([[WILMA]]);
  });

  it('holds a message for recipients on several lanes, and those behind it, until it overtakes nothing', async () => {
    const { relay, fred, channel, send } = await silent();
    await send(BARNEY);
    await send(WILMA);
    await send(BARNEY, WILMA);
    await send(WILMA);
    await send(BETTY);
    const [lane, other] = relay.lanes;
    expect([asked(channel), asked(lane), asked(other)]).to.deep.equal([[[BARNEY]], [[WILMA]], [[BETTY]]]);
    expect(fred.outstanding).to.equal(5);
    lane?.answer();
    expect(asked(channel)).to.deep.equal([[BARNEY], [BARNEY, WILMA], [WILMA]]);
  });

  it('never sends two Data for one recipient on two lanes, or in another order than submitted', async () => {
    const people = [BARNEY, WILMA, BETTY, 'a@b.example', 'c@b.example'];
    const send = fc.record({ to: fc.uniqueArray(fc.constantFrom(...people), { minLength: 1, maxLength: 3 }) });
    const answer = fc.record({ lane: fc.nat(3) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(send, answer), { maxLength: 60 }), async (steps) => {
        const { relay, fred, channel } = await silent({ limits: { lanes: 3, outstandingData: 8 } });
        const sent: { to: readonly string[]; answered: boolean }[] = [];
        const seen = new Map<string, string[]>();
        const look = (): void => {
          const lanes = [channel, ...relay.lanes];
          for (const person of people) {
            const holding = lanes.filter(({ data }) => data.some((one) => toOf(one).includes(person)));
            expect(holding.length, person).to.be.at.most(1);
            const own = (holding[0]?.data ?? []).filter((one) => toOf(one).includes(person)).map(textOf);
            const before = seen.get(person) ?? [];
            seen.set(person, [...before, ...own.filter((text) => !before.includes(text))]);
          }
        };
        for (const step of steps) {
          if ('to' in step) {
            const one = { to: step.to, answered: false };
            const content = { xml: `<n>${sent.length}</n>` };
            sent.push(one);
            void fred.send({ to: step.to, content }).then(() => {
              one.answered = true;
            });
          } else {
            const lane = [channel, ...relay.lanes][step.lane];
            if (lane !== undefined && lane.outstanding > 0) lane.answer();
          }
          await turn();
          look();
        }
        while (fred.outstanding > 0) {
          for (const lane of [channel, ...relay.lanes]) if (lane.outstanding > 0) lane.answer();
          await turn();
          look();
        }
        expect(sent.every(({ answered }) => answered)).to.equal(true);
        for (const [person, texts] of seen) {
          const wanted = sent.flatMap(({ to }, at) => (to.includes(person) ? [`<n>${at}</n>`] : []));
          expect(texts, person).to.deep.equal(wanted);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('continues in order with the existing channels when the relay refuses a further one', async () => {
    const relay = new ScriptedRelay();
    relay.further = 'refused';
    const { channel, send } = await silent({}, relay);
    for (const to of [BARNEY, WILMA, WILMA, BETTY]) await send(to);
    expect(asked(channel)).to.deep.equal([[BARNEY], [WILMA], [WILMA], [BETTY]]);
    relay.further = 'made';
    await send('a@b.example');
    expect(relay.lanes, 'it does not ask again').to.have.lengthOf(0);
  });

  it('sends again on the first channel, and stays there, when the relay refuses Data on another', async () => {
    const { relay, channel, send } = await silent();
    await send(BARNEY);
    const second = await send(WILMA);
    const third = await send(WILMA);
    const [lane] = relay.lanes;
    lane?.answer(NOT_YOURS);
    lane?.answer(NOT_YOURS);
    expect(asked(channel)).to.deep.equal([[BARNEY], [WILMA], [WILMA]]);
    for (let count = 0; count < 3; count += 1) channel.answer();
    expect([await second.answer, await third.answer]).to.deep.equal(['ok', 'ok']);
    expect(lane?.open, 'closed in order').to.equal(false);
    await send(BARNEY);
    await send(WILMA);
    expect(channel.outstanding).to.equal(2);
    expect(relay.lanes).to.have.lengthOf(1);
  });

  it('takes a refusal as such when the first channel gets it too, or the lane has carried Data before', async () => {
    const { relay, channel, send } = await silent();
    await send(BARNEY);
    const denied = await send(WILMA);
    relay.lanes[0]?.answer(NOT_YOURS);
    channel.answer();
    channel.answer(NOT_YOURS);
    expect(await denied.answer).to.equal('537 not attached on this channel');
    await send(BARNEY);
    const fine = await send(BETTY);
    relay.lanes[0]?.answer();
    expect(await fine.answer).to.equal('ok');
    const again = await send(WILMA);
    relay.lanes[0]?.answer(NOT_YOURS);
    expect(await again.answer).to.equal('537 not attached on this channel');
    expect(channel.outstanding).to.equal(1);
  });

  it('says what certainly was not sent when the connection is lost while a lane opens, and reconnects', async () => {
    const relay = new ScriptedRelay();
    relay.further = 'waiting';
    const { fred } = await scripted({ reconnect: { firstMs: 1, longestMs: 2 } }, relay);
    relay.channel.auto = undefined;
    const [sent, unsent] = [BARNEY, WILMA].map((to) => failureOf(fred.send({ to, content: 'x' })));
    await turn();
    const back = new Promise<void>((resolve) => fred.once('connect', resolve));
    relay.channel.lose(CUT);
    expect((await sent)?.fields).to.deep.equal({ sent: true });
    expect((await unsent)?.fields).to.deep.equal({ sent: false });
    await within(5000, back, 'connected again');
    relay.make();
    relay.further = 'made';
    relay.channel.auto = undefined;
    void fred.send({ to: BARNEY, content: 'x' });
    const quick = fred.send({ to: WILMA, content: 'x' });
    await within(5000, quick, 'an answer on the lane of the new connection');
    expect(relay.channel.outstanding).to.equal(1);
  });

  it('waits for the answers on all lanes before it closes, within its time limit', async () => {
    const { relay, fred, channel, send } = await silent();
    await send(BARNEY);
    const quick = await send(WILMA);
    channel.answer();
    const closed = fred.close();
    await turn();
    expect(channel.asked, 'a terminate would overtake').to.have.lengthOf(0);
    relay.lanes[0]?.answer();
    expect(await quick.answer).to.equal('ok');
    await turn();
    expect(channel.asked.map(({ operation }) => operation.type)).to.deep.equal(['terminate']);
    channel.answer();
    await within(5000, closed, 'closed');
    const stuck = await silent({ limits: { closeTimeoutMs: 20 } });
    await stuck.send(BARNEY);
    const late = await stuck.send(WILMA);
    await within(5000, stuck.fred.close(), 'closed all the same');
    stuck.relay.lanes[0]?.asked.shift()?.sink.failed('lost');
    expect(await late.answer).to.contain('the connection ended before the answer');
  });
});

describe('endpoint: lanes at a relay', () => {
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start();
  });

  after(() => mesh.close());

  it('gets the answers of quick recipients at once while a slow one delays its own', async () => {
    const [fred, barney, betty] = [await mesh.attach(FRED), await mesh.attach(BARNEY), await mesh.attach(BETTY)];
    let answer = (): void => {};
    barney.receive(() => new Promise<void>((resolve) => (answer = resolve)));
    betty.receive(() => {});
    let answered = false;
    const slow = fred.send({ to: BARNEY, content: 'x' }).then(() => (answered = true));
    for (let count = 0; count < 5; count += 1) await fred.send({ to: BETTY, content: `${count}` });
    expect(answered).to.equal(false);
    answer();
    await within(5000, slow, 'the slow one');
    await fred.close();
  });
});

const textOf = ({ dataContent }: Data): string => `${dataContent?.inner ?? ''}`;
