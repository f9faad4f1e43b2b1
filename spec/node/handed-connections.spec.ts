import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { temporaryFile } from '../support/temporary-file.js';
import { within } from '../support/within.js';

const LIBRARY = fileURLToPath(new URL('../../lib/node/handed-connections.ts', import.meta.url));

/** A primary whose worker is stopped before somebody connects, and killed then; says what became of the connection. */
const PRIMARY = `
import cluster from 'node:cluster';
import { connect, createServer } from 'node:net';
import { closeUntaken } from '${LIBRARY}';
if (cluster.isPrimary) {
  const worker = cluster.fork();
  closeUntaken(worker);
  worker.once('listening', ({ port }) => {
    process.kill(worker.process.pid, 'SIGSTOP');
    const socket = connect(port, '127.0.0.1', () => setTimeout(() => process.kill(worker.process.pid, 'SIGKILL'), 200));
    socket.once('error', () => {});
    socket.once('close', () => process.send('closed'));
    socket.once('data', () => process.send('answered'));
  });
} else createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
`;

describe('node/handed-connections', function () {
  this.timeout(30_000);
  this.slow(5000);

  it('closes what a killed worker has not taken, so that whoever connected comes again', async () => {
    const script = `${await temporaryFile('')}.mts`;
    await writeFile(script, PRIMARY);
    const primary = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    try {
      const [message] = await within(20_000, once(primary, 'message'), 'the connection is closed');
      expect(message).to.equal('closed');
    } finally {
      primary.kill('SIGKILL');
    }
  });
});
