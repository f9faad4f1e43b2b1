/**
 * Two relays as two processes with hand-written configuration files, as an operator would run them: text and files
 * cross from shell to shell, and a relay killed in the middle of traffic costs no answer and doubles no Data.
 */

import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { freePort } from '../support/free-port.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { attach, errorIn, inlineData, OK } from '../support/raw-documents.js';
import { RawPeer } from '../support/raw-peer.js';
import { TRANSPORTS } from '../support/raw-websocket.js';
import { type AttachedPeer, passwordOf } from '../support/relay-fixture.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const FILE_OCTETS = 5 * 1024 * 1024;
const DATA = 10_000;
const OUTSTANDING = 256;

const digest = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

for (const transport of TRANSPORTS) {
  describe(`two relays over ${transport}`, function () {
    this.timeout(60_000);
    this.slow(20_000);
    let workshop: Workshop;
    let example: NodeProcess;
    let rubble: NodeProcess;
    let authority: string;
    let authorityOctets: Buffer;
    const peers: RawPeer[] = [];

    before(async function () {
      this.timeout(120_000);
      workshop = await Workshop.open();
      ({ authority, octets: authorityOctets } = await workshop.certs('example.com', 'rubble.com'));
      const [examplePort, rubblePort] = [await freePort(), await freePort()];
      example = await relay('example.com', examplePort, 'rubble.com', rubblePort);
      rubble = await relay('rubble.com', rubblePort, 'example.com', examplePort);
      await Promise.all([
        workshop.account(example, FRED, passwordOf(FRED)),
        workshop.account(rubble, BARNEY, passwordOf(BARNEY)),
        workshop.account(example, 'imxp=mesh@rubble.com', meshPassword('rubble.com')),
        workshop.account(rubble, 'imxp=mesh@example.com', meshPassword('example.com')),
      ]);
      await Promise.all([example.start(), rubble.start()]);
    });
    afterEach(function () {
      for (const peer of peers.splice(0)) peer.destroy();
      if (this.currentTest?.state === 'failed') {
        console.log(`example.com:\n${example.output.slice(-3000)}\nrubble.com:\n${rubble.output.slice(-3000)}`);
      }
    });
    after(async () => await workshop?.close());

    const meshPassword = (domain: string): string => `quarry ${domain}`;

    async function relay(domain: string, port: number, other: string, otherPort: number): Promise<NodeProcess> {
      await workshop.file(`secrets/mesh-${domain}`, `${meshPassword(domain)}\n`);
      return await workshop.node(domain, () => configuration(domain, port, other, otherPort), port);
    }

    function configuration(domain: string, port: number, other: string, otherPort: number): object {
      return {
        domains: [domain],
        listen: [{ transport, host: '127.0.0.1', port }],
        tls: {
          certificate: `certs/${domain}.crt`,
          key: `certs/${domain}.key`,
          authority: 'certs/ca.crt',
          require: 'mesh',
        },
        sasl: { mechanisms: ['DIGEST-MD5'] },
        store: { type: 'lmdb', path: `var/${domain}` },
        mesh: {
          routes: [
            {
              domain: other,
              relays: [`${transport}://127.0.0.1:${otherPort}`],
              tls: 'require',
              credentials: { username: `imxp=mesh@${domain}`, passwordFile: `secrets/mesh-${domain}` },
            },
          ],
          dns: { enabled: false },
        },
        log: { level: 'info' },
      };
    }

    /** The options every endpoint command takes here. */
    const common = (node: NodeProcess, address: string): string[] => [
      '--relay',
      `${transport}://127.0.0.1:${node.port}`,
      '--password-file',
      workshop.path(`secrets/${encodeURIComponent(address)}`),
      '--tls',
      'require',
      '--ca',
      authority,
    ];

    /** An `imxp listen` that is attached, which its relay's log tells. */
    async function listening(...options: string[]) {
      const mark = rubble.mark;
      const command = workshop.command(['listen', BARNEY, ...options, ...common(rubble, BARNEY)]);
      await Promise.race([
        rubble.log(
          (line) => JSON.stringify(line).includes(BARNEY) && /attach/.test(JSON.stringify(line)),
          'attached',
          20_000,
          mark,
        ),
        command.finished(25_000).then(({ stderr }) => {
          throw new Error(`listen ended: ${stderr}`);
        }),
      ]);
      return command;
    }

    it('carry a text from the standard input of one shell to another', async () => {
      const listen = await listening('--count', '1');
      const text = 'Yabba dabba doo, said Fred — ünd so weiter\n';
      const sent = await workshop.run(['send', '--from', FRED, '--to', BARNEY, ...common(example, FRED), '-'], {
        input: text,
      });
      expect(sent.code, `${sent.stderr}${sent.stdout}`).to.equal(0);
      const { code, stdout } = await listen.finished();
      expect(code).to.equal(0);
      expect(stdout.toString()).to.contain(text.trim()).and.to.contain(FRED);
    });

    it('REQ-IMXP-034 carry a file of 5 MiB octet for octet', async () => {
      const file = randomBytes(FILE_OCTETS);
      const listen = await listening('--count', '1', '--json');
      const sent = await workshop.run([
        'send',
        '--from',
        FRED,
        '--to',
        BARNEY,
        ...common(example, FRED),
        await workshop.file('file.bin', file),
      ]);
      expect(sent.code, `${sent.stderr}${sent.stdout}`).to.equal(0);
      const { code, stdout } = await listen.finished();
      expect(code).to.equal(0);
      const arrived: unknown = JSON.parse(stdout.toString());
      expect(arrived).to.deep.include({ from: FRED, to: [BARNEY], octets: FILE_OCTETS });
      expect(digest(contentOf(arrived))).to.equal(digest(file));
    });

    /** The octets of a delivery printed by `imxp listen --json`. */
    function contentOf(delivery: unknown): Buffer {
      const { encoding, content } = delivery as { readonly encoding?: unknown; readonly content?: unknown };
      if (encoding !== 'base64' || typeof content !== 'string') {
        throw new Error(`no base64 in ${JSON.stringify(delivery).slice(0, 300)}`);
      }
      return Buffer.from(content, 'base64');
    }

    it('report a refusal to the sender by exit code, code and text', async () => {
      const nobody = 'dino@rubble.com';
      const sent = await workshop.run(['send', '--from', FRED, '--to', nobody, ...common(example, FRED), '-'], {
        input: 'x',
      });
      expect(sent.code).to.equal(1);
      expect(`${sent.stderr}${sent.stdout}`)
        .to.match(/\b550\b/)
        .and.to.match(/unknown/i);
    });

    /** A raw peer attached at a relay. */
    async function attached(node: NodeProcess, address: string): Promise<AttachedPeer> {
      const peer = await RawPeer.connect({
        port: node.port,
        name: address,
        transport,
        site: address.slice(address.lastIndexOf('@') + 1),
        authority: authorityOctets,
      });
      peers.push(peer);
      const [username = '', host = ''] = address.split('@');
      await peer.greet();
      const reply = await peer.authenticate({ username, password: passwordOf(address), host });
      expect(reply.keyword, `${reply.payload}`).to.equal('RPY');
      const channel = await peer.imxp(attach(address, 1));
      peer.window(channel, 1_048_576);
      return { address, peer, channel };
    }

    const numbered = (index: number): string => inlineData(FRED, [BARNEY], `<n>${index}</n>`);
    const numberIn = (payload: Buffer): number => Number(/<n>(\d+)<\/n>/.exec(payload.toString())?.[1] ?? Number.NaN);

    /** Counts what arrives, by number, and answers `ok`. */
    function count({ peer }: AttachedPeer, arrivals: Map<number, number>): void {
      peer.onRequest = ({ channel, msgno, payload }) => {
        const index = numberIn(payload);
        arrivals.set(index, (arrivals.get(index) ?? 0) + 1);
        peer.reply(channel, 'RPY', msgno, OK);
      };
    }

    /**
     * Sends Data `from`..`to`-1 with at most OUTSTANDING unanswered; resolves with the code of each (200 for ok) when every
     * one is answered. `at` is told the number answered so far.
     */
    async function flood({ peer, channel }: AttachedPeer, at: (answered: number) => void): Promise<number[]> {
      const codes: number[] = [];
      let sent = 0;
      const answered = new Promise<void>((resolve) => {
        const send = (): void => {
          while (sent < DATA && sent - codes.length < OUTSTANDING) {
            peer.msg(channel, numbered(sent));
            sent += 1;
          }
        };
        peer.onReply = ({ keyword, payload }) => {
          // Replies come in the order of the MSGs, so the nth reply is that to the nth Data.
          codes.push(keyword === 'RPY' ? 200 : (errorIn(payload)?.code ?? 0));
          at(codes.length);
          if (codes.length === DATA) resolve();
          else send();
        };
        send();
      });
      await within(
        45_000,
        answered,
        () => `${DATA} answers; ${sent} sent, ${codes.length} answered${peer.transcript()}`,
      );
      peer.onReply = undefined;
      return codes;
    }

    /** Sends one Data after the other until one is accepted: traffic flows again without anybody's doing. */
    async function flowsAgain({ peer, channel }: AttachedPeer, first: number): Promise<void> {
      const deadline = Date.now() + 20_000;
      for (let index = first; ; index += 1) {
        const { keyword, payload } = await peer.ask(channel, numbered(index));
        if (keyword === 'RPY') return;
        const error = errorIn(payload);
        // Until both ends are back: relay unavailable, bind refused, not attached. Never anything permanent.
        expect(error?.code, error?.text).to.be.oneOf([450, 451]);
        if (Date.now() > deadline) throw new Error(`no ok within 20 s, at last ${error?.code} ${error?.text}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }

    function expectOnce(codes: readonly number[], arrivals: ReadonlyMap<number, number>): void {
      const lost = codes.flatMap((code, index) => (code === 200 && !arrivals.has(index) ? [index] : []));
      const doubled = [...arrivals].filter(([, times]) => times !== 1).map(([index]) => index);
      expect(lost, 'answered ok and never arrived').to.deep.equal([]);
      expect(doubled, 'arrived more than once').to.deep.equal([]);
    }

    it('REQ-IMXP-028 answer each of 10,000 Data, and deliver once those answered ok', async () => {
      const fred = await attached(example, FRED);
      const arrivals = new Map<number, number>();
      count(await attached(rubble, BARNEY), arrivals);
      const codes = await flood(fred, () => {});
      expect(codes.filter((code) => code !== 200)).to.deep.equal([]);
      expect(arrivals.size).to.equal(DATA);
      expectOnce(codes, arrivals);
    });

    it("answer each of 10,000 Data although the recipient's relay is killed, and recover by themselves", async () => {
      const fred = await attached(example, FRED);
      const arrivals = new Map<number, number>();
      const before = await attached(rubble, BARNEY);
      count(before, arrivals);
      let killed: Promise<void> | undefined;
      const codes = await flood(fred, (answered) => {
        if (answered >= DATA / 3) killed ??= rubble.kill();
      });
      await killed;
      const failed = codes.filter((code) => code !== 200);
      expect(failed.length, 'something was under way when it died').to.be.greaterThan(0);
      expect([...new Set(failed)].filter((code) => code !== 450 && code !== 451)).to.deep.equal([]);
      expectOnce(codes, arrivals);
      await rubble.start();
      count(await attached(rubble, BARNEY), arrivals);
      await flowsAgain(fred, DATA);
    });

    it("lose nothing that was answered when the sender's relay is killed", async () => {
      const fred = await attached(example, FRED);
      const arrivals = new Map<number, number>();
      count(await attached(rubble, BARNEY), arrivals);
      const codes: number[] = [];
      const reached = new Promise<void>((resolve) => {
        fred.peer.onReply = ({ keyword, payload }) => {
          codes.push(keyword === 'RPY' ? 200 : (errorIn(payload)?.code ?? 0));
          if (codes.length === 1000) resolve();
        };
      });
      for (let index = 0; index < 3000; index += 1) fred.peer.msg(fred.channel, numbered(index));
      await within(20_000, reached, '1000 answers');
      await example.kill();
      await fred.peer.ended();
      expectOnce(codes, arrivals);
      await example.start();
      await flowsAgain(await attached(example, FRED), 3000);
    });

    it('stop in order on SIGTERM, one after the other', async () => {
      for (const node of [example, rubble]) {
        expect(await node.stop(), node.output.slice(-2000)).to.include({ code: 0 });
        expect(node.output).not.to.match(/unhandled|TypeError|RangeError|ReferenceError/i);
      }
    });
  });
}
