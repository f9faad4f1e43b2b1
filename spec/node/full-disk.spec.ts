import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { temporaryDirectory } from '../support/temporary.js';

const run = promisify(execFile);
const from = (name: string): string => JSON.stringify(new URL(`../../lib/${name}.ts`, import.meta.url).href);

describe('node: a full disk', function () {
  this.timeout(60_000);
  const path = temporaryDirectory();

  /** Runs a program whose files may have so many blocks of 512 octets: for whoever writes, that is a full disk. */
  async function limited(blocks: number, code: string): Promise<string[]> {
    // Only the soft limit: what is to have room again raises it.
    const shell = [
      '-c',
      `ulimit -S -f ${blocks}; exec "$@"`,
      'sh',
      process.execPath,
      '--import=tsx',
      '--input-type=module',
    ];
    const { stdout } = await run('sh', [...shell, '-e', code]);
    return stdout.trim().split('\n');
  }

  const config = (store: string): string => `parseConfig({
    domains: ['example.com'],
    listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }],
    store: { type: 'lmdb', path: ${JSON.stringify(path(store))} },
    admin: { port: 0 },
  }, '/')`;

  it('is logged once, and shown by /readyz and the metrics', async () => {
    const lines = await limited(
      400,
      `import { parseConfig } from ${from('config/parse')};
      import { startNode } from ${from('node/node')};
      import { startLog } from ${from('ops/log')};
      import { events } from ${from('ops/events')};
      const said = [];
      const log = startLog({ level: 'warn', destination: { write: (line) => void said.push(JSON.parse(line).msg) } });
      const node = await startNode(${config('full')});
      const page = async (name) => { const answer = await fetch(node.admin + name); return answer.status + ' ' + (await answer.text()); };
      console.log((await page('/readyz')).trim());
      let failure;
      for (let count = 1; failure === undefined; count += 1) {
        const realm = 'x'.repeat(1000);
        const verifier = { account: 'n' + count + '@example.com', digestMd5: [{ username: 'n', realm, hashes: [] }] };
        failure = await node.accounts.add(verifier).then(() => undefined, (error) => error);
      }
      for (let count = 1; count <= 3; count += 1) events.fault.publish({ session: 'accounts', error: failure });
      console.log((await page('/readyz')).trim());
      console.log((await page('/metrics')).split('\\n').find((line) => line.startsWith('imxp_store_failing')));
      log.stop();
      console.log(JSON.stringify(said));
      process.exit();`,
    );
    expect(lines[0]).to.equal('200 ready');
    expect(lines[1]).to.match(/^503 ready, but the store could not read or write: /);
    expect(lines[2]).to.equal('imxp_store_failing 1');
    expect(JSON.parse(lines[3] ?? '')).to.deep.equal([
      'the store cannot be read or written',
      'the store cannot be read or written, again',
    ]);
  });

  it('is over as soon as there is room again: writes succeed, and /readyz and the metrics say so', async function () {
    if (spawnSync('prlimit', ['--version']).error !== undefined) {
      console.log('      SKIPPED: prlimit is not installed (Debian: util-linux)');
      return this.skip();
    }
    const lines = await limited(
      400,
      `import { execFileSync } from 'node:child_process';
      import { parseConfig } from ${from('config/parse')};
      import { startNode } from ${from('node/node')};
      const node = await startNode(${config('again')});
      const page = async (name) => { const answer = await fetch(node.admin + name); return answer.status + ' ' + (await answer.text()); };
      const account = (n, realm) => ({ account: 'n' + n + '@example.com', digestMd5: [{ username: 'n', realm, hashes: [] }] });
      let failure;
      let count = 0;
      while (failure === undefined) {
        count += 1;
        failure = await node.accounts.add(account(count, 'x'.repeat(1000))).then(() => undefined, (error) => error);
      }
      console.log(failure.code);
      execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited']);
      const begun = performance.now();
      let ready = '';
      while (!ready.startsWith('200') && performance.now() - begun < 20_000) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        ready = await page('/readyz');
      }
      console.log(ready.trim());
      console.log((await page('/metrics')).split('\\n').find((line) => line.startsWith('imxp_store_failing')));
      await node.accounts.add(account(count, 'y'));
      console.log(node.accounts.exists('n' + count + '@example.com'));
      process.exit();`,
    );
    expect(lines).to.deep.equal(['STORE_FAILED', '200 ready', 'imxp_store_failing 0', 'true']);
  });

  it('keeps a relay from starting with an exit code that permits another attempt', async () => {
    const lines = await limited(
      100,
      `import { parseConfig } from ${from('config/parse')};
      import { startNode } from ${from('node/node')};
      const error = await startNode(${config('tiny')}).catch((error) => error);
      console.log(error.code, error.message);
      process.exit();`,
    );
    expect(lines[0]).to.match(/^STORE_FAILED store\.path: .*: the disk is full$/);
  });
});
