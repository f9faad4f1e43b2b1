import { expect } from 'chai';
import { Progress } from '../../bin/support/progress.js';

describe('bin/support/progress', () => {
  let written: string[];
  let now: number;

  const progress = (options: { total?: number; unit?: string }, isTTY = true): Progress =>
    new Progress({
      what: 'sending photo.png',
      ...options,
      stream: { isTTY, columns: 0, write: (text: string | Uint8Array) => written.push(String(text)) > 0 },
      now: () => now,
    });

  beforeEach(() => {
    written = [];
    now = 5000;
  });

  it('shows share, rate and time left from a second on, five times a second, and erases the line', () => {
    const one = progress({ total: 10_485_760 });
    now += 900;
    one.update(1_048_576);
    expect(written).to.deep.equal([]);
    now += 1100;
    one.update(2_097_152);
    one.update(2_097_153);
    now += 200;
    one.update(10_485_760);
    one.end();
    expect(written).to.deep.equal([
      '\r\u001b[Ksending photo.png: 20 % of 10.0 MiB, 1.0 MiB/s, 00:00:08 left',
      '\r\u001b[Ksending photo.png: 100 % of 10.0 MiB, 4.5 MiB/s',
      '\r\u001b[K',
    ]);
  });

  it('shows amount and rate where the total is not known, in other units', () => {
    const one = progress({ unit: 'messages' });
    now += 2000;
    one.update(5000);
    expect(written).to.deep.equal(['\r\u001b[Ksending photo.png: 5k messages, 2.50k messages/s']);
  });

  it('writes nothing for work that was short, or where there is no terminal', () => {
    const short = progress({ total: 10 });
    short.update(10);
    short.end();
    const piped = progress({ total: 10 }, false);
    now += 60_000;
    piped.update(5);
    piped.end();
    expect(written).to.deep.equal([]);
  });
});
