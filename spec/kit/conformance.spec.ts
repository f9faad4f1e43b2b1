/**
 * The kit of `imxp interop` against our own relay, which has to pass whole, and against listeners with one fault each, which
 * the check that names it has to find, and no other.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import type { Result } from '../../kit/conformance/check.js';
import { CHECKS, Kit, STANDING } from '../../kit/conformance/run.js';
import { makeTarget, type Target, type TargetOptions } from '../../kit/conformance/target.js';
import { parseRelayUrl } from '../../lib/config/relay-url.js';
import type { Node } from '../../lib/node/node.js';
import { BrokenPeer } from '../support/broken-peer.js';
import { TestAuthority } from '../support/certificates.js';
import { Nodes } from '../support/nodes.js';
import { PLANTED } from '../support/planted.js';
import { temporaryFile } from '../support/temporary-file.js';

const PATIENT_MS = 15_000;
/** Where something never comes, so long is waited for it. */
const SILENCE_MS = 1500;
const TRANSPORTS = ['tcp', 'ws', 'wss'] as const;
const FRED = { address: 'fred@example.com', password: 'yabba' };
const BARNEY = { address: 'barney@example.com', password: 'dabba' };
const RUBBLE = { address: 'imxp=mesh@rubble.com', password: 'between relays' };

async function resultsOf(target: Target, only: readonly string[] = []): Promise<Result[]> {
  const kit = new Kit(target);
  await kit.survey();
  const results: Result[] = [];
  for await (const result of kit.run(only)) results.push(result);
  return results;
}

const idsOf = (results: readonly Result[], outcome: Result['outcome']): string[] =>
  results.filter((result) => result.outcome === outcome).map(({ id }) => id);

/** What was not passed, for messages. */
const troubles = (results: readonly Result[]): string =>
  results
    .filter(({ outcome }) => outcome === 'failed' || outcome === 'blocked')
    .map(({ id, received, reason, expected, transcript }) =>
      [id, reason, expected, received, ...transcript].join('\n  '),
    )
    .join('\n');

