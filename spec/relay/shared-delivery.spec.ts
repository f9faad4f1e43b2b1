import { expect } from 'chai';
import { type AttachWishes, wishOptions } from '../../lib/imxp/attach-options.js';
import { type DeliveryRule, type SharedDelivery, STRICT_POLICY } from '../../lib/relay/policy.js';
import { type FakeChannel, settled } from '../support/fake-channel.js';
import { data, FRED, hold, Stage, WILMA } from '../support/option-stage.js';

const LAPTOP = 'fred/laptop@example.com';
const PHONE = 'fred/phone@example.com';
const GROUP: AttachWishes = { queueGroup: true };

function stageWith(delivery: SharedDelivery | readonly DeliveryRule[]): Stage {
  return new Stage({ relay: { policy: { ...STRICT_POLICY, delivery } } });
}

/** A program of fred's, attached as a subaddress. */
function program(stage: Stage, address: string, wishes: AttachWishes = {}): FakeChannel {
  const channel = stage.endpoint(FRED);
  const options = wishOptions(wishes);
  expect(channel.ask({ type: 'attach', endpoint: address, transID: 1, options })).to.equal(0);
  return channel;
}

const told = (channel: FakeChannel): number => channel.requests.length;

async function codeOf(from: FakeChannel, recipient: string): Promise<number | undefined> {
  const msgno = from.send(data(WILMA, [recipient]));
  await settled();
  return from.code(msgno);
}

