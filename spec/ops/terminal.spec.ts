import { expect } from 'chai';
import { note, print, printJson } from '../../bin/support/output.js';
import { startLog } from '../../lib/ops/log.js';
import { visible, visibleJson } from '../../lib/ops/terminal.js';

/** As a name server, a certificate, a peer or another process may put it into a name. */
const EVIL = 'a\u001b]0;owned\u0007\u009b2J\u202egpj.exe\u2028\u007f\rb';

/** What two functions of the process have written. */
function written(action: () => void): string {
  const chunks: string[] = [];
  const streams = [process.stdout, process.stderr] as const;
  const own = streams.map((stream) => stream.write);
  for (const stream of streams) {
    stream.write = (chunk: string | Uint8Array) => {
      chunks.push(String(chunk));
      return true;
    };
  }
  try {
    action();
  } finally {
    for (const [at, stream] of streams.entries()) stream.write = own[at] ?? stream.write;
  }
  return chunks.join('');
}

const CONTROL = /(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/u;

describe('ops/terminal', () => {
  it('passes no control character to a terminal, whichever command prints what others have sent', () => {
    for (const action of [() => print(EVIL), () => note(EVIL), () => printJson({ text: EVIL, [EVIL]: 1 })]) {
      const text = written(action);
      expect(text).to.not.match(CONTROL);
      expect(text).to.include('owned');
    }
    const [line] = written(() => printJson({ text: EVIL })).split('\n');
    expect(JSON.parse(line ?? '').text, 'and says the same as JSON').to.equal(EVIL);
  });

  it('keeps the colours of this program on terminals that want them, and nothing else', () => {
    const terminal = { isTTY: true } as NodeJS.WriteStream;
    const before = { NO_COLOR: process.env['NO_COLOR'], TERM: process.env['TERM'] };
    Object.assign(process.env, { NO_COLOR: '', TERM: 'xterm' });
    try {
      expect(visible('\u001b[1mbold\u001b[0m \u001b[2J\u009b31m', terminal)).to.equal(
        '\u001b[1mbold\u001b[0m \\u001b[2J\\u009b31m',
      );
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
    expect(visible('\u001b[1mbold', { isTTY: false } as NodeJS.WriteStream)).to.equal('\\u001b[1mbold');
  });

  it('writes JSON that programs read unchanged', () => {
    const value = { text: `${EVIL} \u{e0001} tag` };
    const json = visibleJson(JSON.stringify(value));
    expect(json).to.not.match(CONTROL);
    expect(JSON.parse(json)).to.deep.equal(value);
  });

  it('keeps them out of the log, too', () => {
    for (const pretty of [false, true]) {
      const lines: string[] = [];
      const log = startLog({
        level: 'info',
        pretty,
        color: false,
        destination: { write: (line) => void lines.push(line) },
      });
      log.logger.info({ subject: EVIL, [EVIL]: 1 }, EVIL);
      log.stop();
      expect(lines.join('')).to.not.match(CONTROL);
    }
  });
});
