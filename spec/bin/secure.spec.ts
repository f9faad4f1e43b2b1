import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { authority, barney as barneys, fred as freds, wilma as wilmas } from '../message/smime/people.js';
import { TestAuthority, type TestCertificate } from '../support/certificates.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Command, type Finished, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const own = ({ certificate, key }: TestCertificate) => ({ certificate, key });

describe('commands that sign and encrypt', function () {
  this.timeout(60_000);
  this.slow(5000);
  let mesh: LocalMesh;
  let workshop: Workshop;

  before(async () => {
    mesh = await LocalMesh.start();
    workshop = await Workshop.open();
    await workshop.file('ca.crt', authority.certificate);
    for (const [name, address, { certificate, key }] of [
      ['fred', FRED, freds],
      ['barney', BARNEY, barneys],
    ] as const) {
      await workshop.file(name, `${passwordOf(address)}\n`);
      await workshop.file(`${name}.crt`, certificate);
      await workshop.file(`${name}.key`, key);
      await workshop.file(`${name}.pem`, key + certificate);
    }
  });

  afterEach(() => mesh.leave());

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  const relayOf = (domain: string): string[] => ['--relay', mesh.url(domain)];
  const send = (args: readonly string[], input: string): Promise<Finished> =>
    workshop.run(
      ['send', '--from', FRED, '--to', BARNEY, ...relayOf('example.com'), '--password-file', 'fred', ...args],
      { input },
    );

  async function listen(...args: readonly string[]): Promise<Command> {
    const relay = relayOf('rubble.com');
    const command = workshop.command(['listen', BARNEY, ...relay, '--password-file', 'barney', ...args]);
    await command.seen((output) => /attached as/.exec(output)?.[0], 'is attached', 20_000);
    return command;
  }

  it('REQ-CPIM-014 imxp send signs and encrypts; imxp listen decrypts and names the signer', async () => {
    const own = ['--identity', 'barney.crt', '--trust', 'ca.crt'];
    const listening = await listen(...own, '--count', '3');
    const seal = ['--sign', '--identity', 'fred.pem', '--encrypt-to', 'barney.crt', '--trust', 'ca.crt'];
    expect((await send(seal, 'Bowling?')).stderr.toString()).to.equal('');
    expect((await send(['--sign', '--identity', 'fred.crt', '--subject', 'Dino'], 'Found!')).code).to.equal(0);
    expect((await send(['--encrypt-to', 'barney.crt'], 'No name')).code).to.equal(0);
    const { stdout } = await listening.finished();
    expect(stdout.toString().split('\n')).to.deep.equal([
      `${FRED} -> ${BARNEY}  [signed by ${FRED}, encrypted]  text/plain; charset=UTF-8, 8 octets`,
      'Bowling?',
      `${FRED} -> ${BARNEY}  [signed by ${FRED}]  text/plain; charset=UTF-8, 6 octets`,
      'Dino',
      'Found!',
      `${FRED} -> ${BARNEY}  [encrypted]  text/plain; charset=UTF-8, 7 octets`,
      'No name',
      '',
    ]);
    const second = await listen(...own, '--json', '--count', '1');
    expect((await send([...seal, '--smime', '3.2'], 'Bowling?')).code).to.equal(0);
    const shown = JSON.parse((await second.finished()).stdout.toString());
    expect(shown).to.deep.include({ encrypted: true, content: 'Bowling?' });
    expect(shown.signed).to.include({
      by: FRED,
      valid: true,
      trust: 'authority',
      algorithm: 'RSA with SHA-256',
      fingerprint: new X509Certificate(freds.certificate).fingerprint256,
    });
  });

  it('imxp send and imxp listen --classic use what RFC 3851 required, and say what it is worth', async () => {
    const listening = await listen('--identity', 'barney.crt', '--trust', 'ca.crt', '--classic', '--count', '1');
    const seal = ['--sign', '--identity', 'fred.pem', '--encrypt-to', 'barney.crt', '--trust', 'ca.crt'];
    expect((await send([...seal, '--classic'], 'Bowling?')).code).to.equal(0);
    expect((await listening.finished()).stdout.toString()).to.include(
      `[signed by ${FRED}, encrypted, by RSA with SHA-1, which can be forged]`,
    );
  });

  it('learn certificates, trust each on first use, show that, and encrypt with them', async function () {
    this.timeout(120_000);
    const strangers = new TestAuthority('Strangers');
    const fingerprints: string[] = [];
    for (const name of ['first', 'second']) {
      const made = strangers.issue({ uris: [`im:${FRED}`], usages: ['mail'], ownKey: true });
      await workshop.file(`${name}.crt`, made.certificate);
      await workshop.file(`${name}.key`, made.key);
      fingerprints.push(new X509Certificate(made.certificate).fingerprint256);
    }
    const listening = await listen('--known', 'people', '--count', '3');
    for (const name of ['first', 'first', 'second']) {
      expect((await send(['--sign', '--identity', `${name}.crt`], 'x')).code).to.equal(0);
    }
    const shown = (await listening.finished()).stdout.toString();
    const [first, second] = fingerprints;
    expect(shown.match(/\[.*\]/g)).to.deep.equal([
      `[signed by ${FRED}, first seen now with fingerprint ${first}]`,
      `[signed by ${FRED}, known from earlier messages alone]`,
      `[NOT VERIFIED, claims to be from ${FRED}: the certificate is not the one that is known for this address; its fingerprint is ${second}]`,
    ]);
    const known = async (...args: string[]) => {
      const { code, stdout, stderr } = await workshop.run(['known', ...args]);
      return [code, stdout.toString(), stderr.toString()] as const;
    };
    expect((await known('list', 'people'))[1])
      .to.include(`${FRED}  `)
      .and.include(first);
    const answer = ['send', '--from', BARNEY, '--to', FRED, ...relayOf('rubble.com'), '--password-file', 'barney'];
    const fred = await mesh.attach(FRED, {
      secure: { certificate: workshop.path('first.crt'), key: workshop.path('first.key') },
    });
    const heard: (string | boolean)[] = [];
    fred.receive((delivery) => void heard.push(delivery.encrypted, delivery.text()));
    expect((await workshop.run([...answer, '--encrypt', '--known', 'people'], { input: 'At eight' })).code).to.equal(0);
    expect(heard).to.deep.equal([true, 'At eight']);
    expect((await known('forget', 'people', FRED))[0]).to.equal(0);
    expect((await known('add', 'people', BARNEY, 'second.crt'))[2]).to.include(`it names ${FRED}`);
    expect((await known('add', 'people', FRED, 'second.crt'))[0]).to.equal(0);
    expect(JSON.parse((await known('list', 'people', '--json'))[1])[0]).to.include({
      address: FRED,
      fingerprint: second,
    });
  });

  it('imxp listen says what is not proven, and refuses what it cannot decrypt', async () => {
    const listening = await listen('--count', '2', '--trust', 'ca.crt');
    const fred = await mesh.attach(FRED, { secure: { ...own(freds), people: [barneys.certificate] } });
    const hidden = await failureOf(fred.send({ to: BARNEY, content: 'x', encrypt: true }));
    expect(hidden.reply).to.deep.equal({ code: 550, text: 'the content is encrypted and cannot be read here' });
    await fred.send({ to: BARNEY, content: 'x', sign: true });
    const wilma = await mesh.attach('wilma@example.com', { secure: own(wilmas) });
    await wilma.send({ to: BARNEY, content: 'x' });
    const { stdout, stderr } = await listening.finished();
    expect(stdout.toString()).to.include(`[signed by ${FRED}]`);
    expect(stderr.toString()).to.include('refused a message from fred@example.com: the content is encrypted');
    const blind = await listen('--count', '1');
    await fred.send({ to: BARNEY, content: 'x', sign: true });
    expect((await blind.finished()).stdout.toString()).to.include(
      `[NOT VERIFIED, claims to be from ${FRED}: the certificate was not signed by a trusted CA]`,
    );
  });

  it('imxp chat signs and encrypts what it sends, and marks what it receives', async () => {
    const heard: Delivery[] = [];
    const secure = { ...own(barneys), authorities: authority.certificate, people: [freds.certificate] };
    const barney: Endpoint = await mesh.attach(BARNEY, { secure });
    barney.receive((delivery) => {
      heard.push(delivery);
      void barney.send({ to: FRED, content: 'At eight.', sign: true, encrypt: true });
    });
    const args = ['chat', BARNEY, '--from', FRED, ...relayOf('example.com'), '--password-file', 'fred', '--count', '1'];
    const seal = ['--sign', '--identity', 'fred.crt', '--encrypt-to', 'barney.crt', '--trust', 'ca.crt'];
    const { code, stdout } = await workshop.run([...args, ...seal], { input: 'Bowling?\n' });
    expect(code).to.equal(0);
    expect(stdout.toString()).to.include(`${BARNEY} [signed by ${BARNEY}, encrypted]: At eight.`);
    expect(heard.map((one) => [one.text(), one.signed?.valid, one.encrypted])).to.deep.equal([
      ['Bowling?', true, true],
    ]);
  });

  it('exit with 64 where an option is missing, and 78 where a file cannot be used', async () => {
    const sent = await Promise.all([
      send(['--sign'], 'x'),
      send(['--encrypt'], 'x'),
      send(['--classic', '--smime', '3.2'], 'x'),
      send(['--encrypt-to', 'fred.crt'], 'x'),
      send(['--sign', '--identity', 'none.crt'], 'x'),
      send(['--encrypt-to', 'none.crt'], 'x'),
    ]);
    expect(sent.map(({ code }) => code)).to.deep.equal([64, 64, 64, 64, 78, 78]);
    expect(sent[0]?.stderr.toString()).to.include('--sign needs --identity');
    expect(sent[1]?.stderr.toString()).to.include('--encrypt needs --known');
    expect(sent[3]?.stderr.toString()).to.include('no certificate of barney@rubble.com is known');
  });
});
