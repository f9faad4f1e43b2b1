import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { expect } from 'chai';
import { isLivenessLockHeld, removeLivenessLock, takeLivenessLock } from '../../lib/store/liveness-lock.js';
import { temporaryDirectory } from '../support/temporary.js';

describe('wire/beacon', () => {
  const path = temporaryDirectory();

  it('burns until it is put out, and leaves nothing', async () => {
    const beacon = await takeLivenessLock(path(), 'relay');
    expect(await isLivenessLockHeld(path(), 'relay')).to.equal(true);
    await beacon?.close();
    expect(await isLivenessLockHeld(path(), 'relay')).to.equal(false);
    expect(await readdir(path())).to.deep.equal([]);
  });

  it('is out when the process was killed', async function () {
    this.timeout(30_000);
    const module = new URL('../../lib/store/liveness-lock.ts', import.meta.url).href;
    const code = `import { takeLivenessLock } from ${JSON.stringify(module)};
      const beacon = await takeLivenessLock(${JSON.stringify(path())}, 'relay');
      console.log(beacon === undefined ? 'dark' : 'lit');
      process.stdin.resume();`;
    const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', code], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [said] = await once(child.stdout, 'data');
    expect(String(said)).to.equal('lit\n');
    expect(await isLivenessLockHeld(path(), 'relay')).to.equal(true);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await readdir(path())).to.deep.equal(['relay']);
    expect(await isLivenessLockHeld(path(), 'relay')).to.equal(false);
    await removeLivenessLock(path(), 'relay');
    expect(await readdir(path())).to.deep.equal([]);
  });

  it('burns in a directory whose path is too long for a socket, where the system has a way', async function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: only Linux has a short path for every directory that is open');
      return this.skip();
    }
    const deep = path('d'.repeat(120));
    await mkdir(deep);
    const beacon = await takeLivenessLock(deep, 'relay');
    expect(beacon).to.not.equal(undefined);
    expect(await isLivenessLockHeld(deep, 'relay')).to.equal(true);
    await beacon?.close();
    expect(await isLivenessLockHeld(deep, 'relay')).to.equal(false);
    expect(await readdir(deep)).to.deep.equal([]);
  });

  it('is not lit where nothing can be made', async () => {
    expect(await takeLivenessLock(path('none'), 'relay')).to.equal(undefined);
    expect(await isLivenessLockHeld(path('none'), 'relay')).to.equal(false);
  });
});
