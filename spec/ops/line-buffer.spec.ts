import { spawn } from 'node:child_process';
import { expect } from 'chai';
import { LineBuffer } from '../../lib/ops/line-buffer.js';
import { within } from '../support/within.js';

describe('ops/line-buffer', () => {
  /** An output that says when it has received some text. */
  function output() {
    const written: string[] = [];
    let tell = (): void => {};
    return {
      written,
      write: (text: string): void => {
        written.push(text);
        tell();
      },
      next: () =>
        new Promise<void>((resolve) => {
          tell = resolve;
        }),
    };
  }

  const later = (ms: number, run: () => void): void => void setTimeout(run, ms).unref();

  it('writes a line that comes alone at once, and those that follow it together', async () => {
    const out = output();
    const buffer = new LineBuffer(out, later);
    for (const line of ['1\n', '2\n', '3\n']) buffer.write(line);
    expect(out.written).to.deep.equal(['1\n']);
    // The timer of a buffer keeps no process alive.
    const alive = setTimeout(() => {}, 2000);
    await within(1000, out.next(), 'the others');
    clearTimeout(alive);
    expect(out.written).to.deep.equal(['1\n', '2\n3\n']);
  });

  it('writes what waits when asked, and when it is much', () => {
    const out = output();
    const buffer = new LineBuffer(out, later);
    buffer.write('1\n');
    buffer.write('2\n');
    buffer.flush();
    buffer.flush();
    expect(out.written).to.deep.equal(['1\n', '2\n']);
    for (let index = 0; index < 66; index += 1) buffer.write(`${'x'.repeat(999)}\n`);
    expect(out.written).to.have.length(3);
    expect(out.written[2]).to.have.length(66_000);
  });

  it('loses nothing of a log when the process ends, and lets no warning wait', async () => {
    const script = `
      import { startLog } from './lib/ops/log.js';
      const later = (ms, run) => void setTimeout(run, ms).unref();
      const log = startLog({ level: 'info', later });
      process.once('exit', () => log.stop());
      log.logger.info('one');
      log.logger.info('two');
      log.logger.warn('three');
      process.send('warned', () => {
        log.logger.info('four');
        throw new Error('the end');
      });`;
    const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
    });
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    const over = new Promise<void>((resolve) => child.once('close', () => resolve()));
    await within(20_000, over, 'the end');
    const said = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).msg);
    expect(said).to.deep.equal(['one', 'two', 'three', 'four']);
  });
});
