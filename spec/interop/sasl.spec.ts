/**
 * Our mechanisms against GNU SASL (`gsasl`) and Cyrus SASL (`cyrus-peer.c`), in both roles. Where they are missing, root
 * has them installed from the Debian archive; otherwise the specs are skipped, aloud. A skipped run is not a pass.
 * `IMXP_INTEROP=off` skips without installing anything.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Qop } from '../../lib/config/sasl-names.js';
import type { ClientMechanism, SecurityLayer, ServerMechanism } from '../../lib/sasl/mechanism.js';
import { candidates, serverMechanism } from '../../lib/sasl/registry.js';
import { CIPHERS, type Cipher } from '../../lib/sasl/settings.js';
import { mechanismUri } from '../../lib/sasl/uri.js';
import { authenticated, login, People, settings } from '../sasl/people.js';
import { INSTALL_TIMEOUT_MS, missingPackages } from '../support/debian.js';
import { LineProcess } from './peer-process.js';

const PACKAGES = ['gsasl', 'sasl2-bin', 'libsasl2-modules', 'libsasl2-dev'];
const HOST = 'relay.example.com';
const MECHANISMS = ['DIGEST-MD5', 'SCRAM-SHA-256'] as const;
const WRONG = 'dabba-doo';

function isThere(): boolean {
  const has = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
  return has('gsasl') && has('gcc') && has('saslpasswd2') && existsSync('/usr/include/sasl/sasl.h');
}

/** Why the peers cannot be had; `undefined` when they can. */
function missing(): string | undefined {
  if (process.env['IMXP_INTEROP'] === 'off') return 'IMXP_INTEROP=off';
  return missingPackages(PACKAGES, isThere);
}

/** One side of an exchange in another program. */
interface Peer {
  /** Takes a token, gives its own; `undefined` when it refuses. */
  step(token: Buffer | undefined): Promise<Buffer | undefined>;
  stop(): void;
}

class Gsasl implements Peer {
  readonly #process: LineProcess;
  #begun = false;

  constructor(role: 'client' | 'server', mechanism: string, password: string, qop: Qop, user = 'fred') {
    const names = [`--mechanism=${mechanism}`, `--authentication-id=${user}`, `--password=${password}`];
    const place = ['--service=beep', `--hostname=${HOST}`, '--realm=example.com', '--no-cb', '--iteration-count=4096'];
    const quality = { auth: 'qop-auth', 'auth-int': 'qop-int', 'auth-conf': 'qop-conf' }[qop];
    this.#process = new LineProcess('gsasl', [
      `--${role}`,
      '--quiet',
      ...names,
      ...place,
      `--quality-of-protection=${quality}`,
    ]);
  }

  async step(token: Buffer | undefined): Promise<Buffer | undefined> {
    if (!this.#begun) {
      this.#begun = true;
      await this.#process.line(); // the name of the mechanism
      const first = await this.#process.line();
      if (token === undefined || token.length === 0) return decoded(first);
    }
    this.#process.write((token ?? Buffer.alloc(0)).toString('base64'));
    return decoded(await this.#process.line());
  }

  /** After success, and as the last thing: a line of text as it leaves the layer. It is printed when input ends. */
  async encode(text: string): Promise<Buffer | undefined> {
    // It takes one more line, as if the server had to say that it is content.
    this.#process.write('');
    this.#process.write(text);
    this.#process.end();
    for (;;) {
      const line = await this.#process.line();
      if (line !== '') return decoded(line);
    }
  }

  stop(): void {
    this.#process.stop();
  }
}

function decoded(line: string | undefined): Buffer | undefined {
  return line === undefined ? undefined : Buffer.from(line, 'base64');
}

class Cyrus implements Peer {
  readonly #process: LineProcess;
  /** True after the peer said the exchange succeeded. */
  done = false;

