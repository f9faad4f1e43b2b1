/**
 * Every state of every state machine has an exit by time, and what waits anywhere has a limit. The first part is the list: each
 * state, what ends it, the limit, and the spec that shows it; a state that is added to the code and not to the list fails. The
 * second part shows the exits that no other spec shows.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { DEFAULT_LIMITS } from '../../lib/config/limits.js';
import { attached, makeRelay, neighbour, settled } from '../support/fake-channel.js';
import { data } from '../support/fake-dialect.js';
import { FakeTime } from '../support/fake-time.js';
import { BARNEY, FRED, NodeFixture, WILMA } from '../support/node-fixture.js';
import {
  BARNEY as BARNEY_OF_STAGE,
  data as dataOf,
  FRED as FRED_OF_STAGE,
  hold,
  Stage,
} from '../support/option-stage.js';
import { close, DIGEST_MD5, inlineData, start, TLS } from '../support/raw-documents.js';

const ROOT = new URL('../../', import.meta.url);

interface Exit {
  /** What ends it when nobody does anything. */
  readonly ends: string;
  /** A limit of the configuration, or a constant of the file; undefined where time is not what ends it. */
  readonly limit?: string;
  /** The file of the spec that shows it, and a part of its title. */
  readonly shown: readonly [string, string];
}

const HERE = 'spec/security/every-wait-ends.spec.ts';
const DEAD = 'spec/security/dead-lanes.spec.ts';

/** State machines: the file and the member that has the state. */
const STATES: Readonly<Record<string, Readonly<Record<string, Exit | 'final' | 'rests'>>>> = {
  'lib/transport/connection-phase.ts #phase': {
    greeting: {
      ends: 'a session whose greeting does not come is cut off',
      limit: 'session.greetingTimeoutMs',
      shown: ['spec/security/slow-peers.spec.ts', 'ends half a greeting, or silence, within the time limit'],
    },
    ready: {
      ends: 'unauthenticated sessions have a lifetime; known peers are cut off when a request is not answered, or nothing is taken',
      limit: 'session.stalledTimeoutMs',
      shown: ['spec/security/slow-peers.spec.ts', 'cuts off a peer that reads and never answers'],
    },
    tuning: {
      ends: 'a handshake or an exchange that does not end has the session cut off',
      limit: 'session.tuningTimeoutMs',
      shown: [HERE, 'ends a session in which TLS was granted and does not begin'],
    },
    releasing: {
      ends: 'whoever does not answer a release, or releases and leaves us waiting, is cut off',
      limit: 'session.closeTimeoutMs',
      shown: [HERE, 'a session that the peer releases while answers are due'],
    },
    ended: 'final',
  },
  'lib/transport/channel.ts #state': {
    opening: {
      ends: 'a bind that came with the start waits for the DNS at most',
      limit: 'dns.timeoutMs',
      shown: ['spec/relay/associations.spec.ts', 'answers 450 when the look-up fails'],
    },
    open: 'rests',
    closing: {
      ends: 'a close that is not answered has the session cut off',
      limit: 'session.closeTimeoutMs',
      shown: [DEAD, 'answers neither Data nor the close of a channel'],
    },
    closed: 'final',
  },
  'lib/mesh/link.ts #state': {
    idle: 'rests',
    connecting: {
      ends: 'each step has a limit: the connection, the greeting, TLS, the login, each start and each bind',
      limit: 'session.tuningTimeoutMs',
      shown: [DEAD, 'when a neighbour never answers a start'],
    },
    ready: {
      ends: 'a session without an open channel is left',
      shown: [DEAD, 'when a neighbour closes all channels of a link'],
    },
    backoff: {
      ends: 'the link is dialled again',
      limit: 'LONGEST_BACKOFF_MS',
      shown: [
        'spec/security/storms.spec.ts',
        'dials a neighbour whose session ends right after each bind less and less often',
      ],
    },
    closed: 'final',
  },
  'lib/relay/offline/message.ts state': {
    writing: {
      ends: 'the store says that it is written, or that it cannot be',
      shown: ['spec/relay/offline/hold.spec.ts', 'answers ok only once the Data is stored'],
    },
    waiting: {
      ends: 'it is dropped with a report',
      limit: 'offline.ageMs',
      shown: ['spec/relay/offline/hold.spec.ts', 'limits the age, and reports the expiry where asked'],
    },
    out: {
      ends: 'an application that does not answer in time is asked again later',
      limit: 'data.deliveryTimeoutMs',
      shown: ['spec/relay/offline/hold.spec.ts', 'keeps what the application has not answered'],
    },
    gone: 'final',
  },
  'lib/endpoint/connection-manager.ts #state': {
    connected: {
      ends: 'a relay that does not answer is left',
      limit: 'data.deliveryTimeoutMs',
      shown: ['spec/endpoint/sending.spec.ts', 'continues after a send that got no answer in time'],
    },
    reconnecting: {
      ends: 'the next attempt comes after a backoff, and each attempt has the limits of dialling',
      limit: 'session.connectTimeoutMs',
      shown: ['spec/endpoint/lifecycle.spec.ts', 'reconnects after a loss'],
    },
    closing: {
      ends: 'the relay is not waited for any longer',
      limit: 'session.closeTimeoutMs',
      shown: ['spec/endpoint/lifecycle.spec.ts', 'waits for the relay on closing for a limited time'],
    },
    closed: 'final',
  },
  'lib/endpoint/delivery.ts #state': {
    open: {
      ends: 'the relay answers the sender itself, and cuts off who answers nothing',
      limit: 'session.stalledTimeoutMs',
      shown: ['spec/security/slow-peers.spec.ts', 'cuts off a peer that reads and never answers'],
    },
    answered: 'final',
    void: 'final',
  },
  'lib/sasl/scram/client.ts #state': {
    first: {
      ends: 'the exchange has the limit of tuning',
      limit: 'session.tuningTimeoutMs',
      shown: [HERE, 'a login was begun and does not continue'],
    },
    final: {
      ends: 'the exchange has the limit of tuning',
      limit: 'session.tuningTimeoutMs',
      shown: [HERE, 'a login was begun and does not continue'],
    },
    complete: 'final',
  },
};

