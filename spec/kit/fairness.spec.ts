/**
 * `imxp interop` against listeners that do what no clause forbids: none is charged for it. Each is planted here, as small as
 * it may be.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import type { Result } from '../../kit/conformance/check.js';
import { clausesText, remarksText } from '../../kit/conformance/report.js';
import { Kit } from '../../kit/conformance/run.js';
import { makeTarget } from '../../kit/conformance/target.js';
import { parseRelayUrl } from '../../lib/config/relay-url.js';
import { imxp } from '../support/cli.js';
import { beepXml, GREETING, TLS } from '../support/raw-documents.js';
import { FrameReader, frame, type RawFrame, seq } from '../support/raw-frame.js';
import { temporaryDirectory } from '../support/temporary.js';

const REFUSAL = "<error code='550'>not here</error>";

/** One connection of a planted listener. */
class Visit {
  readonly socket: Socket;
  readonly #reader = new FrameReader();
  #seqno = 0;
  octets = 0;

  constructor(socket: Socket, greeting: string) {
    this.socket = socket;
    socket.on('error', () => {});
    this.say('RPY', 0, greeting);
  }

  say(keyword: 'RPY' | 'ERR', msgno: number, payload: string): void {
    this.socket.write(frame(keyword, 0, msgno, '.', this.#seqno, payload));
    this.#seqno += Buffer.byteLength(payload);
  }

  /** The frames in octets that came; ends the connection at what is none. */
  frames(octets: Buffer): RawFrame[] {
    try {
      return this.#frames(octets);
    } catch {
      this.socket.destroy();
      return [];
    }
  }

  #frames(octets: Buffer): RawFrame[] {
    this.#reader.push(octets);
    const found: RawFrame[] = [];
    for (let next = this.#reader.next(); next !== undefined; next = this.#reader.next()) {
      if (next.keyword === 'SEQ') continue;
      found.push(next);
      this.octets += next.payload.length;
      this.socket.write(seq(0, next.seqno + next.payload.length, 4096));
    }
    return found;
  }
}

describe('imxp interop is fair', function () {
  this.timeout(60_000);
  this.slow(10_000);
  let server: Server | undefined;
  const sockets = new Set<Socket>();
  const path = temporaryDirectory();

  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    server?.close();
  });

