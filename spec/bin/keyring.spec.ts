import { spawn } from 'node:child_process';
import { chmod, mkdir } from 'node:fs/promises';
import { expect } from 'chai';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Finished, Workshop } from '../support/node-process.js';
import { RUN_PROGRAM } from '../support/program.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

/** Keeps passwords in files, and takes the arguments of libsecret's program. */
const SECRET_TOOL = `#!/bin/sh
for account; do :; done
case "$1" in
store) [ "$3 $4 $5" = "service imxp account" ] && cat > "$KEYRING/$account" ;;
lookup) [ "$2 $3 $4" = "service imxp account" ] && cat "$KEYRING/$account" 2>/dev/null ;;
clear) rm -f "$KEYRING/$account" ;;
esac
`;

describe('passwords of commands', function () {
  this.timeout(180_000);
  this.slow(10_000);
  let mesh: LocalMesh;
  let workshop: Workshop;
  const heard: string[] = [];

  before(async () => {
    mesh = await LocalMesh.start();
    workshop = await Workshop.open();
    await chmod(await workshop.file('tools/secret-tool', SECRET_TOOL), 0o755);
    await mkdir(workshop.path('keyring'));
    const barney = await mesh.attach(BARNEY);
    barney.receive((delivery) => void heard.push(delivery.text()));
  });

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  const imxp = (words: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Finished> => {
    const path = `${workshop.path('tools')}:${process.env['PATH'] ?? ''}`;
    return workshop.run(words, {
      environment: { PATH: path, KEYRING: workshop.path('keyring'), ...more },
      deadlineMs: 60_000,
    });
  };

  it('are kept in the keyring of the system, and removed with their context', async () => {
    const relay = ['--relay', mesh.url('example.com')];
    const made = await imxp(['login', FRED, ...relay, '--json'], { IMXP_PASSWORD: passwordOf(FRED) });
    expect([made.code, made.stderr.toString()]).to.deep.equal([0, '']);
    expect(JSON.parse(made.stdout.toString())).to.include({ from: FRED, password: 'keyring' });
    const sent = await imxp(['send', BARNEY, 'from the keyring']);
    expect([sent.code, sent.stderr.toString()]).to.deep.equal([0, '']);
    expect(heard).to.deep.equal(['from the keyring']);
    const locked = await imxp(['send', BARNEY, 'x'], { KEYRING: workshop.path('elsewhere') });
    expect([locked.code, locked.stderr.toString()]).to.satisfy(([code, text]: [number, string]) => {
      return code === 78 && /^error: the keyring gives no password for fred@example\.com\nhint: Unlock it/.test(text);
    });
    expect((await imxp(['context', 'rm', FRED])).code).to.equal(0);
    expect((await imxp(['login', FRED, ...relay, '--no-check', '--password', 'ask'])).code).to.equal(0);
    const asked = await imxp(['send', BARNEY, 'x'], { IMXP_PASSWORD: '' });
    expect(asked.stderr.toString()).to.match(/^error: a password for fred@example\.com is needed/);
  });

  it('are asked for on the terminal while standard input is a pipe', async function () {
    const program = [process.execPath, ...RUN_PROGRAM].map((word) => `'${word}'`).join(' ');
    const to = `--from ${FRED} --to ${BARNEY} --relay ${mesh.url('example.com')}`;
    const child = spawn('script', ['-qefc', `echo typed in a pipe | ${program} send ${to}`, '/dev/null'], {
      cwd: workshop.directory,
      env: { ...process.env, SHELL: '/bin/sh', IMXP_PASSWORD: '', XDG_CONFIG_HOME: workshop.path('none') },
    });
    let shown = '';
    const ended = new Promise<number | string | null>((resolve) => {
      child.once('error', () => resolve('no script'));
      child.once('close', resolve);
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const before = shown.includes('Password for');
      shown += text;
      if (!before && shown.includes('Password for')) child.stdin.write(`${passwordOf(FRED)}\r`);
    });
    const code = await within(120_000, ended, () => `the end; shown: ${shown}`);
    if (code === 'no script') {
      console.log('      skipped: there is no program script (util-linux) here');
      this.skip();
    }
    expect(code, shown).to.equal(0);
    expect(heard.at(-1)).to.equal('typed in a pipe\n');
    expect(shown).not.to.include(passwordOf(FRED));
  });
});
