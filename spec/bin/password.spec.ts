import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { CommandError } from '../../bin/support/exit.js';
import { readHidden } from '../../bin/support/password.js';

class Keyboard extends EventEmitter {
  raw = false;
  reading = false;

  setRawMode(raw: boolean): void {
    this.raw = raw;
  }

  resume(): void {
    this.reading = true;
  }

  pause(): void {
    this.reading = false;
  }
}

describe('the password prompt', () => {
  let keyboard: Keyboard;
  let shown: string;
  const screen = {
    write(text: string): void {
      if (text === 'Password: ') expect(keyboard.raw, 'asked while the terminal still echoes').to.equal(true);
      shown += text;
    },
  };

  beforeEach(() => {
    keyboard = new Keyboard();
    shown = '';
  });

  function ask(...typed: (string | Buffer)[]): Promise<string> {
    const answer = readHidden('Password: ', keyboard, screen);
    expect(keyboard).to.include({ raw: true, reading: true });
    for (const keys of typed) keyboard.emit('data', Buffer.from(keys));
    return answer;
  }

  it('shows nothing of what is typed, and restores the terminal', async () => {
    expect(await ask('yab', 'ba\r')).to.equal('yabba');
    expect(shown).to.equal('Password: \n');
    expect(keyboard).to.include({ raw: false, reading: false });
    expect(keyboard.eventNames()).to.deep.equal([]);
  });

  it('accepts corrections', async () => {
    expect(await ask('wrong\u0015yax\u007fbba\n')).to.equal('yabba');
  });

  it('reads characters that arrive in pieces', async () => {
    const octets = Buffer.from('é✓𝄞\r');
    expect(await ask(...Array.from(octets, (octet) => Buffer.of(octet)))).to.equal('é✓𝄞');
  });

  for (const [key, name] of [
    ['\u0003', 'Ctrl-C'],
    ['\u0004', 'Ctrl-D'],
  ] as const) {
    it(`ends without a password at ${name}`, async () => {
      const error = await ask('yab', key).catch((caught: unknown) => caught);
      expect(error).to.be.instanceOf(CommandError);
      expect(keyboard.raw).to.equal(false);
    });
  }
});