/** Whatever waits in a list: the file and the member. */
const QUEUES: Readonly<Record<string, Exit>> = {
  'lib/transport/channel.ts #queued': {
    ends: 'it goes, or fails as not sent, when the channel is there or gone',
    limit: 'session.tuningTimeoutMs',
    shown: [DEAD, 'when a neighbour never answers a start'],
  },
  'lib/transport/channel.ts #pending': {
    ends: 'no answer in time: 451',
    limit: 'data.deliveryTimeoutMs',
    shown: ['spec/security/slow-peers.spec.ts', 'cuts off a peer that reads and never answers'],
  },
  'lib/mesh/link-target.ts #waiting': {
    ends: 'it was not sent: 450',
    limit: 'data.deliveryTimeoutMs',
    shown: ['spec/relay/lanes.spec.ts', 'fails with 450 what has waited too long, whatever the link does'],
  },
  'lib/relay/channel-lane.ts #waiting': {
    ends: 'the lane is opened or refused, or the session that does not answer the start is cut off',
    limit: 'session.tuningTimeoutMs',
    shown: ['spec/relay/lanes.spec.ts', 'continues with the existing lanes when the neighbour refuses a further one'],
  },
  'lib/relay/gate.ts #waiting': {
    ends: 'it was not looked at: 450',
    limit: 'data.deliveryTimeoutMs',
    shown: [HERE, 'refuses in time what waits behind an undecided operation'],
  },
  'lib/relay/offline/live-deliveries.ts #waiting': {
    ends: 'it was not sent: 450',
    limit: 'data.deliveryTimeoutMs',
    shown: [HERE, 'refuses in time what waits behind held messages that are not answered'],
  },
  'lib/services/presence/keyed-queue.ts #waiting': {
    ends: 'the request before it is done: it waits for the store, and for room for what it sends',
    limit: 'data.deliveryTimeoutMs',
    shown: [DEAD, 'serves others with presence while replies of services wait'],
  },
  'lib/services/presence/fan-out.ts waiting': {
    ends: 'the jobs of a subject are done: each waits for room for what it sends',
    limit: 'data.deliveryTimeoutMs',
    shown: [DEAD, 'serves others with presence while replies of services wait'],
  },
  'lib/services/presence/operation-sender.ts #waiting': {
    ends: 'what is outstanding has its answer in time',
    limit: 'data.deliveryTimeoutMs',
    shown: [DEAD, 'serves others with presence while replies of services wait'],
  },
  'lib/endpoint/outbox.ts #waiting': {
    ends: 'what was sent before has its answer in time, or the connection is lost',
    limit: 'data.deliveryTimeoutMs',
    shown: ['spec/endpoint/sending.spec.ts', 'queues beyond the bound in order'],
  },
  'lib/endpoint/outbox.ts #blocked': {
    ends: 'what was sent before has its answer in time, or the connection is lost',
    limit: 'data.deliveryTimeoutMs',
    shown: ['spec/endpoint/lanes.spec.ts', 'holds a message for recipients on several lanes'],
  },
  'lib/endpoint/lanes.ts #waiting': {
    ends: 'the lane is opened or refused, or the connection is lost',
    limit: 'session.tuningTimeoutMs',
    shown: ['spec/endpoint/lanes.spec.ts', 'says what certainly was not sent when the connection is lost'],
  },
};

