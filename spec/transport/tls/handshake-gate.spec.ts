import { expect } from 'chai';
import { TransportError } from '../../../lib/errors.js';
import { HandshakeGate } from '../../../lib/transport/tls/handshake-gate.js';

/** A task that ends when told. */
function task() {
  let finish = (): void => {};
  const state = { running: false, finish: () => finish() };
  const run = (): Promise<string> =>
    new Promise((resolve) => {
      state.running = true;
      finish = () => resolve('done');
    });
  return Object.assign(state, { run });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('transport/tls/handshake-gate', () => {
  it('runs as many as allowed, then the next in order', async () => {
    const gate = new HandshakeGate({ limit: 2, queueLimit: 2 });
    const tasks = [task(), task(), task(), task()];
    const ends = tasks.map(({ run }) => gate.run(run));
    await turn();
    expect(tasks.map(({ running }) => running)).to.deep.equal([true, true, false, false]);
    expect([gate.running, gate.waiting]).to.deep.equal([2, 2]);
    tasks[1]?.finish();
    expect(await ends[1]).to.equal('done');
    await turn();
    expect(tasks.map(({ running }) => running)).to.deep.equal([true, true, true, false]);
    for (const each of tasks) {
      await turn();
      each.finish();
    }
    await Promise.all(ends);
    expect([gate.running, gate.waiting]).to.deep.equal([0, 0]);
  });

  it('refuses when too many wait', async () => {
    const gate = new HandshakeGate({ limit: 1, queueLimit: 1 });
    const tasks = [task(), task()];
    const ends = tasks.map(({ run }) => gate.run(run));
    const refused = await gate.run(() => Promise.resolve('never')).catch((error) => error);
    expect(refused).to.be.instanceOf(TransportError).with.property('code', 'BUSY');
    for (const each of tasks) {
      await turn();
      each.finish();
    }
    await Promise.all(ends);
  });

  it('frees the place of a task that fails', async () => {
    const gate = new HandshakeGate({ limit: 1, queueLimit: 1 });
    const failed = await gate.run(() => Promise.reject(new Error('no'))).catch((error) => error.message);
    expect(failed).to.equal('no');
    expect(await gate.run(() => Promise.resolve('yes'))).to.equal('yes');
  });

  it('drops a waiting handshake when its signal is aborted, and never runs it', async () => {
    const gate = new HandshakeGate({ limit: 1, queueLimit: 2 });
    const [first, given] = [task(), task()];
    const end = gate.run(first.run);
    const abort = new AbortController();
    const waiting = gate.run(given.run, abort.signal).catch((error) => error);
    abort.abort();
    expect(await waiting).to.include({ code: 'CLOSED' });
    expect(await gate.run(given.run, AbortSignal.abort()).catch((error) => error)).to.include({ code: 'CLOSED' });
    expect(gate.waiting).to.equal(0);
    first.finish();
    await end;
    expect(given.running).to.equal(false);
  });
});
