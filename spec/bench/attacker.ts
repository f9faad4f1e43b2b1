/**
 * One attack on a relay, in a process of its own so that it does not slow down who measures: it stands for other
 * machines, so it runs at a lower priority. Prints a line when the attack is under way, and its count at the end.
 *
 *   attacker.ts ATTACK PORT MESH-PORT CA-FILE    until SIGTERM
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { getPriority, setPriority } from 'node:os';
import { connect as secure } from 'node:tls';
import { newTransId } from '../../lib/imxp/trans-id.js';
import { GREETING, start, TLS } from '../support/raw-documents.js';
import { frame } from '../support/raw-frame.js';
import { BARNEY, EVE, MALLORY, PASSWORD, WILMA } from './mesh.js';
import { dataOf, Peer, subscribing } from './peer.js';

const [attack = '', port = '', otherPort = '', authorityFile = ''] = process.argv.slice(2);
const authority = readFileSync(authorityFile);
const PORT = Number(port);
const OTHER_PORT = Number(otherPort);

/** Strangers come from so many addresses: a limit for each does not stop them. */
const ADDRESSES = 8;
const IDLE = 10_000;
const NEVER_READING = 1000;
/** Connections that one that churns or floods has open at a time. */
const TOGETHER = 32;
const MUTE = 32;
const UNANSWERED = 1500;
const UNANSWERED_MS = 20_000;

const GREETED = frame('RPY', 0, 0, '.', 0, GREETING);

let count = 0;
let stopped = false;
process.once('SIGTERM', () => {
  stopped = true;
  process.stdout.write(`${count}\n`, () => process.exit(0));
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let hosts = 0;
function stranger(): Socket {
  hosts += 1;
  // What the relay does to it is the relay's right, and it comes again.
  return connect({ port: PORT, host: '127.0.0.1', localAddress: `127.0.1.${1 + (hosts % ADDRESSES)}` }).on(
    'error',
    () => {},
  );
}

/** Starts that a reader of their replies may ask for: as many as fit into the first window of channel 0. */
function starts(): Buffer {
  const frames: Buffer[] = [GREETED];
  let at = GREETING.length;
  for (let msgno = 1; at < 4000; msgno += 1) {
    const payload = start({ channel: msgno * 2 - 1, uri: 'http://example.com/unknown' });
    if (at + payload.length > 4096) break;
    frames.push(frame('MSG', 0, msgno, '.', at, payload));
    at += payload.length;
  }
  return Buffer.concat(frames);
}

/** Keeps so many connections; each that the relay ends is made again. */
async function keep(many: number, open: (socket: Socket) => void): Promise<void> {
  const one = (): void => {
    const socket = stranger();
    count += 1;
    open(socket);
    socket.once('close', () => {
      if (!stopped) setTimeout(one, 100);
    });
  };
  for (let at = 0; at < many; at += 1) {
    one();
    if (at % 100 === 99) await pause(100);
  }
}

const until = (socket: Socket, done: (octets: string) => boolean): Promise<boolean> =>
  new Promise((resolve) => {
    let heard = '';
    socket.on('data', (octets) => {
      heard += octets.toString('latin1');
      if (done(heard)) resolve(true);
    });
    socket.once('close', () => resolve(false));
  });

const ATTACKS: Readonly<Record<string, () => Promise<void>>> = {
  /** They connect and say nothing. */
  idle: () => keep(IDLE, () => {}),

  /** They ask and never read. */
  'never-reading': async () => {
    const octets = starts();
    await keep(NEVER_READING, (socket) => socket.pause().write(octets));
  },

  /** They connect, wait for the greeting and leave. */
  churn: async () => {
    for (let at = 0; at < TOGETHER; at += 1) void churn();
    async function churn(): Promise<void> {
      for (;;) {
        const socket = stranger();
        if (!(await until(socket, (heard) => heard.includes('END\r\n')))) await pause(10);
        socket.destroy();
        count += 1;
      }
    }
  },

  /** They ask for TLS, complete the handshake and leave. */
  tls: async () => {
    for (let at = 0; at < TOGETHER; at += 1) void flood();
    async function flood(): Promise<void> {
      for (;;) {
        const socket = stranger();
        socket.write(GREETED);
        socket.write(
          frame(
            'MSG',
            0,
            1,
            '.',
            GREETING.length,
            start({ channel: 1, uri: TLS, content: '<ready />', serverName: 'example.com' }),
          ),
        );
        if (!(await until(socket, (heard) => heard.includes('<proceed')))) {
          await pause(10);
          continue;
        }
        socket.removeAllListeners('data');
        await new Promise<void>((resolve) => {
          const tls = secure({ socket, ca: authority, servername: 'example.com' });
          tls.once('secureConnect', () => tls.destroy()).once('error', () => {});
          tls.once('close', () => resolve());
        });
        count += 1;
      }
    }
  },

  /** One account asks the presence service for more and more and answers none of its replies. */
  presence: async () => {
    let peer = await eve();
    const one = (): void => {
      const over = peer;
      peer.request(subscribing(EVE, WILMA, newTransId()), {
        replied: () => {
          count += 1;
          if (count > UNANSWERED) setTimeout(one, 20);
          else one();
        },
        // It has the session ended for it, and comes again.
        failed: () => void again(over).then(one),
      });
    };
    let coming: Promise<void> | undefined;
    function again(over: Peer): Promise<void> {
      if (peer !== over) return coming ?? Promise.resolve();
      coming ??= pause(50)
        .then(eve)
        .then((next) => {
          peer = next;
          coming = undefined;
        });
      return coming;
    }
    for (let at = 0; at < TOGETHER; at += 1) one();
    // The more it leaves unanswered the slower it is served.
    for (let waited = 0; count < UNANSWERED && waited < UNANSWERED_MS; waited += 50) await pause(50);
  },

  /** Two accounts write to addresses behind the link that never answer. */
  recipients: async () => {
    const mute = await attached(BARNEY, OTHER_PORT, 'barney/mute@rubble.com');
    const [local, domain] = BARNEY.split('@');
    const addresses = Array.from({ length: MUTE }, (_, at) => `${local}/${at}@${domain}`);
    for (const address of addresses) await mute.attachMore(address);
    mute.mute = true;
    for (const account of [EVE, MALLORY]) {
      const peer = await attached(account, PORT);
      for (const address of addresses) {
        const payload = dataOf(account, address, 100);
        const one = (): void => {
          const again = (): void => void setTimeout(one, 20);
          count += 1;
          peer.request(payload, { replied: again, failed: again });
        };
        one();
      }
    }
    await pause(1500);
  },
};

/** Logs in; the relay may still be ending the session before. */
async function eve(): Promise<Peer> {
  for (;;) {
    const peer = await attached(EVE, PORT).catch(() => undefined);
    if (peer === undefined) {
      await pause(100);
      continue;
    }
    peer.mute = true;
    return peer;
  }
}

function attached(account: string, at: number, address = account): Promise<Peer> {
  return Peer.attach({ port: at, address, username: account, password: PASSWORD, authority });
}

setPriority(Math.min(19, getPriority() + 10));
// Connections that are not read do not keep a process alive.
setInterval(() => {}, 60_000);
const run = ATTACKS[attack];
if (run === undefined) throw new Error(`no attack is called ${attack}; there are ${Object.keys(ATTACKS).join(', ')}`);
await run();
await pause(1000);
process.stdout.write('under way\n');