const FOLDERS = [
  'mesh',
  'relay',
  'relay/offline',
  'transport',
  'transport/tls',
  'transport/sasl',
  'endpoint',
  'services',
];
const STATE = /^ {2}(?:readonly )?(#?(?:state|phase)): ('[\w-]+'(?:\s*\|\s*'[\w-]+')+)/gm;

function sourceOf(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

/** The states that the code has: by file and member. */
function statesInCode(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const folder of [...FOLDERS, 'sasl/scram', 'services/presence']) {
    for (const name of readdirSync(new URL(`lib/${folder}/`, ROOT))) {
      if (!name.endsWith('.ts')) continue;
      const path = `lib/${folder}/${name}`;
      for (const [, member = '', union = ''] of sourceOf(path).matchAll(STATE)) {
        found.set(
          `${path} ${member}`,
          [...union.matchAll(/'([\w-]+)'/g)].map(([, state = '']) => state),
        );
      }
    }
  }
  return found;
}

function check(where: string, { limit, shown: [file, title] }: Exit): void {
  expect(sourceOf(file), `${where}: ${file} has no spec titled so`).to.contain(title);
  if (limit === undefined) return;
  const [group = '', name = ''] = limit.split('.');
  const limits: Readonly<Record<string, object>> = DEFAULT_LIMITS;
  const known = name === '' ? sourceOf(where.split(' ')[0] ?? '').includes(group) : name in (limits[group] ?? {});
  expect(known, `${where}: there is no limit ${limit}`).to.equal(true);
}

describe('security: every wait ends', function () {
  this.timeout(30_000);
  let fixture: NodeFixture | undefined;

  afterEach(async () => {
    await fixture?.close();
    fixture = undefined;
  });

  it('names for each state of each state machine how it ends, an existing limit, and a spec that shows it', () => {
    const code = statesInCode();
    expect([...code.keys()].toSorted(), 'a state machine that is not listed, or no longer there').to.deep.equal(
      Object.keys(STATES).toSorted(),
    );
    for (const [machine, exits] of Object.entries(STATES)) {
      expect(Object.keys(exits), machine).to.have.members(code.get(machine) ?? []);
      for (const [state, exit] of Object.entries(exits))
        if (typeof exit === 'object') check(`${machine} ${state}`, exit);
    }
  });

  it('names a time limit for everything that waits in a list', () => {
    for (const [queue, exit] of Object.entries(QUEUES)) {
      const [file = '', member = ''] = queue.split(' ');
      expect(sourceOf(file), `${queue} is not there`).to.contain(member);
      check(queue, exit);
    }
  });

  it('ends a session in which TLS was granted and does not begin', async () => {
    fixture = await NodeFixture.build({ tls: 'mesh', limits: { session: { tuningTimeoutMs: 400 } } });
    const peer = await fixture.greeted();
    await peer.request(1, start({ channel: 1, uri: TLS, content: '<ready />' }));
    await peer.ended(4000);
  });

  it('ends a session in which a login was begun and does not continue', async () => {
    fixture = await NodeFixture.build({ limits: { unauthenticated: { lifetimeMs: 500 } } });
    const peer = await fixture.greeted();
    await peer.request(1, start({ channel: 1, uri: DIGEST_MD5, serverName: 'example.com' }));
    await peer.ended(4000);
  });

  it('ends by time a session that the peer releases while answers are due', async () => {
    fixture = await NodeFixture.build({
      limits: { data: { deliveryTimeoutMs: 500 }, session: { closeTimeoutMs: 300, stalledTimeoutMs: 0 } },
    });
    const [fred, barney] = [await fixture.attached(FRED), await fixture.attached(BARNEY)];
    // Barney has a Data that he does not answer, and releases his session all the same.
    fred.peer.msg(fred.channel, inlineData(FRED, [BARNEY], 'anybody there?'));
    await barney.peer.nextRequest(barney.channel);
    barney.peer.msg(0, close(0));
    await barney.peer.ended(4000);
    await fred.peer.nextReply(fred.channel);
  });

  it('stops without waiting for peers that do not answer', async () => {
    fixture = await NodeFixture.build({
      limits: { session: { closeTimeoutMs: 300 }, node: { drainTimeoutMs: 1000 } },
    });
    await fixture.attached(WILMA);
    const begun = performance.now();
    await fixture.node.stop();
    expect(performance.now() - begun).to.be.below(4000);
  });

  it('refuses in time what waits behind an undecided operation', () => {
    const time = new FakeTime();
    const relay = makeRelay({ bindCheck: () => new Promise<boolean>(() => {}), time });
    const wilma = attached(relay, 'wilma@example.com');
    const channel = neighbour(relay, 'rubble.com');
    channel.bind('rubble.com', 1);
    const waiting = channel.send(data('barney@rubble.com', ['wilma@example.com']));
    time.pass(29_000);
    expect(channel.code(waiting)).to.equal(undefined);
    const later = channel.send(data('barney@rubble.com', ['wilma@example.com']));
    time.pass(2000);
    expect([channel.code(waiting), channel.code(later)]).to.deep.equal([450, undefined]);
    time.pass(30_000);
    expect([channel.code(later), wilma.requests.length]).to.deep.equal([450, 0]);
  });

  it('refuses in time what waits behind held messages that are not answered', async () => {
    const stage = new Stage();
    const fred = stage.attached(FRED_OF_STAGE);
    for (let at = 0; at < 6; at += 1) fred.send(dataOf(FRED_OF_STAGE, [BARNEY_OF_STAGE], [hold()]));
    await settled();
    const barney = stage.attached(BARNEY_OF_STAGE);
    await settled();
    expect(barney.requests.length, 'some are out, and not answered').to.be.within(1, 5);
    const plain = fred.send(dataOf(FRED_OF_STAGE, [BARNEY_OF_STAGE]));
    await settled();
    stage.time.pass(29_000);
    expect(fred.code(plain)).to.equal(undefined);
    stage.time.pass(1500);
    expect(fred.code(plain)).to.equal(450);
  });
});