describe('the interoperability kit', function () {
  this.timeout(180_000);
  this.slow(30_000);
  const authority = new TestAuthority();
  const nodes = new Nodes();
  let node: Node;

  before(async () => {
    const { certificate, key } = authority.issue({ domains: ['example.com'] });
    node = await nodes.start(
      {
        listen: TRANSPORTS.map((transport) => ({ transport, port: 0 })),
        tls: {
          certificate: await temporaryFile(certificate),
          key: await temporaryFile(key),
          authority: await temporaryFile(authority.certificate),
          require: 'never',
        },
        sasl: { mechanisms: ['DIGEST-MD5', 'SCRAM-SHA-256'] },
        policy: { bindCheck: 'off' },
        // The kit fails logins on purpose, here time after time.
        limits: { authentication: { delayMs: 0, failuresPerAccount: 0, failuresPerAddress: 0 } },
      },
      Object.fromEntries([FRED, BARNEY, RUBBLE].map(({ address, password }) => [address, password])),
    );
  });
  after(async () => await nodes.stop());

  function portOf(transport: (typeof TRANSPORTS)[number]): number {
    return node.listening[TRANSPORTS.indexOf(transport)]?.port ?? 0;
  }

  function target(url: string, more: Partial<TargetOptions> = {}): Target {
    return makeTarget({
      location: parseRelayUrl(url),
      ...{ account: FRED, second: BARNEY, relay: RUBBLE, authority: authority.certificate },
      timeoutMs: PATIENT_MS,
      ...more,
    });
  }

  it('names each check once, with a clause and a reason', () => {
    const all = [...CHECKS, ...STANDING];
    expect(new Set(all.map(({ id }) => id)).size).to.equal(all.length);
    for (const { id, title, clause, why } of CHECKS) {
      expect(id).to.match(/^[a-z][a-z0-9-]*\.[a-z0-9-]+$/);
      expect(title, id).to.match(/^[a-z]/);
      expect(clause, id).to.match(/(?:RFC \d+|core-01) §/);
      expect(why, id).to.have.length.above(10);
    }
  });

  describe('against our own relay', () => {
    for (const [name, transport, more, missing] of [
      ['in the clear', 'tcp', {}, /^$/],
      ['under TLS', 'tcp', { tls: true }, /^$/],
      ['over WebSocket', 'ws', {}, /^$/],
      // There is no TLS to tune to.
      ['over WebSocket under TLS', 'wss', {}, /^tls\./],
      // A Data is answered before it is known what becomes of it.
      [
        'in the dialect of APEX',
        'tcp',
        { dialect: 'apex' },
        /^(?:data\.(?:unknown-recipient|not-attached)|faults\.msgno-in-use)$/,
      ],
    ] as const) {
      it(`passes completely, ${name}`, async () => {
        const results = await resultsOf(target(`${transport}://127.0.0.1:${portOf(transport)}`, more));
        expect(troubles(results)).to.equal('');
        expect(results).to.have.length(CHECKS.length + STANDING.length);
        expect(idsOf(results, 'skipped').filter((id) => !missing.test(id))).to.deep.equal([]);
        expect(results.flatMap(({ id, remarks }) => remarks.map(({ text }) => `${id}: ${text}`))).to.deep.equal([]);
      });
    }

    it('names what it skips without an account, and passes the rest', async () => {
      const { location } = target(`tcp://127.0.0.1:${portOf('tcp')}`);
      const results = await resultsOf(makeTarget({ location, timeoutMs: PATIENT_MS }));
      expect(troubles(results)).to.equal('');
      const skipped = results.filter(({ outcome }) => outcome === 'skipped');
      expect(skipped).to.have.length.above(20);
      for (const { id, reason } of skipped) expect(reason, id).to.match(/\(--(?:account|second|relay-account|ca)\)$/);
    });
  });

  describe('finds that a listener', () => {
    for (const { fault, only, found, spoil, silence } of PLANTED) {
      it(fault, async () => {
        const peer = await BrokenPeer.before(portOf('tcp'), spoil);
        try {
          const url = `tcp://127.0.0.1:${peer.port}`;
          const results = await resultsOf(target(url, silence ? { timeoutMs: SILENCE_MS } : {}), only);
          const failed = results.filter(({ outcome }) => outcome === 'failed');
          expect(failed.map(({ id }) => id).sort(), troubles(results)).to.deep.equal([...found].sort());
          for (const { expected, received, why, transcript } of failed) {
            expect([expected, received, why]).to.not.include(undefined);
            expect(transcript.join('\n')).to.match(/^[IL] {2}.+\n {3}\S|no octet from either side/m);
          }
        } finally {
          peer.close();
        }
      });
    }

    it('has at least 25 faults to find', () => {
      expect(PLANTED).to.have.length.at.least(25);
    });
  });

  describe('ends with a listener that', () => {
    let server: Server;
    afterEach(() => void server.close());

    for (const [what, act] of [
      ['says nothing', () => {}],
      ['sends octets without end', (socket: Socket) => void flood(socket, Buffer.alloc(65_536, 'x'))],
      [
        'sends a frame without end',
        (socket: Socket) => {
          socket.write('RPY 0 0 . 0 2147483647\r\n');
          flood(socket, Buffer.alloc(65_536, 'x'));
        },
      ],
      ['hangs up at once', (socket: Socket) => void socket.destroy()],
      ['speaks HTTP', (socket: Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ] as const) {
      it(what, async () => {
        server = createServer((socket) => {
          socket.on('error', () => {});
          act(socket);
        });
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
        const results = await resultsOf(target(url, { timeoutMs: 100 }));
        expect(idsOf(results, 'failed')).not.to.deep.equal([]);
        const passed = idsOf(results, 'passed').filter((id) => STANDING.every((standing) => standing.id !== id));
        expect(passed).to.deep.equal([]);
      });
    }

    function flood(socket: Socket, octets: Buffer): void {
      while (!socket.destroyed && socket.write(octets));
      socket.once('drain', () => flood(socket, octets));
    }
  });
});
