import { expect } from 'chai';
import { events } from '../../lib/ops/events.js';
import { type Log, type LogLevel, startLog } from '../../lib/ops/log.js';
import { prettyLine } from '../../lib/ops/pretty.js';

describe('ops/log', () => {
  let lines: Record<string, unknown>[];
  let log: Log | undefined;

  function start(level: LogLevel): Log {
    lines = [];
    log = startLog({ level, destination: { write: (text) => void lines.push(JSON.parse(text)) } });
    return log;
  }

  function forward(): void {
    const facts = { channel: 'c1', originator: 'fred@example.com', recipients: ['barney@rubble.com'] };
    events.forwarded.publish({ ...facts, octets: 100, code: 250, ms: 1 });
  }

  afterEach(() => log?.stop());

  it('writes an event as one JSON object with level, time and message', () => {
    start('info');
    events.attached.publish({ channel: 'c1', subject: 'fred@example.com', transID: 1 });
    expect(lines).to.have.length(1);
    expect(lines[0]).to.include({ level: 'info', msg: 'attached', subject: 'fred@example.com', transID: 1 });
    expect(Date.parse(String(lines[0]?.['time']))).to.be.closeTo(Date.now(), 5000);
  });

  it('logs "ready", for which scripts wait', () => {
    start('info');
    events.node.publish({ state: 'ready', domains: ['example.com'] });
    expect(lines[0]).to.include({ msg: 'ready' });
  });

  it('logs refusals with their reason, and faults with their origin', () => {
    start('warn');
    const refusal = { session: 's1', remote: '127.0.0.1', what: 'attach', code: 537, reason: 'is wilma' };
    events.refused.publish(refusal);
    events.fault.publish({ session: 's1', error: new Error('oops') });
    expect(lines[0]).to.include({ level: 'warn', msg: 'refused: attach', code: 537, reason: 'is wilma' });
    expect(lines[1]).to.include({ level: 'error', msg: 'fault' });
    expect(lines[1]?.['error']).to.include({ message: 'oops' }).and.to.have.property('stack');
  });

  it('writes ten refusals of a kind to an address, then their number at intervals', () => {
    let sweep = (): void => {};
    let stopped = false;
    lines = [];
    log = startLog({
      level: 'warn',
      destination: { write: (text) => void lines.push(JSON.parse(text)) },
      every: (_ms, run) => {
        sweep = run;
        return () => {
          stopped = true;
        };
      },
    });
    const refuse = (remote: string, what: string, reason: string): void =>
      events.refused.publish({ session: 's1', remote, what, code: 537, reason });
    for (let i = 1; i <= 500; i += 1) refuse('192.0.2.1', 'data', `not permitted: ${i}`);
    refuse('192.0.2.2', 'data', 'another address');
    refuse('192.0.2.1', 'attach', 'another thing');
    expect(lines.map(({ msg }) => msg)).to.deep.equal([
      ...Array.from({ length: 10 }, () => 'refused: data'),
      'refused: data',
      'refused: attach',
    ]);
    sweep();
    expect(lines, 'the minute is not over').to.have.length(12);
    log.stop();
    expect(lines).to.have.length(13);
    expect(lines[12]).to.include({
      level: 'warn',
      msg: 'refused: data, again',
      remote: '192.0.2.1',
      code: 537,
      count: 490,
    });
    expect(lines[12]).to.include({ reason: 'not permitted: 500' });
    expect(stopped).to.equal(true);
  });

  it('warns of each session under legacy TLS, and only notes the others', () => {
    start('info');
    const tuned = { session: 's1', remote: '127.0.0.1', cipher: 'any', resumed: false, authorized: false };
    events.tuned.publish({ ...tuned, protocol: 'TLSv1.3', legacy: false });
    events.tuned.publish({ ...tuned, protocol: 'TLSv1', legacy: true });
    expect(lines.map(({ level }) => level)).to.deep.equal(['info', 'warn']);
    expect(lines[1]?.['msg']).to.match(/legacy TLS/);
  });

  it('does not even observe what it would not log', () => {
    start('info');
    forward();
    expect(events.forwarded.observed).to.equal(false);
    expect(lines).to.deep.equal([]);
  });

  it('logs each Data at debug, from the moment the level changes', () => {
    const started = start('info');
    started.setLevel('debug');
    expect(events.forwarded.observed).to.equal(true);
    forward();
    expect(lines[0]).to.include({ level: 'debug', msg: 'data forwarded', code: 250, octets: 100 });
    started.setLevel('silent');
    forward();
    events.attached.publish({ channel: 'c1', subject: 'fred@example.com', transID: 1 });
    expect(lines).to.have.length(1);
  });

  it('logs nothing after it was stopped', () => {
    start('trace').stop();
    expect(Object.values(events).filter((event) => event.observed)).to.deep.equal([]);
  });
});

describe('ops/pretty', () => {
  const json = (fields: object): string =>
    `${JSON.stringify({ level: 'info', time: '2001-02-03T04:05:06.789Z', ...fields })}\n`;

  it('writes one line for people', () => {
    const text = prettyLine(json({ subject: 'fred@example.com', reason: 'two words', msg: 'attached' }), false);
    expect(text).to.equal('04:05:06.789 INFO  attached subject=fred@example.com reason="two words"\n');
  });

  it('keeps control sequences of peers from the terminal', () => {
    const text = prettyLine(json({ subject: '\u001b[2J\u009b2J\u202e', msg: 'a\u001b[31m\nb' }), false);
    expect(text.trimEnd()).to.match(/^[\x20-\x7e]*$/);
  });

  it('puts the stack of an error on the lines below', () => {
    const text = prettyLine(json({ error: { message: 'oops', stack: 'Error: oops\n    at x' }, msg: 'fault' }), false);
    expect(text).to.equal('04:05:06.789 INFO  fault\n    Error: oops\n        at x\n');
  });

  it('uses colours only when asked', () => {
    expect(prettyLine(json({ msg: 'x' }), true)).to.include('\u001b[32m');
  });
});
