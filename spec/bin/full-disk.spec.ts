import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { type Finished, type NodeProcess, Workshop } from '../support/node-process.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const PASSWORD = 'yabba dabba doo';
/** Room for the store, and for a few messages. */
const DEVICE_OCTETS = 8_388_608;

describe('a relay on a device that becomes full', function () {
  this.timeout(120_000);
  this.slow(20_000);
  let workshop: Workshop;
  let node: NodeProcess;
  let device = '';

  before(async function () {
    workshop = await Workshop.open();
    device = workshop.path('device');
    mkdirSync(device);
    const options = ['-t', 'tmpfs', '-o', `size=${DEVICE_OCTETS},mode=700`, 'tmpfs', device];
    if (process.getuid?.() !== 0 || spawnSync('mount', options).status !== 0) {
      console.log('      SKIPPED: only root can mount a tmpfs, and not in every container');
      device = '';
      return this.skip();
    }
    const config = { store: { type: 'lmdb', path: 'device/store' }, admin: { port: 0 } };
    node = await workshop.relay([FRED, BARNEY], PASSWORD, config);
  });

  after(async () => {
    if (device !== '') {
      await node.stop();
      spawnSync('umount', ['--lazy', device]);
    }
    await workshop.close();
  });

  const admin = (): string => String(node.lines.find(({ msg }) => msg === 'ready')?.['admin']);
  const page = async (name: string): Promise<string> => {
    const response = await fetch(`${admin()}${name}`);
    return `${response.status} ${await response.text()}`;
  };
  const status = (): Promise<Finished> => workshop.run(['status', '--admin', admin()], { deadlineMs: 60_000 });

  async function held(): Promise<Finished> {
    const words = ['send', BARNEY, 'Hello', '--hold', '--from', FRED, '--tls', 'off'];
    return await workshop.run([...words, '--relay', `tcp://127.0.0.1:${node.port}`], {
      deadlineMs: 60_000,
      environment: { IMXP_PASSWORD: PASSWORD },
    });
  }

  async function readiness(code: string): Promise<string> {
    for (;;) {
      const seen = await page('/readyz');
      if (seen.startsWith(code)) return seen;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  function fill(): void {
    try {
      writeFileSync(`${device}/fill`, Buffer.alloc(DEVICE_OCTETS));
    } catch (error) {
      expect(error).to.include({ code: 'ENOSPC' });
    }
  }

  it('refuses what it cannot hold with 450, says so once, and is not ready', async () => {
    expect((await held()).code).to.equal(0);
    fill();
    for (let count = 1; count <= 3; count += 1) {
      const { code, stderr } = await held();
      expect([code, stderr.toString()]).to.satisfy(([code, text]: [number, string]) => {
        return (
          code === 1 && text.startsWith('error: 450 this relay could not store the message') && !/--hold/.test(text)
        );
      });
    }
    expect(await page('/readyz')).to.match(/^503 ready, but the disk is full: \d+ octets are free at /);
    expect(await page('/metrics')).to.contain('\nimxp_store_failing 1\n');
    const { code, stdout } = await status();
    expect(code).to.equal(69);
    expect(stdout.toString()).to.match(/: ready since .*\nbut the disk is full: /);
    const doctor = await workshop.run(['doctor', '--config', node.config], { deadlineMs: 60_000 });
    expect([doctor.code, doctor.stdout.toString()]).to.satisfy(([code, text]: [number, string]) => {
      return code === 1 && /^error +store +.*disk is full.*\n +-> Make room on the device/m.test(text);
    });
    const said = node.lines.filter(({ level }) => level === 'error');
    expect(said.map(({ msg }) => msg)).to.deep.equal(['the store cannot be read or written']);
    // All that was printed is the log, in JSON.
    expect(node.command.stderr.toString()).to.equal('');
    for (const line of node.command.stdout.toString().trim().split('\n')) expect(() => JSON.parse(line)).not.to.throw();
  });

  it('is ready again when there is room, and holds messages', async () => {
    rmSync(`${device}/fill`);
    await within(30_000, readiness('200'), 'it is ready');
    expect((await held()).code).to.equal(0);
    expect(await page('/metrics')).to.contain('\nimxp_store_failing 0\n');
    expect((await status()).code).to.equal(0);
  });

  it('finds out that the disk is full when nobody writes', async () => {
    const since = node.mark;
    fill();
    expect(await within(30_000, readiness('503'), 'it notices')).to.contain('the disk is full');
    expect(node.lines.slice(since).filter(({ level }) => level === 'error').length).to.be.at.most(1);
    rmSync(`${device}/fill`);
    await within(30_000, readiness('200'), 'it is ready');
  });
});
