import { spawnSync } from 'node:child_process';
import { open, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { freePort } from '../support/free-port.js';
import { lonely, type NodeProcess, Workshop } from '../support/node-process.js';
import { attach } from '../support/raw-documents.js';
import { RawPeer } from '../support/raw-peer.js';

const PASSWORD = 'yabba dabba doo';
const STOP_MS = 3000;

describe('stopping a node whose peers do not answer', function () {
  this.timeout(90_000);
  this.slow(15_000);
  let workshop: Workshop;
  let node: NodeProcess;
  let silent: Server;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    workshop = await Workshop.open();
    // A neighbour that takes connections and says nothing.
    silent = createServer((socket) => void sockets.push(socket.on('error', () => {})));
    const port = await freePort();
    silent.listen(port, '127.0.0.1');
    const route = {
      domain: 'rubble.com',
      relays: [`tcp://127.0.0.1:${port}`],
      tls: 'off',
    };
    node = await workshop.relay(['fred@example.com'], PASSWORD, {
      mesh: { routes: [route], dns: { enabled: false } },
      admin: { port: 0 },
      limits: { node: { drainTimeoutMs: STOP_MS } },
    });
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    silent.close();
    await workshop.close();
  });

  async function attached(): Promise<RawPeer> {
    const peer = await RawPeer.connect({ port: node.port });
    await peer.greet();
    await peer.authenticate({ username: 'fred', password: PASSWORD });
    await peer.imxp(attach('fred@example.com', 71));
    return peer;
  }

  it('takes drainTimeoutMs at most, in order as far as the peers allow', async () => {
    const peer = await attached();
    const stranger = connect({ port: node.port, host: '127.0.0.1' }).on('error', () => {});
    const ready = await node.log(({ msg }) => msg === 'ready', 'ready');
    node.command.signal('SIGTERM');
    await node.log(({ msg }) => msg === 'draining', 'draining');
    const page = await fetch(`${ready['admin']}/readyz`);
    expect([page.status, await page.text()]).to.deep.equal([503, 'draining\n']);
    const facts = await fetch(`${ready['admin']}/status`);
    expect(await facts.json()).to.include({ state: 'draining' });
    // A command takes longer to start than a loaded machine leaves the node; it says so as well when it is gone.
    expect((await workshop.run(['status', '--admin', String(ready['admin'])])).code).to.equal(69);
    const { code } = await node.command.finished(30_000);
    // It would be killed a second after drainTimeoutMs, with another code.
    expect(code).to.equal(0);
    const words = node.lines.map(({ msg }) => msg);
    expect(words).to.include.members(['draining', 'drain timed out', 'stopped']);
    peer.destroy();
    stranger.destroy();
  });

  it('ends a node, too, that waits for a file while it starts', async function () {
    const fifo = workshop.path('revoked.pem');
    if (spawnSync('mkfifo', [fifo]).status !== 0) {
      console.log('      skipped: there is no mkfifo here');
      return this.skip();
    }
    const stuck = await workshop.node(
      'stuck',
      lonely({
        // A warning, which says when the configuration was read.
        sasl: { mechanisms: [] },
        tls: { revoked: fifo },
        store: { type: 'memory' },
        limits: { node: { drainTimeoutMs: 200 } },
      }),
    );
    const command = workshop.command(['relay', '--config', stuck.config]);
    await writeFile(fifo, '0');
    await command.seen((output) => (output.includes('warning') ? true : undefined), 'warns', 20_000);
    // Opened as soon as it reads once more; it is told nothing.
    const writer = await open(fifo, 'w');
    try {
      command.signal('SIGTERM');
      const { signal } = await command.finished();
      expect(command.output).to.include('stopping').and.include('killed: not stopped within the time limit');
      expect(signal).to.equal('SIGKILL');
    } finally {
      await writer.close();
    }
  });

  it('is quick when the peers answer', async () => {
    const { code } = await node.stop();
    expect(code).to.equal(0);
    expect(node.lines.map(({ msg }) => msg)).to.not.include('drain timed out');
  });
});