  async function listening(greeting: string, act: (visit: Visit, octets: Buffer) => void): Promise<number> {
    server = createServer((socket) => {
      sockets.add(socket);
      const visit = new Visit(socket, greeting);
      socket.on('data', (octets) => act(visit, octets));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function results(port: number, only: readonly string[], timeoutMs = 1500): Promise<Result[]> {
    const kit = new Kit(makeTarget({ location: parseRelayUrl(`tcp://127.0.0.1:${port}`), timeoutMs }));
    await kit.survey();
    const found: Result[] = [];
    for await (const result of kit.run(only)) if (only.includes(result.id)) found.push(result);
    return found;
  }

  /** Refuses every start, and ends at what is no frame. */
  const refusing = (visit: Visit, octets: Buffer): void => {
    for (const { keyword, msgno } of visit.frames(octets)) {
      if (keyword === 'MSG') visit.say('ERR', msgno, beepXml(REFUSAL));
    }
  };

  const EMPTY = GREETING;
  const texts = (found: readonly Result[]): string[] => found.flatMap(({ remarks }) => remarks.map(({ text }) => text));

  for (const [what, limit, remark] of [
    ['ends at 100 octets of a header', 100, undefined],
    ['ends at 4,000', 4000, undefined],
    ['reads a header for ever', Number.POSITIVE_INFINITY, /^an unfinished header of \d+ octets is still read$/],
  ] as const) {
    it(`faults.endless-header: passes a listener that ${what}`, async () => {
      const port = await listening(EMPTY, (visit, octets) => {
        // The greeting comes before it.
        visit.octets += octets.length;
        if (visit.octets > limit + 200) visit.socket.destroy();
      });
      const found = await results(port, ['faults.endless-header']);
      expect(found.map(({ outcome, received }) => [outcome, received])).to.deep.equal([['passed', undefined]]);
      if (remark === undefined) expect(texts(found)).to.deep.equal([]);
      else expect(texts(found)[0]).to.match(remark);
    });
  }

  it('faults.endless-header: charges a listener that answers', async () => {
    const port = await listening(EMPTY, (visit, octets) => {
      if (octets.includes('00000')) visit.say('ERR', 1, beepXml(REFUSAL));
    });
    expect((await results(port, ['faults.endless-header'])).map(({ outcome }) => outcome)).to.deep.equal(['failed']);
  });

  for (const [what, end] of [
    ['ends the session', (visit: Visit) => visit.socket.end()],
    ['ends the connection at once', (visit: Visit) => visit.socket.resetAndDestroy()],
    [
      'refuses the message and then ends the session',
      (visit: Visit) => {
        visit.say('ERR', 1, beepXml(REFUSAL));
        visit.socket.end();
      },
    ],
  ] as const) {
    it(`errors.oversize: passes a listener that ${what}`, async () => {
      let over = false;
      const port = await listening(EMPTY, (visit, octets) => {
        visit.frames(octets);
        if (visit.octets < 20_000 || over) return;
        over = true;
        end(visit);
      });
      const found = await results(port, ['errors.oversize']);
      expect(found.map(({ outcome, received }) => [outcome, received])).to.deep.equal([['passed', undefined]]);
    });
  }

  const WITH_TLS = beepXml(`<greeting><profile uri='${TLS}' /></greeting>`);

  for (const [code, remark] of [
    [501, undefined],
    [421, 'the code is 421; the specifications show 501'],
  ] as const) {
    for (const keyword of ['ERR', 'RPY'] as const) {
      it(`tls.version: passes a listener that answers ${keyword} with ${code}`, async () => {
        const error = `<error code='${code}'>no such version</error>`;
        const port = await listening(WITH_TLS, (visit, octets) => {
          for (const { keyword: asked, msgno, payload } of visit.frames(octets)) {
            if (asked !== 'MSG') continue;
            if (!payload.includes("version='oh'")) visit.say('ERR', msgno, beepXml(REFUSAL));
            else if (keyword === 'ERR') visit.say('ERR', msgno, beepXml(error));
            else visit.say('RPY', msgno, beepXml(`<profile uri='${TLS}'><![CDATA[${error}]]></profile>`));
          }
        });
        const found = await results(port, ['tls.version']);
        expect(found.map(({ outcome, received }) => [outcome, received])).to.deep.equal([['passed', undefined]]);
        expect(texts(found)).to.deep.equal(remark === undefined ? [] : [remark]);
      });
    }
  }

  for (const [what, act, outcome] of [
    ['refuses TLS there and goes on in the clear', refusing, 'passed'],
    [
      'proceeds, and answers what came behind ready',
      (visit: Visit, octets: Buffer) => {
        for (const { keyword, msgno, payload } of visit.frames(octets)) {
          if (keyword !== 'MSG') continue;
          if (!payload.includes('<ready')) visit.say('ERR', msgno, beepXml(REFUSAL));
          else visit.say('RPY', msgno, beepXml(`<profile uri='${TLS}'><![CDATA[<proceed />]]></profile>`));
        }
      },
      'failed',
    ],
    [
      'proceeds, passes over what came behind ready and waits for the handshake',
      (visit: Visit, octets: Buffer) => {
        for (const { keyword, msgno, payload } of visit.frames(octets)) {
          if (keyword !== 'MSG' || !payload.includes('<ready')) continue;
          visit.say('RPY', msgno, beepXml(`<profile uri='${TLS}'><![CDATA[<proceed />]]></profile>`));
        }
      },
      'passed',
    ],
  ] as const) {
    it(`tls.behind-ready: ${outcome === 'passed' ? 'passes' : 'charges'} a listener that ${what}`, async () => {
      const port = await listening(WITH_TLS, act);
      expect((await results(port, ['tls.behind-ready'], 500)).map((found) => found.outcome)).to.deep.equal([outcome]);
    });
  }

  it('says in later checks that nothing listens any more, and since which check', async () => {
    const port = await listening(EMPTY, (visit, octets) => {
      if (!octets.includes('REQ')) return refusing(visit, octets);
      server?.close();
      for (const socket of sockets) socket.destroy();
    });
    const [first, second, third] = await results(port, ['faults.keyword', 'faults.lower-case', 'windows.small']);
    expect(first?.id).to.equal('faults.keyword');
    for (const later of [second, third]) {
      expect(later?.outcome).to.equal('blocked');
      expect(later?.reason).to.match(/^the listener is gone since faults\.[a-z-]+$/);
    }
  });

  it('prints a remark once, with its checks and its weight, and the result of each clause', () => {
    const result = (id: string, outcome: Result['outcome'], clause: string, text?: string): Result => ({
      ...{ id, outcome, clause, title: 'does', ms: 0, transcript: [] },
      remarks: text === undefined ? [] : [{ level: 'example', text }],
    });
    const many = Array.from({ length: 61 }, (_, at) => result(`a.${at}`, 'passed', 'RFC 3080 §8', 'the code is 554'));
    const all = [...many, result('b.1', 'failed', 'RFC 3080 §2.4'), result('b.2', 'passed', 'RFC 3080 §2.4')];
    expect([...remarksText(all)]).to.deep.equal([
      '  example       the code is 554 (61 checks: a.0, a.1, a.2, a.3, and 57 more)',
    ]);
    const clauses = [...clausesText(all)];
    expect(clauses[0]).to.match(/FAILED.*RFC 3080 §2\.4: 1 of 2 passed; fails b\.1$/);
    expect(clauses[1]).to.match(/ok.*RFC 3080 §8: 61 of 61 passed$/);
  });

  for (const [what, greets, answers] of [
    ['an HTTP server', '', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['an SSH server', 'SSH-2.0-OpenSSH_9.2\r\n', ''],
    ['a TLS server', '', '\x15\x03\x03\x00\x02\x02\x0a'],
  ] as const) {
    it(`says that ${what} answers there, and checks nothing`, async () => {
      server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        if (greets !== '') socket.write(greets);
        socket.once('data', () => socket.end(answers, 'latin1'));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const url = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { code, stdout, stderr } = await imxp(['interop', url, '--timeout', '1000'], { cwd: path() });
      expect(code, stderr).to.equal(69);
      expect(stderr).to.include(`no BEEP listener answers there, but ${what}`);
      expect(stdout).to.equal('');
    });
  }
});
