import { PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { events } from '../../lib/ops/events.js';
import { LogFilter } from '../../lib/ops/log-filter.js';
import { LogTail } from '../../lib/ops/log-tail.js';

type Line = Record<string, unknown>;

const every = (): (() => void) => () => {};

function open(session: string, remote = '192.0.2.7'): void {
  events.opened.publish({ session, remote, port: 4711, role: 'listener' });
}

/** A reader who reads nothing until they are told to. */
class Slow extends Writable {
  readonly chunks: string[] = [];
  #next: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 100, decodeStrings: false });
  }

  override _write(chunk: string, _: BufferEncoding, done: () => void): void {
    this.chunks.push(chunk);
    this.#next = done;
  }

  /** Reads what has arrived, and what waits. */
  async read(): Promise<void> {
    while (this.#next !== undefined) {
      const next = this.#next;
      this.#next = undefined;
      next();
      await turn();
    }
  }

  get lines(): Line[] {
    return this.chunks
      .join('')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }
}

describe('ops/log-tail', () => {
  let tail: LogTail | undefined;
  afterEach(() => tail?.stop());

  it('writes the lines from its level on, as the log does', async () => {
    const out = new PassThrough({ encoding: 'utf8' });
    tail = new LogTail(out, { level: 'warn', filter: new LogFilter({ kinds: [] }), every });
    open('s1');
    events.refused.publish({ session: 's1', remote: '192.0.2.7', what: 'attach', code: 537, reason: 'is wilma' });
    await turn();
    const lines = String(out.read()).trimEnd().split('\n');
    expect(lines).to.have.length(1);
    expect(JSON.parse(lines[0] ?? '')).to.include({ level: 'warn', msg: 'refused: attach', session: 's1' });
  });

  it('keeps a bounded number of lines for a slow reader, counts the others and tells the number', async () => {
    const out = new Slow();
    tail = new LogTail(out, { level: 'info', filter: new LogFilter({ kinds: [] }), every, mostUnread: 2000 });
    for (let number = 1; number <= 100; number += 1) open(`s${number}`);
    await turn();
    for (let number = 101; number <= 200; number += 1) open(`s${number}`);
    await turn();
    expect(out.writableLength).to.be.at.most(2000);
    await out.read();
    open('s201');
    await turn();
    await out.read();
    const { lines } = out;
    const sessions = lines.flatMap(({ session }) => (session === undefined ? [] : [session]));
    const told = lines.flatMap(({ lost }) => (typeof lost === 'number' ? [lost] : []));
    expect(told).to.have.length(1);
    expect(told[0], 'nothing is missing from the count').to.equal(201 - sessions.length);
    expect(sessions.slice(0, 2)).to.deep.equal(['s1', 's2']);
    expect(sessions.at(-1)).to.equal('s201');
    expect(lines.at(-2)).to.include({ level: 'warn', msg: 'lines lost: this reader is too slow' });
  });

  it('disconnects a reader who reads nothing for too long', async () => {
    const out = new Slow();
    const filter = new LogFilter({ kinds: [] });
    tail = new LogTail(out, { level: 'info', filter, every, mostUnread: 500, stalledMs: 0 });
    for (let number = 1; number <= 20; number += 1) open(`s${number}`);
    await turn();
    for (let number = 1; number <= 20 && !out.destroyed; number += 1) {
      await turn();
      open(`t${number}`);
    }
    expect(out.destroyed).to.equal(true);
  });
});

describe('ops/log-filter', () => {
  const admits = (choice: object, kind: string, fields: object): boolean =>
    new LogFilter({ kinds: [], ...choice }).admits({ kind, message: '', fields });

  it('chooses by kind, with all kinds below one', () => {
    expect(admits({ kinds: ['session'] }, 'session:open', {})).to.equal(true);
    expect(admits({ kinds: ['link', 'session:refused'] }, 'session:open', {})).to.equal(false);
    expect(admits({ kinds: ['sess'] }, 'session:open', {})).to.equal(false);
  });

  it('chooses by session, also through its channels, and tells those of workers apart', () => {
    expect(admits({ session: 's12' }, 'relay:attach', { channel: 's12/3' })).to.equal(true);
    expect(admits({ session: 's1' }, 'relay:attach', { channel: 's12/3' })).to.equal(false);
    expect(admits({ session: 'w2/s1' }, 'session:open', { session: 's1', worker: 'w2' })).to.equal(true);
    expect(admits({ session: 'w2/s1' }, 'session:open', { session: 's1', worker: 'w1' })).to.equal(false);
  });

  it('chooses by address with its subaddresses, by domain, by IP address and by relay', () => {
    const forwarded = { originator: 'Fred/phone@example.com', recipients: ['barney@rubble.com'] };
    for (const peer of ['fred@example.com', 'example.com', 'rubble.com', 'FRED/phone@example.com']) {
      expect(admits({ peer }, 'relay:forward', forwarded), peer).to.equal(true);
    }
    expect(admits({ peer: 'wilma@example.com' }, 'relay:forward', forwarded)).to.equal(false);
    expect(admits({ peer: 'ample.com' }, 'relay:forward', forwarded)).to.equal(false);
    expect(admits({ peer: '192.0.2.7' }, 'session:open', { remote: '192.0.2.7' })).to.equal(true);
    expect(admits({ peer: 'rubble.com' }, 'link', { link: 'rubble.com' })).to.equal(true);
    expect(admits({ peer: 'rubble.com' }, 'session:authenticated', { identity: 'imxp=mesh@rubble.com' })).to.equal(
      true,
    );
  });

  it('has all lines of a session that is that of the peer', () => {
    const filter = new LogFilter({ kinds: ['session:close'], peer: 'fred@example.com' }, ['s3']);
    const closed = (session: string): boolean =>
      filter.admits({ kind: 'session:close', message: '', fields: { session, remote: '192.0.2.7' } });
    expect([closed('s1'), closed('s3')]).to.deep.equal([false, true]);
    const fields = { session: 's1', identity: 'fred@example.com' };
    expect(filter.admits({ kind: 'session:authenticated', message: '', fields })).to.equal(false);
    expect(closed('s1')).to.equal(true);
  });
});