  constructor(
    program: string,
    role: 'client' | 'server',
    mechanism: string,
    password: string,
    ssf: number,
    database: string,
    user = 'fred',
  ) {
    const args = [role, mechanism, user, password, 'example.com', HOST, String(ssf), database];
    this.#process = new LineProcess(program, args);
  }

  async step(token: Buffer | undefined): Promise<Buffer | undefined> {
    return this.#ask('S', token);
  }

  encode(plain: Buffer): Promise<Buffer | undefined> {
    return this.#ask('E', plain);
  }

  decode(packets: Buffer): Promise<Buffer | undefined> {
    return this.#ask('D', packets);
  }

  async #ask(what: string, octets: Buffer | undefined): Promise<Buffer | undefined> {
    this.#process.write(`${what} ${octets === undefined ? '-' : octets.toString('base64')}`);
    const line = (await this.#process.line()) ?? 'X';
    this.done ||= line.startsWith('K');
    return line.startsWith('X') ? undefined : Buffer.from(line.slice(2), 'base64');
  }

  stop(): void {
    this.#process.stop();
  }
}

describe('SASL with other implementations', function () {
  this.timeout(300_000);
  const people = new People();
  let directory = '';
  let program = '';
  let database = '';
  const peers: Peer[] = [];

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const reason = missing();
    if (reason !== undefined) {
      console.error(`      SKIPPED: GNU SASL and Cyrus SASL: ${reason}`);
      this.skip();
    }
    await people.add('fred@example.com', 'yabba-42');
    await people.add('renée@example.com', 'pässword');
    directory = mkdtempSync(join(tmpdir(), 'imxp-sasl-'));
    program = join(directory, 'cyrus-peer');
    database = join(directory, 'sasldb');
    const source = fileURLToPath(new URL('cyrus-peer.c', import.meta.url));
    execFileSync('gcc', ['-o', program, source, '-lsasl2']);
    for (const [user, password] of [
      ['fred', 'yabba-42'],
      ['renée', 'pässword'],
    ] as const) {
      execFileSync('saslpasswd2', ['-p', '-c', '-f', database, '-u', 'example.com', user], { input: password });
    }
  });

  afterEach(() => {
    for (const peer of peers.splice(0)) peer.stop();
  });
  after(() => {
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
  });

  const client = (
    mechanism: string,
    password: string,
    qops: readonly Qop[] = ['auth'],
    ciphers: readonly Cipher[] = CIPHERS,
    user = 'fred',
  ) => {
    const wanted = login(user, password, { host: HOST, realm: 'example.com', qops, ciphers, mechanisms: [mechanism] });
    const [candidate] = candidates(
      [mechanismUri(mechanism)],
      mechanism === 'DIGEST-MD5' ? wanted : { ...wanted, qops: ['auth'] },
    );
    if (candidate === undefined) throw new Error(`no ${mechanism}`);
    return candidate.create();
  };
  const server = (mechanism: string, qops: readonly Qop[] = ['auth'], ciphers: readonly Cipher[] = CIPHERS) => {
    const made = serverMechanism(mechanism, settings(people, { qops, ciphers, hosts: [HOST] }), { privacy: false });
    if (made === undefined) throw new Error(`no ${mechanism}`);
    return made;
  };

  function started<T extends Peer>(peer: T): T {
    peers.push(peer);
    return peer;
  }

  /** Our client against their server: their last token must prove them to us. */
  async function proveToPeer(ours: ClientMechanism, theirs: Peer): Promise<boolean> {
    let token = await ours.initial();
    for (let turns = 0; turns < 5; turns += 1) {
      const answer = await theirs.step(token);
      if (answer === undefined) return false;
      token = await ours.step(answer);
      if (ours.complete) return true;
    }
    return false;
  }

  /** Their client against our server; gives what our server last said. */
  async function proveToUs(theirs: Peer, ours: ServerMechanism) {
    let token = ours.clientFirst ? await theirs.step(undefined) : undefined;
    for (let turns = 0; turns < 5; turns += 1) {
      const step = await ours.step(token);
      if (step.type === 'failure') return step;
      const answer = await theirs.step(step.data ?? Buffer.alloc(0));
      if (step.type === 'success') {
        expect(answer, 'they accept our proof').to.not.equal(undefined);
        return step;
      }
      if (answer === undefined) throw new Error('the peer refused our challenge');
      token = answer;
    }
    throw new Error('no end');
  }

  for (const mechanism of MECHANISMS) {
    it(`REQ-SASL-009 ${mechanism}: our client, GNU SASL's server`, async () => {
      expect(
        await proveToPeer(client(mechanism, 'yabba-42'), started(new Gsasl('server', mechanism, 'yabba-42', 'auth'))),
      ).to.equal(true);
      expect(
        await proveToPeer(client(mechanism, WRONG), started(new Gsasl('server', mechanism, 'yabba-42', 'auth'))),
      ).to.equal(false);
    });

    it(`REQ-SASL-009 ${mechanism}: GNU SASL's client, our server`, async () => {
      const right = await proveToUs(started(new Gsasl('client', mechanism, 'yabba-42', 'auth')), server(mechanism));
      expect(authenticated(right).account).to.equal('fred@example.com');
      const wrong = await proveToUs(started(new Gsasl('client', mechanism, WRONG, 'auth')), server(mechanism));
      expect(wrong).to.have.nested.property('reply.code', 535);
    });

    it(`REQ-SASL-009 ${mechanism}: our client, Cyrus SASL's server`, async () => {
      const theirs = started(new Cyrus(program, 'server', mechanism, '', 0, database));
      if (mechanism === 'DIGEST-MD5')
        expect(await digestWithCyrus(client(mechanism, 'yabba-42'), theirs)).to.equal(true);
      else expect(await proveToPeer(client(mechanism, 'yabba-42'), theirs)).to.equal(true);
      const refusing = started(new Cyrus(program, 'server', mechanism, '', 0, database));
      const wrong = client(mechanism, WRONG);
      expect(
        mechanism === 'DIGEST-MD5' ? await digestWithCyrus(wrong, refusing) : await proveToPeer(wrong, refusing),
      ).to.equal(false);
    });

    it(`REQ-SASL-009 ${mechanism}: Cyrus SASL's client, our server`, async () => {
      const theirs = started(new Cyrus(program, 'client', mechanism, 'yabba-42', 0, database));
      expect(authenticated(await withCyrusClient(theirs, server(mechanism))).account).to.equal('fred@example.com');
      expect(theirs.done).to.equal(true);
      const wrong = await withCyrusClient(
        started(new Cyrus(program, 'client', mechanism, WRONG, 0, database)),
        server(mechanism),
      );
      expect(wrong).to.have.nested.property('reply.code', 535);
    });
  }

  /** Cyrus's server of DIGEST-MD5 wants an empty answer to its proof, as the specification of SASL once had it. */
  async function digestWithCyrus(ours: ClientMechanism, theirs: Cyrus): Promise<boolean> {
    const proven = await proveToPeer(ours, theirs);
    if (proven && !theirs.done) await theirs.step(Buffer.alloc(0));
    return proven && theirs.done;
  }

  async function withCyrusClient(theirs: Cyrus, ours: ServerMechanism) {
    if (!ours.clientFirst) await theirs.step(undefined);
    return proveToUs(theirs, ours);
  }

  it("REQ-SASL-025 names outside ASCII: both peers' clients, our server", async () => {
    for (const theirs of [
      new Gsasl('client', 'DIGEST-MD5', 'pässword', 'auth', 'renée'),
      new Cyrus(program, 'client', 'DIGEST-MD5', 'pässword', 0, database, 'renée'),
    ]) {
      started(theirs);
      const outcome = await (theirs instanceof Cyrus
        ? withCyrusClient(theirs, server('DIGEST-MD5'))
        : proveToUs(theirs, server('DIGEST-MD5')));
      expect(authenticated(outcome).account, theirs.constructor.name).to.equal('renée@example.com');
    }
  });

  it("REQ-SASL-025 names outside ASCII: our client, Cyrus SASL's server", async () => {
    const theirs = started(new Cyrus(program, 'server', 'DIGEST-MD5', '', 0, database));
    expect(await digestWithCyrus(client('DIGEST-MD5', 'pässword', ['auth'], CIPHERS, 'renée'), theirs)).to.equal(true);
  });

  /** Octets both ways through the layers, several packets and pieces. */
  async function converse(ours: SecurityLayer | undefined, theirs: Cyrus): Promise<void> {
    if (ours === undefined) throw new Error('a layer is expected');
    for (const plain of [Buffer.from('RPY 0 0 . 0 10\r\n'), Buffer.alloc(5000, 'x'), Buffer.from('END\r\n')]) {
      expect(await theirs.decode(ours.wrap(plain))).to.deep.equal(plain);
      const packets = await theirs.encode(plain);
      expect(ours.unwrap(packets ?? Buffer.alloc(0))).to.deep.equal(plain);
    }
  }

  /** Cyrus 2.1.28 offers 3des but fails to start it with OpenSSL 3 ("failed to init cipher '3des'"). */
  async function cyrusLacks3des(): Promise<boolean> {
    const theirs = started(new Cyrus(program, 'client', 'DIGEST-MD5', 'yabba-42', 112, database));
    await theirs.step(undefined);
    const step = await server('DIGEST-MD5', ['auth-conf'], ['3des']).step(undefined);
    const answer = await theirs.step(step.type === 'challenge' ? step.data : undefined);
    if (answer === undefined) console.error('      SKIPPED: this Cyrus SASL cannot start its cipher 3des');
    return answer === undefined;
  }

  const layers: readonly [Qop, Cipher | undefined, number][] = [
    ['auth-int', undefined, 1],
    ['auth-conf', '3des', 112],
    ['auth-conf', 'rc4', 128],
    ['auth-conf', 'des', 55],
    ['auth-conf', 'rc4-56', 56],
    ['auth-conf', 'rc4-40', 40],
  ];
  for (const [qop, cipher, ssf] of layers) {
    const ciphers = cipher === undefined ? [] : [cipher];

    it(`REQ-SASL-030 REQ-SASL-031 ${cipher ?? qop}: our client, Cyrus SASL's server`, async function () {
      if (cipher === '3des' && (await cyrusLacks3des())) this.skip();
      const theirs = started(new Cyrus(program, 'server', 'DIGEST-MD5', '', ssf, database));
      const ours = client('DIGEST-MD5', 'yabba-42', [qop], ciphers);
      expect(await digestWithCyrus(ours, theirs)).to.equal(true);
      expect(theirs.done).to.equal(true);
      await converse(ours.layer, theirs);
    });

    it(`REQ-SASL-030 REQ-SASL-031 ${cipher ?? qop}: Cyrus SASL's client, our server`, async function () {
      if (cipher === '3des' && (await cyrusLacks3des())) this.skip();
      const theirs = started(new Cyrus(program, 'client', 'DIGEST-MD5', 'yabba-42', ssf, database));
      const outcome = await withCyrusClient(theirs, server('DIGEST-MD5', [qop], ciphers));
      await converse(authenticated(outcome).layer, theirs);
    });
  }

  // GNU SASL's server cannot be told on its command line to offer auth-int.
  it("REQ-SASL-030 auth-int: our server reads what GNU SASL's client protects", async () => {
    const theirs = started(new Gsasl('client', 'DIGEST-MD5', 'yabba-42', 'auth-int'));
    const outcome = await proveToUs(theirs, server('DIGEST-MD5', ['auth', 'auth-int']));
    const packet = await theirs.encode('hello mesh');
    expect(
      authenticated(outcome)
        .layer?.unwrap(packet ?? Buffer.alloc(0))
        .toString(),
    ).to.match(/^hello mesh/);
  });
});
