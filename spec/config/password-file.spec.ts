import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { readPasswordFile } from '../../lib/config/password-file.js';
import { failureOf } from '../support/failure.js';
import { temporaryDirectory } from '../support/temporary.js';

describe('a password file', () => {
  const inDirectory = temporaryDirectory();
  const passwordIn = async (octets: Buffer): Promise<string> => {
    const path = inDirectory('password');
    await writeFile(path, octets);
    return readPasswordFile(path);
  };

  it('holds the password in its first line, with its spaces, whatever ends the line', async () => {
    for (const end of ['', '\n', '\r\n', '\r', '\rsecond']) {
      expect(await passwordIn(Buffer.from(` yabba dabba ${end}`)), JSON.stringify(end)).to.equal(' yabba dabba ');
    }
  });

  it('may begin with a byte order mark of UTF-8 or UTF-16', async () => {
    expect(await passwordIn(Buffer.from('\uFEFFyabba\n'))).to.equal('yabba');
    expect(await passwordIn(Buffer.from('\uFEFFyabbä\r\n', 'utf16le'))).to.equal('yabbä');
    expect(await passwordIn(Buffer.from('\uFEFFyabbä', 'utf16le').swap16())).to.equal('yabbä');
  });

  it('is refused when it is not text, without repeating any of it', async () => {
    const failure = await failureOf(passwordIn(Buffer.from([0x79, 0x61, 0xff, 0x62])));
    expect(failure.message).to.contain('is not text in UTF-8').and.not.contain('ya');
  });
});
