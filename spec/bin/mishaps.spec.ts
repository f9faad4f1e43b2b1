import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { TestAuthority } from '../support/certificates.js';
import { readDocument } from '../support/documents.js';
import { freePort } from '../support/free-port.js';
import { type Finished, lonely, type NodeProcess, Workshop } from '../support/node-process.js';
import { RUN_PROGRAM } from '../support/program.js';

interface Row {
  readonly mishap: string;
  readonly command: string;
  readonly message: RegExp;
  readonly code: number;
}

/** The table of docs/guide/operations.md; `…` stands for what differs. */
function documented(): Row[] {
  const [, table = ''] = /<!-- mishaps -->\n([\s\S]*?)\n\n/.exec(readDocument('docs/guide/operations.md')) ?? [];
  return table
    .split('\n')
    .slice(2)
    .map((line) => {
      const [, mishap = '', command = '', message = '', code = ''] = line.split(/\s*\|\s*/);
      const pattern = message.replace(/^`|`$/g, '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      return { mishap, command, message: new RegExp(pattern.replaceAll('…', '.+')), code: Number(code) };
    });
}

const DAY_MS = 86_400_000;

describe('mishaps of operators', function () {
  this.timeout(120_000);
  this.slow(20_000);
  let workshop: Workshop;
  let busy: Server;
  let busyPort = 0;
  let node: NodeProcess | undefined;

  before(async () => {
    workshop = await Workshop.open();
    busy = createServer();
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
    const address = busy.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    busyPort = address.port;
  });

  after(async () => {
    busy.close();
    await workshop.close();
  });

  const config = (more: object = {}): object => lonely({ store: { type: 'memory' }, ...more })(0);

  async function run(words: readonly string[], given: object | string): Promise<Finished> {
    const text = typeof given === 'string' ? given : JSON.stringify(given);
    await workshop.file('mesh.json', text);
    return await workshop.run([...words, '--config', 'mesh.json'], { deadlineMs: 90_000 });
  }

  const relay = (given: object | string): Promise<Finished> => run(['relay'], given);
  const lmdb = (path: string): object => config({ store: { type: 'lmdb', path } });

  /** A relay with a certificate and a key from these files. */
  async function certified(certificate: string, key: string): Promise<Finished> {
    await workshop.file('node.crt', certificate);
    await workshop.file('node.key', key);
    return await relay(config({ tls: { certificate: 'node.crt', key: 'node.key' } }));
  }

  const trials: Readonly<Record<string, () => Promise<Finished | undefined>>> = {
    'a port is in use': () => relay(config({ listen: [{ host: '127.0.0.1', port: busyPort }] })),
    'an address is not there (yet)': async () =>
      relay(config({ listen: [{ host: '192.0.2.1', port: await freePort() }] })),
    'the admin port is in use': () => relay(config({ admin: { host: '127.0.0.1', port: busyPort } })),
    'another relay uses the store': async () => {
      node = await workshop.node('first', () => lmdb('var'));
      await node.start();
      const second = await relay(lmdb('var'));
      await node.stop();
      return second;
    },
    'the disk is full': async () => {
      await workshop.file('mesh.json', JSON.stringify(lmdb('full')));
      // For whoever writes, files that may have no more than so many blocks are a full disk.
      const words = ['-c', 'ulimit -S -f 100; exec "$@"', 'sh', process.execPath, ...RUN_PROGRAM];
      const { status, stdout, stderr } = spawnSync('sh', [...words, 'relay', '--config', 'mesh.json'], {
        cwd: workshop.directory,
      });
      return { code: status, signal: null, stdout, stderr };
    },
    'the store is damaged': async () => {
      await workshop.file('damaged/data.mdb', 'this is not a database '.repeat(1000));
      await chmod(workshop.path('damaged'), 0o700);
      return await relay(lmdb('damaged'));
    },
    'the store is open to other users': async () => {
      await mkdir(workshop.path('open'));
      await chmod(workshop.path('open'), 0o755);
      return await relay(lmdb('open'));
    },
    "root works on the store of the node's user": async () => {
      if (process.getuid?.() !== 0) return undefined;
      await chmod(workshop.directory, 0o755);
      await mkdir(workshop.path('theirs'), { mode: 0o700 });
      await chown(workshop.path('theirs'), 65_534, 65_534);
      await workshop.file('password', 'secret-of-fred\n');
      return await run(['account', 'add', 'fred@example.com', '--password-file', 'password'], lmdb('theirs'));
    },
    "root runs the node on the store of the node's user": async () => {
      if (process.getuid?.() !== 0) return undefined;
      await workshop.file('foreign/data.mdb', '');
      await chmod(workshop.path('foreign'), 0o700);
      await chown(workshop.path('foreign'), 65_534, 65_534);
      return await relay(lmdb('foreign'));
    },
    'the configuration is not there': () => workshop.run(['relay', '--config', 'none.json']),
    'the configuration is cut off': () => relay('{"domains": ["example.com"'),
    'a key is misspelt': () => relay({ ...config(), lissten: [] }),
    'the certificate has expired': async () => {
      const { certificate, key } = new TestAuthority().issue({
        domains: ['example.com'],
        notBefore: new Date(Date.now() - 3 * DAY_MS),
        notAfter: new Date(Date.now() - DAY_MS),
      });
      return await certified(certificate, key);
    },
    'the certificate is for another domain': async () => {
      const { certificate, key } = new TestAuthority().issue({ domains: ['rubble.com'] });
      return await certified(certificate, key);
    },
    'the key is that of another certificate': async () => {
      const authority = new TestAuthority();
      const { certificate } = authority.issue({ domains: ['example.com'], ownKey: true });
      return await certified(certificate, authority.issue({ domains: ['example.com'], ownKey: true }).key);
    },
    'the password for a neighbour is missing': () => {
      const credentials = { username: 'imxp=mesh@example.com', passwordFile: 'secrets/none' };
      const routes = [{ domain: 'rubble.com', relays: ['tcp://127.0.0.1:1'], tls: 'off', credentials }];
      return relay(config({ mesh: { dns: { enabled: false }, routes } }));
    },
    'the node does not run': async () => run(['status'], config({ admin: { port: await freePort() } })),
    'the node has no admin port': () => run(['status'], config()),
  };

  it('the table and the trials name the same', () => {
    expect(documented().map(({ mishap }) => mishap)).to.deep.equal(Object.keys(trials));
  });

  for (const { mishap, command, message, code } of documented()) {
    it(`${mishap}: exit code ${code}`, async function () {
      const finished = await trials[mishap]?.();
      if (finished === undefined) {
        console.log(`      SKIPPED: ${command}: only root can try it`);
        return this.skip();
      }
      const printed = finished.stderr.toString();
      expect(printed).to.match(message);
      expect(finished.code, printed).to.equal(code);
      // Once, and not as a warning and an error.
      expect(printed.match(new RegExp(message, 'g')), printed).to.have.lengthOf(1);
      // What is not the fault of this program has no stack trace.
      expect(printed).not.to.match(/^\s+at /m);
    });
  }
});
