import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { imxp } from '../support/cli.js';
import { GREETING } from '../support/raw-documents.js';
import { frame } from '../support/raw-frame.js';
import { type Recorded, recording } from '../support/recording.js';
import { deliver, note, RelayFixture } from '../support/relay-fixture.js';
import { temporaryDirectory } from '../support/temporary.js';

describe('imxp wire', function () {
  this.timeout(60_000);
  this.slow(5000);
  const path = temporaryDirectory();

  it('decodes octets of one direction from standard input', async () => {
    const octets = frame('RPY', 0, 0, '.', 0, GREETING).toString();
    const { code, stdout } = await imxp(['wire'], { cwd: path(), input: octets });
    expect(stdout).to.match(/^ {7}0 {2}RPY 0 0 \. 0 \d+ +greeting: serves nothing\n$/);
    expect(code).to.equal(0);
  });

  it('exits 1 and names the rule where there is a fault', async () => {
    await writeFile(path('octets'), 'RPY 0 0 . 0 3\r\nabcdEND\r\n');
    const { code, stdout } = await imxp(['wire', 'octets'], { cwd: path() });
    expect(stdout).to.include('fault PF-12:');
    expect(code).to.equal(1);
    const json = await imxp(['wire', 'octets', '--json'], { cwd: path() });
    expect(JSON.parse(json.stdout)).to.have.nested.property('fault.rule', 'PF-12');
  });

  it('exits 64 for a missing file, and 1 for a file that it cannot read', async () => {
    expect(await imxp(['wire', 'none'], { cwd: path() })).to.include({ code: 64 });
    await writeFile(path('packed'), Buffer.from('28b52ffd00000000', 'hex'));
    const { code, stderr } = await imxp(['wire', 'packed'], { cwd: path() });
    expect(code).to.equal(1);
    expect(stderr).to.include('compressed with zstd: decompress it first');
  });

  it('reads a pcapng recording of dumpcap, compressed or not', async () => {
    const file = fileURLToPath(new URL('../fixtures/recordings/dumpcap-4.0.pcapng', import.meta.url));
    const { code, stdout } = await imxp(['wire', file], { cwd: path() });
    expect(stdout).to.match(/^I 127\.0\.0\.1:\d+ {2}-> {2}L 127\.0\.0\.1:10913, 2026-11-30T12:24:33\.560Z\n/);
    expect(stdout.match(/[IL] {2}RPY 0 0 \. 0 52 +greeting: serves nothing\n/g)).to.have.length(2);
    expect(code).to.equal(0);
    await writeFile(path('mesh.pcapng.gz'), gzipSync(await readFile(file)));
    expect(await imxp(['wire', 'mesh.pcapng.gz'], { cwd: path() })).to.deep.include({ code, stdout });
  });

  it('finds nothing wrong in the octets of a relay and its endpoints', async function () {
    this.timeout(90_000);
    const fixture = await RelayFixture.start();
    try {
      const wire = await tap(fixture.node.port);
      const fred = await fixture.attached('fred@example.com', { port: wire.port });
      const barney = await fixture.attached('barney@example.com', { port: wire.port });
      for (let i = 0; i < 3; i += 1) await deliver(fred, barney, note(fred, [barney], `yabba ${i}`));
      await fred.peer.close(0);
      wire.close();
      await writeFile(path('mesh.pcap'), recording(wire.recorded));
    } finally {
      await fixture.close();
    }
    const { code, stdout } = await imxp(['wire', 'mesh.pcap', '--port', '10913'], { cwd: path() });
    expect(stdout).to.not.match(/fault|refusable|undefined/);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^I 127\.0\.0\.1:40001 {2}-> {2}L 127\.0\.0\.1:10913, 2001-02-03T04:05:06\.000Z\n/);
    expect(stdout).to.match(/I {2}MSG 0 1 .* start channel 1 as example\.com: SASL\/DIGEST-MD5\n/);
    expect(stdout).to.match(/L {2}RPY 1 0 .* blob complete, \d+ octets\n/);
    expect(stdout).to.match(/attach fred@example\.com, transID 71\n/);
    expect(stdout.match(/data fred@example\.com -> barney@example\.com: XML within/g)).to.have.length(6);
    expect(stdout).to.include('release the session').and.not.include('yabba');
    const json = await imxp(['wire', 'mesh.pcap', '--json'], { cwd: path() });
    const entries = json.stdout
      .trimEnd()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line));
    expect(entries.every(({ offset, octets }) => Number.isInteger(offset) && Number.isInteger(octets))).to.equal(true);
    expect(new Set(entries.map(({ connection }) => connection))).to.deep.equal(new Set([0, 1]));
  });
});

/** Listens in between and keeps what both sides say as packets would have it. */
async function tap(port: number): Promise<{ port: number; recorded: Recorded[]; close(): void }> {
  const recorded: Recorded[] = [];
  const sockets: Socket[] = [];
  let count = 0;
  const server = createServer((inner) => {
    count += 1;
    const ends = [`127.0.0.1:${40_000 + count}`, '127.0.0.1:10913'] as const;
    const outer = connect({ port, host: '127.0.0.1' });
    sockets.push(inner, outer);
    for (const [from, to, place, other] of [
      [inner, outer, ends[0], ends[1]],
      [outer, inner, ends[1], ends[0]],
    ] as const) {
      let sequence = 1000;
      from.on('data', (payload: Buffer) => {
        recorded.push({ from: place, to: other, sequence, payload });
        sequence += payload.length;
        to.write(payload);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    recorded,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
