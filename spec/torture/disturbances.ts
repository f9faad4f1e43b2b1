/** What happens to a mesh while honest messages travel: each disturbance with how often it comes and how it is undone. */
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type Dice, Mutator } from '../support/mutation.js';
import { beepXml, GREETING, IMXP, start } from '../support/raw-documents.js';
import { frame, seq } from '../support/raw-frame.js';
import { DOMAINS, type Relay, type Stage } from './stage.js';
import { pause, RECIPIENTS } from './traffic.js';

export interface Disturbance {
  readonly name: string;
  /** Of all weights together, the share of this one. */
  readonly weight: number;
  /** Why it cannot be done here, or undefined. */
  obstacle?(stage: Stage): string | undefined;
  /** Done when everything it began is over. */
  disturb(stage: Stage, dice: Dice): Promise<void>;
}

const relayOf = (stage: Stage, dice: Dice): Relay => stage.relays[dice.of(DOMAINS)];

/** Where a log or a database finds no room any more. */
const FILLER = 'filler';

export const DISTURBANCES: readonly Disturbance[] = [
  {
    name: 'SIGKILL of a relay',
    weight: 3,
    async disturb(stage, dice) {
      const relay = relayOf(stage, dice);
      relay.up = false;
      await relay.node.kill();
      await pause(dice.below(600));
      await stage.start(relay);
    },
  },
  {
    name: 'SIGTERM of a relay',
    weight: 1,
    async disturb(stage, dice) {
      const relay = relayOf(stage, dice);
      relay.up = false;
      const { code } = await relay.node.stop();
      if (code !== 0) throw new Error(`${relay.domain} ended with ${code} after SIGTERM`);
      await stage.start(relay);
    },
  },
  {
    name: 'SIGKILL of an endpoint',
    weight: 3,
    async disturb(stage, dice) {
      const address = dice.of(RECIPIENTS);
      await stage.killReceiver(address);
      await pause(dice.below(300));
      await stage.receive(address);
    },
  },
  {
    name: 'every connection reset',
    weight: 4,
    async disturb(stage, dice) {
      relayOf(stage, dice).proxy.cut();
    },
  },
  {
    name: 'connections reset at some octet of their beginning',
    weight: 6,
    async disturb(stage, dice) {
      const { proxy } = relayOf(stage, dice);
      proxy.cutNextAfter(...Array.from({ length: 1 + dice.below(3) }, () => dice.below(6000)));
      proxy.cut();
    },
  },
  {
    name: 'connections stall',
    weight: 2,
    async disturb(stage, dice) {
      const { proxy } = relayOf(stage, dice);
      proxy.stall();
      await pause(200 + dice.below(2500));
      proxy.resume();
    },
  },
  {
    name: 'strangers with broken BEEP',
    weight: 4,
    async disturb(stage, dice) {
      const { port } = relayOf(stage, dice).node;
      const mutator = new Mutator(dice, STRANGE);
      await Promise.all(Array.from({ length: 20 }, () => stranger(port, mutator.next(), 300 + dice.below(700))));
    },
  },
  {
    name: 'strangers who stay and say nothing',
    weight: 2,
    async disturb(stage, dice) {
      const { port } = relayOf(stage, dice).node;
      await Promise.all(Array.from({ length: 100 }, () => stranger(port, Buffer.alloc(0), 1500)));
    },
  },
  {
    name: 'steps of the wall clock',
    weight: 1,
    obstacle: ({ clock }) => (clock === undefined ? 'libfaketime is not installed (Debian: faketime)' : undefined),
    async disturb(stage, dice) {
      stage.stepClock(dice.of([-86_400, -3600, -61, 61, 3600, 86_400]));
      await pause(500);
      stage.stepClock(0);
    },
  },
  {
    name: 'a full disk',
    weight: 1,
    obstacle: (stage) =>
      Object.values(stage.relays).some((relay) => stage.fillable(relay))
        ? undefined
        : 'no right to mount a file system',
    async disturb(stage, dice) {
      const relay = relayOf(stage, dice);
      const { bavail, bsize } = statfsSync(relay.folder);
      const file = `${relay.folder}/${FILLER}`;
      try {
        writeFileSync(file, Buffer.alloc(bavail * bsize));
      } catch (error) {
        // The relay wrote something meanwhile: it is full all the same.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
      await pause(1000);
      rmSync(file, { force: true });
    },
  },
];

const GREETED = frame('RPY', 0, 0, '.', 0, GREETING);
const STRANGE: readonly Buffer[] = [
  GREETED,
  Buffer.concat([GREETED, frame('MSG', 0, 1, '.', GREETING.length, start({ channel: 1, uri: IMXP }))]),
  Buffer.concat([GREETED, frame('MSG', 0, 1, '.', GREETING.length, beepXml("<close number='0' code='200' />"))]),
  Buffer.concat([GREETED, seq(0, 0, 8192), frame('ANS', 0, 0, '*', GREETING.length, 'x', 1)]),
  Buffer.from('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'),
  Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
];

/** Connects, says something, stays a while, and goes. */
function stranger(port: number, octets: Buffer, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect(port, '127.0.0.1');
    const leave = setTimeout(() => socket.destroy(), ms);
    // That it is refused or thrown out is the relay's right.
    socket.on('error', () => {}).on('data', () => {});
    socket.on('connect', () => socket.write(octets));
    socket.on('close', () => {
      clearTimeout(leave);
      resolve();
    });
  });
}
