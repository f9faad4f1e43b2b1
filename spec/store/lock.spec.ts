import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import {
  answersLiveness,
  type Liveness,
  type LockEntry,
  listenForLiveness,
  removeSocket,
  takeLock,
} from '../../lib/store/lock.js';
import { MemoryStore } from '../../lib/store/memory.js';
import { temporaryDirectory } from '../support/temporary.js';

const entryOf = (token: string): LockEntry => ({
  token,
  pid: token.length,
  host: 'quarry',
  process: 'boot namespace start',
  socket: true,
  since: '2001-02-03T04:05:06.000Z',
});

/** Which relays run, and what was cleared up. */
class KnownRelays implements Liveness {
  readonly living = new Set<string>();
  readonly cleared: string[] = [];

  async alive({ token }: LockEntry): Promise<boolean> {
    return this.living.has(token);
  }

  async clear({ token }: LockEntry): Promise<void> {
    this.cleared.push(token);
  }
}

describe('store/lock', () => {
  let store: MemoryStore;
  let relays: KnownRelays;

  beforeEach(() => {
    store = new MemoryStore();
    relays = new KnownRelays();
  });

  const take = (token: string): Promise<() => Promise<void>> => {
    relays.living.add(token);
    return takeLock(store, entryOf(token), relays, 'var');
  };
  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'none',
      (error: unknown) => (error instanceof LocalError ? error.code : String(error)),
    );

  it('is taken by one relay at a time', async () => {
    const leave = await take('fred');
    const refused = await take('barney').catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(LocalError).and.include({ code: 'STORE_FAILED' });
    expect(String(refused))
      .to.include('the store var is in use by another relay: process 4 on quarry, since 2001-02-03')
      .and.include('store.path');
    await leave();
    await take('barney');
    expect(relays.cleared).to.deep.equal([]);
  });

  it('is taken over from a relay that was killed, which is cleared up after', async () => {
    const late = await take('fred');
    relays.living.delete('fred');
    await take('barney');
    expect(relays.cleared).to.deep.equal(['fred']);
    // The dead cannot give away what is not theirs any more.
    await late();
    expect(await codeOf(take('wilma'))).to.equal('STORE_FAILED');
  });

  it('is taken by one of many that start at once', async () => {
    const outcomes = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((token) => codeOf(take(token))));
    expect(outcomes.filter((outcome) => outcome === 'none')).to.have.length(1);
    relays.living.clear();
    const again = await Promise.all(['f', 'g', 'h'].map((token) => codeOf(take(token))));
    expect(again.filter((outcome) => outcome === 'none')).to.have.length(1);
    expect(relays.cleared).to.have.length(1);
  });

  it('is taken where its entry is not understood', async () => {
    await store.put('lock', { version: 2 });
    await take('fred');
  });
});

describe('store/lock: the liveness socket', () => {
  const path = temporaryDirectory();

  it('answers until it is closed, and leaves nothing', async () => {
    const socket = await listenForLiveness(path(), 'relay');
    expect(await answersLiveness(path(), 'relay')).to.equal(true);
    await socket?.close();
    expect(await answersLiveness(path(), 'relay')).to.equal(false);
    expect(await readdir(path())).to.deep.equal([]);
  });

  it('answers no more when the process was killed', async function () {
    this.timeout(30_000);
    const module = new URL('../../lib/store/lock.ts', import.meta.url).href;
    const code = `import { listenForLiveness } from ${JSON.stringify(module)};
      const socket = await listenForLiveness(${JSON.stringify(path())}, 'relay');
      console.log(socket === undefined ? 'none' : 'listening');
      process.stdin.resume();`;
    const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', code], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [said] = await once(child.stdout, 'data');
    expect(String(said)).to.equal('listening\n');
    expect(await answersLiveness(path(), 'relay')).to.equal(true);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await readdir(path())).to.deep.equal(['relay']);
    expect(await answersLiveness(path(), 'relay')).to.equal(false);
    await removeSocket(path(), 'relay');
    expect(await readdir(path())).to.deep.equal([]);
  });

  it('answers in a directory whose path is too long for a socket, where the system has a way', async function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: only Linux has a short path for every directory that is open');
      return this.skip();
    }
    const deep = path('d'.repeat(120));
    await mkdir(deep);
    const socket = await listenForLiveness(deep, 'relay');
    expect(socket).to.not.equal(undefined);
    expect(await answersLiveness(deep, 'relay')).to.equal(true);
    await socket?.close();
    expect(await answersLiveness(deep, 'relay')).to.equal(false);
    expect(await readdir(deep)).to.deep.equal([]);
  });

  it('does not exist where no file can be made', async () => {
    expect(await listenForLiveness(path('none'), 'relay')).to.equal(undefined);
    expect(await answersLiveness(path('none'), 'relay')).to.equal(false);
  });
});