describe('relay: several programs of one account (D-CORE-48)', () => {
  it('delivery first: only the program attached as the address itself receives for it', async () => {
    const stage = stageWith('first');
    const [wilma, laptop] = [stage.attached(WILMA), program(stage, LAPTOP)];
    expect(await codeOf(wilma, FRED)).to.equal(450);
    expect(told(laptop)).to.equal(0);
  });

  it('delivery latest: the program that attached last receives, and the one before when it has gone', () => {
    const stage = stageWith('latest');
    const wilma = stage.attached(WILMA);
    const [laptop, phone] = [program(stage, LAPTOP), program(stage, PHONE)];
    wilma.send(data(WILMA, [FRED]));
    expect([told(laptop), told(phone)]).to.deep.equal([0, 1]);
    phone.lose();
    wilma.send(data(WILMA, [FRED]));
    expect([told(laptop), told(phone)]).to.deep.equal([1, 1]);
  });

  it('prefers the program attached as exactly the address, whatever the policy', () => {
    for (const delivery of ['latest', 'all'] as const) {
      const stage = stageWith(delivery);
      const [wilma, bot, laptop] = [stage.attached(WILMA), stage.attached(FRED), program(stage, LAPTOP)];
      wilma.send(data(WILMA, [FRED]));
      expect([told(bot), told(laptop)], delivery).to.deep.equal([1, 0]);
      wilma.send(data(WILMA, [LAPTOP]));
      expect([told(bot), told(laptop)], delivery).to.deep.equal([1, 1]);
    }
  });

  it('delivery all: each program receives, and one ok is enough', () => {
    const stage = stageWith('all');
    const [wilma, laptop, phone] = [stage.attached(WILMA), program(stage, LAPTOP), program(stage, PHONE)];
    const msgno = wilma.send(data(WILMA, [FRED]));
    laptop.requests[0]?.error(550, 'no');
    expect(wilma.code(msgno), 'the other may still accept it').to.equal(undefined);
    phone.requests[0]?.ok();
    expect(wilma.code(msgno)).to.equal(0);
  });

  it('delivery all: fails with the answer that leaves most open where none accepts it', () => {
    const stage = stageWith('all');
    const [wilma, laptop, phone] = [stage.attached(WILMA), program(stage, LAPTOP), program(stage, PHONE)];
    const msgno = wilma.send(data(WILMA, [FRED]));
    laptop.requests[0]?.error(550, 'no');
    phone.requests[0]?.error(451, 'perhaps');
    expect(wilma.code(msgno)).to.equal(451);
  });

  it('delivery one: each message goes to one of the programs, in turn, and so does what others leave', () => {
    const stage = stageWith('one');
    const [wilma, laptop, phone] = [stage.attached(WILMA), program(stage, LAPTOP), program(stage, PHONE)];
    const sender = program(stage, 'fred/send@example.com', { sendOnly: true });
    for (let number = 0; number < 6; number += 1) wilma.send(data(WILMA, [FRED]));
    expect([told(laptop), told(phone), told(sender)]).to.deep.equal([3, 3, 0]);
    phone.lose();
    for (let number = 0; number < 2; number += 1) wilma.send(data(WILMA, [FRED]));
    expect(told(laptop)).to.equal(5);
    wilma.send(data(WILMA, [LAPTOP]));
    expect(told(laptop), 'its own address stays its own').to.equal(6);
  });

  it('delivery one: the next program has what one certainly does not take, and nobody else what it refuses', () => {
    const stage = stageWith('one');
    const [wilma, laptop, phone] = [stage.attached(WILMA), program(stage, LAPTOP), program(stage, PHONE)];
    const busy = wilma.send(data(WILMA, [FRED]));
    laptop.requests[0]?.error(450, 'busy');
    phone.requests[0]?.ok();
    expect(wilma.code(busy)).to.equal(0);
    const refused = wilma.send(data(WILMA, [FRED]));
    expect([told(laptop), told(phone)]).to.deep.equal([1, 2]);
    phone.requests[1]?.error(550, 'no');
    expect(wilma.code(refused)).to.equal(550);
    const nobody = wilma.send(data(WILMA, [FRED]));
    laptop.requests[1]?.error(450, 'busy');
    phone.requests[2]?.error(450, 'busy, too');
    expect(wilma.code(nobody)).to.equal(450);
  });

  it('goes by the first rule that matches the address, and by none to nobody', async () => {
    const stage = stageWith([
      { addresses: ['barney@example.com', FRED], delivery: 'one' },
      { addresses: ['*@example.com'], delivery: 'latest' },
    ]);
    const wilma = stage.attached(WILMA);
    const [laptop, phone] = [program(stage, LAPTOP), program(stage, PHONE)];
    for (let number = 0; number < 4; number += 1) wilma.send(data(WILMA, [FRED]));
    expect([told(laptop), told(phone)]).to.deep.equal([2, 2]);
    stage.relay.reload({
      policy: { ...STRICT_POLICY, delivery: [{ addresses: ['barney@example.com'], delivery: 'one' }] },
    });
    expect(await codeOf(wilma, FRED)).to.equal(450);
    stage.relay.reload({ policy: { ...STRICT_POLICY, delivery: [{ delivery: 'latest' }] } });
    for (let number = 0; number < 2; number += 1) wilma.send(data(WILMA, [FRED]));
    expect([told(laptop), told(phone)]).to.deep.equal([2, 4]);
  });

  it('D-CORE-50 shares among the programs that say so, whatever the policy, and with no other', async () => {
    for (const delivery of ['first', 'latest', 'all'] as const) {
      const stage = stageWith(delivery);
      const wilma = stage.attached(WILMA);
      const [one, two] = ['fred/1@example.com', 'fred/2@example.com'].map((address) => program(stage, address, GROUP));
      const laptop = program(stage, LAPTOP);
      if (one === undefined || two === undefined) throw new Error('two programs');
      for (let number = 0; number < 4; number += 1) wilma.send(data(WILMA, [FRED]));
      expect([told(one), told(two), told(laptop)], delivery).to.deep.equal([2, 2, 0]);
      const bot = stage.attached(FRED);
      wilma.send(data(WILMA, [FRED]));
      expect([told(bot), told(one), told(two)], 'attached as exactly the address').to.deep.equal([1, 2, 2]);
      for (const channel of [bot, one, two]) channel.lose();
      expect(await codeOf(wilma, FRED), delivery).to.equal(delivery === 'first' ? 450 : undefined);
      expect(told(laptop), 'the policy counts where the group has gone').to.equal(delivery === 'first' ? 0 : 1);
    }
  });

  it('delivers what was held for the account to the program that attaches', async () => {
    const stage = stageWith('latest');
    const wilma = stage.attached(WILMA);
    const msgno = wilma.send(data(WILMA, [FRED], [hold()]));
    while (wilma.code(msgno) === undefined) await settled();
    const laptop = program(stage, LAPTOP);
    while (told(laptop) === 0) await settled();
    expect(laptop.requests[0]?.data.recipients.map(({ identity }) => identity)).to.deep.equal([FRED]);
  });

  it('D-CORE-49 passes over programs that only send, which nobody sees as present either', async () => {
    for (const delivery of ['latest', 'all'] as const) {
      const stage = stageWith(delivery);
      const seen: string[] = [];
      stage.relay.watchAttachments({ attached: (key) => seen.push(key), detached: (key) => seen.push(`-${key}`) });
      const [wilma, sender] = [stage.attached(WILMA), program(stage, 'fred/send@example.com', { sendOnly: true })];
      expect(await codeOf(wilma, FRED), delivery).to.equal(450);
      expect(told(sender), delivery).to.equal(0);
      sender.lose();
      expect(seen, delivery).to.deep.equal([WILMA]);
    }
  });
});
