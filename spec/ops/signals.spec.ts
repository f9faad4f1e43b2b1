import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { handleSignals } from '../../lib/ops/signals.js';

describe('ops/signals', () => {
  let source: EventEmitter;
  let calls: string[];
  let reload: () => Promise<void>;
  let stop: () => void;

  beforeEach(() => {
    source = new EventEmitter();
    calls = [];
    reload = async () => {};
    stop = handleSignals(
      {
        drain: (signal) => void calls.push(`drain ${signal}`),
        abort: (signal) => void calls.push(`abort ${signal}`),
        reload: () => {
          calls.push('reload');
          return reload();
        },
        reloadFailed: (error) => void calls.push(String(error)),
      },
      source,
    );
  });

  /** Lets everything that is already settled run. */
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('drains at the first signal, and aborts at the second', () => {
    source.emit('SIGTERM', 'SIGTERM');
    source.emit('SIGINT', 'SIGINT');
    expect(calls).to.deep.equal(['drain SIGTERM', 'abort SIGINT']);
  });

  it('reloads once more, later, when signals arrive during a reload', async () => {
    let finish = (): void => {};
    reload = () => new Promise((resolve) => (finish = resolve));
    source.emit('SIGHUP', 'SIGHUP');
    source.emit('SIGHUP', 'SIGHUP');
    source.emit('SIGHUP', 'SIGHUP');
    expect(calls).to.deep.equal(['reload']);
    finish();
    await settled();
    expect(calls).to.deep.equal(['reload', 'reload']);
    finish();
    await settled();
    expect(calls).to.have.length(2);
  });

  it('reports a failed reload, and reloads again the next time', async () => {
    reload = () => Promise.reject(new Error('bad file'));
    source.emit('SIGHUP', 'SIGHUP');
    await settled();
    source.emit('SIGHUP', 'SIGHUP');
    await settled();
    expect(calls).to.deep.equal(['reload', 'Error: bad file', 'reload', 'Error: bad file']);
  });

  it('does not reload while it drains', async () => {
    source.emit('SIGTERM', 'SIGTERM');
    source.emit('SIGHUP', 'SIGHUP');
    await settled();
    expect(calls).to.deep.equal(['drain SIGTERM']);
  });

  it('removes its handlers at the end', () => {
    stop();
    expect(source.eventNames()).to.deep.equal([]);
  });
});
