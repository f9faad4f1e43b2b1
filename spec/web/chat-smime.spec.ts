import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { KnownDirectory } from '../../lib/endpoint/known-directory.js';
import { Secure } from '../../lib/message/smime/secure.js';
import { buildWeb } from '../../web/build.js';
import { accessibilityFaults, add, message, People, type Person, say, until } from '../support/chat-page.js';
import { startBrowserOrSkip } from '../support/chromium.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { Command, Workshop } from '../support/node-process.js';
import { missingOpenssl, Openssl } from '../support/openssl.js';
import { temporaryFile } from '../support/temporary-file.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const WILMA = 'wilma@example.com';

/** A certificate that nobody else issued, and its key. */
interface Own {
  readonly certificate: string;
  readonly key: string;
}

describe('S/MIME on the chat page', function () {
  this.timeout(120_000);
  this.slow(40_000);
  let own: Browser | undefined;
  let mesh: LocalMesh;
  let openssl: Openssl;
  let people: People;

  before(async function () {
    await buildWeb();
    const missing = missingOpenssl();
    if (missing !== undefined) {
      console.log(`      SKIPPED: ${missing}`);
      return this.skip();
    }
    own = await startBrowserOrSkip(this);
    openssl = new Openssl();
    mesh = await LocalMesh.start({ transport: 'wss', tls: true, page: '/chat' });
    people = new People(own, mesh);
    // Only example.com has a route to the other; what it sends first makes the link for both.
    const wilma = await mesh.attach(WILMA);
    await wilma.send({ to: BARNEY, content: 'first' }).catch(() => {});
  });

  afterEach(async function () {
    await people?.leave(this.currentTest?.state === 'passed');
  });

  after(async () => {
    await own?.close();
    await mesh?.close();
    openssl?.remove();
  });

  const person = (address: string): Promise<Person> => people.person(address);

  const RSA = (): KeyObject => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const onCurve = (namedCurve: string) => (): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;

  /** By OpenSSL, which is independent of all that is tried here. */
  function certificateOf(address: string, newKey = RSA): Own {
    const pem = newKey().export({ type: 'pkcs8', format: 'pem' }).toString();
    const key = openssl.put('key.pem', pem);
    const names = `subjectAltName=URI:im:${address}`;
    openssl.must([
      'req',
      '-x509',
      '-key',
      key,
      '-subj',
      '/CN=Somebody',
      '-days',
      '30',
      '-addext',
      names,
      '-out',
      openssl.path('own.pem'),
    ]);
    return { certificate: openssl.read('own.pem').toString(), key: pem };
  }

  function pkcs12(one: Own, passphrase: string, ...how: readonly string[]): Buffer {
    const file = openssl.put('both.pem', one.certificate + one.key);
    openssl.must([
      'pkcs12',
      '-export',
      '-in',
      file,
      '-out',
      openssl.path('own.p12'),
      '-passout',
      `pass:${passphrase}`,
      ...how,
    ]);
    return openssl.read('own.p12');
  }

  async function importFile(page: Page, buffer: Buffer, passphrase = ''): Promise<void> {
    await page.getByRole('button', { name: 'Certificate' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Certificate with its key').setInputFiles({ name: 'me.p12', mimeType: '', buffer });
    await dialog.getByLabel('Passphrase').fill(passphrase);
    await dialog.getByRole('button', { name: 'Import' }).click();
  }

  async function imported(page: Page, one: Own): Promise<void> {
    await importFile(page, Buffer.from(one.certificate + one.key));
    await page.getByRole('dialog').getByText('Valid until').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  }

  const folder = (): string => mkdtempSync(join(tmpdir(), 'imxp-known-'));
  const secured = ({ certificate, key }: Own) => ({ certificate, key, known: new KnownDirectory(folder()) });

  it('signs and encrypts to a terminal, and verifies and decrypts what comes from there', async () => {
    const fred = await person(FRED);
    const page = await fred.enter();
    const mine = certificateOf(FRED);
    const workshop = await Workshop.open();
    try {
      const barneys = certificateOf(BARNEY);
      await workshop.file('password', `${passwordOf(BARNEY)}\n`);
      await workshop.file('barney.crt', barneys.certificate);
      await workshop.file('barney.key', barneys.key);
      const ca = await temporaryFile(mesh.authority.certificate);
      const smime = ['--identity', 'barney.crt', '--known', 'known', '--sign'];
      const more = ['--from', BARNEY, '--relay', mesh.url('rubble.com'), '--ca', ca, '--password-file', 'password'];
      const terminal = new Command(['chat', FRED, ...more, ...smime, '--no-presence'], workshop.directory);
      terminal.type('Signed in the terminal\n');
      await page.getByRole('link', { name: BARNEY }).click();
      const first = await message(page, 'Signed in the terminal');
      await first.getByText(`signed by ${BARNEY}, first seen now`).waitFor();
      // Whoever has no certificate can read what is signed, and answers as ever.
      await say(page, 'Not signed');
      await message(page, 'Not signed', 'delivered');
      await imported(page, mine);
      await page.getByRole('button', { name: 'Sign messages', pressed: true }).waitFor();
      await say(page, 'Signed in the page');
      await message(page, 'Signed in the page', 'signed');
      await terminal.seen((output) => (output.includes('Signed in the page') ? true : undefined), 'what was signed');
      await page.getByRole('button', { name: 'Encrypt messages' }).click();
      await page.getByRole('button', { name: 'Encrypt messages', pressed: true }).waitFor();
      await say(page, 'Encrypted in the page');
      await message(page, 'Encrypted in the page', 'signed and encrypted');
      await message(page, 'Encrypted in the page', 'delivered');
      const seen = await terminal.seen(
        (output) => (output.includes('Encrypted in the page') ? output : undefined),
        'it',
      );
      expect(seen).to.match(new RegExp(`signed by ${FRED}.*first seen now`));
      expect(seen).to.match(new RegExp(`signed by ${FRED}, encrypted`));
      terminal.input('');
      await terminal.finished();
      const send = ['send', FRED, 'Encrypted in the terminal', ...more, ...smime, '--encrypt'];
      const sent = await new Command(send, workshop.directory).finished();
      expect(sent.code, sent.stderr.toString()).to.equal(0);
      const last = await message(page, 'Encrypted in the terminal');
      await last.getByText(`signed by ${BARNEY}, known from earlier messages, encrypted`).waitFor();
      expect(await accessibilityFaults(page)).to.deep.equal([]);
    } finally {
      await workshop.close();
    }
    expect(fred.complaints).to.deep.equal([]);
  });

  it('says of an altered message, of one by another certificate and of one for others what is wrong', async () => {
    const fred = await person(FRED);
    const page = await fred.enter();
    const mine = certificateOf(FRED);
    await imported(page, mine);
    const barneys = certificateOf(BARNEY);
    const barney = await mesh.attach(BARNEY);
    const side = new Secure({ ...barneys, people: [mine.certificate] });
    const entity = (text: string) => ({ type: 'text/plain; charset=UTF-8', body: Buffer.from(text) });
    const seal = { sign: true, from: BARNEY, to: [FRED] };
    const post = ({ type, body }: { type: string; body: Buffer }) => barney.send({ to: FRED, content: body, type });
    const swapped = (octets: Buffer, from: string, to: string): Buffer =>
      Buffer.from(octets.toString('latin1').replace(from, to), 'latin1');

    const good = side.seal(entity('Lend me 100 clams'), seal);
    await post(good);
    await page.getByRole('link', { name: BARNEY }).click();
    await (await message(page, '100 clams')).getByText(`signed by ${BARNEY}`).waitFor();
    await post(good);
    await page.getByText('the message was received before').waitFor();
    const altered = side.seal(entity('Lend me 200 clams'), seal);
    await post({ type: altered.type, body: swapped(altered.body, '200', '900') });
    await (await message(page, '900 clams')).getByText('was changed after signing').waitFor();
    const other = new Secure(certificateOf(BARNEY)).seal(entity('I have a new certificate'), seal);
    await post(other);
    await (await message(page, 'a new certificate')).getByText('is not the one that is known').waitFor();
    const unsaid = new Secure(certificateOf(WILMA)).seal(entity('It is me'), { ...seal, from: WILMA });
    await post(unsaid);
    await (await message(page, 'It is me')).getByText('not proven').waitFor();

    const code = (made: { type: string; body: Buffer }): Promise<number | undefined> =>
      post(made).then(
        () => undefined,
        (error: { reply?: { code: number } }) => error.reply?.code,
      );
    const forAnother = new Secure({ ...barneys, people: [certificateOf(FRED).certificate] });
    expect(await code(forAnother.seal(entity('Hush'), { encrypt: true, from: BARNEY, to: [FRED] }))).to.equal(550);
    await page.getByText('it was encrypted for others').waitFor();
    const broken = side.seal(entity('Hush again'), { encrypt: true, from: BARNEY, to: [FRED] });
    const last = broken.body.length - 20;
    broken.body.writeUInt8((broken.body[last] ?? 0) ^ 1, last);
    expect(await code(broken)).to.equal(550);
    await page.getByText('This message could not be read').nth(1).waitFor();
    await page.getByText('it was changed in transit').waitFor();
    expect(fred.complaints).to.deep.equal([]);
  });

  it('keeps the key where no script can read it, over a reload, for all tabs, until it is removed', async () => {
    const fred = await person(FRED);
    const page = await fred.enter();
    const second = await fred.open();
    await importFile(page, pkcs12(certificateOf(FRED), 'yabba', '-legacy', '-certpbe', 'PBE-SHA1-3DES'), 'wrong');
    await page.getByText('cannot be opened with this passphrase').waitFor();
    await page.getByLabel('Passphrase').fill('yabba');
    await page.getByRole('button', { name: 'Import' }).click();
    await page.getByText('Valid until').waitFor();
    expect(await accessibilityFaults(page)).to.deep.equal([]);
    await page.getByRole('button', { name: 'Close' }).click();
    const keys = `new Promise((resolve) => {
      indexedDB.open('imxp certificates').onsuccess = ({ target: { result } }) => {
        const get = result.transaction('own').objectStore('own').get('${FRED}');
        get.onsuccess = () => {
          result.close();
          if (get.result === undefined) return resolve([]);
          const { sign, decrypt } = get.result.key;
          const all = [sign, ...Object.values(decrypt)];
          Promise.all(all.map((key) => crypto.subtle.exportKey('pkcs8', key).then(() => 'given', ({ name }) => name))).then(resolve);
        };
      };
    })`;
    expect(await page.evaluate(keys)).to.deep.equal(Array.from({ length: 5 }, () => 'InvalidAccessError'));
    const barney = await mesh.attach(BARNEY, { secure: secured(certificateOf(BARNEY)) });
    const signers: (string | undefined)[] = [];
    barney.receive(({ signed }) => void signers.push(signed?.valid === true ? signed.by : undefined));
    // The first tab has the connection, and signs what the second writes.
    await add(second, BARNEY);
    await say(second, 'from the second tab');
    await message(second, 'from the second tab', 'delivered');
    await page.reload();
    await page.getByRole('link', { name: BARNEY }).click();
    await say(page, 'after the reload');
    await message(page, 'after the reload', 'delivered');
    await page.getByRole('button', { name: 'Certificate' }).click();
    await page.getByRole('button', { name: 'Remove from this device' }).click();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Sign messages' }).waitFor({ state: 'detached' });
    await say(page, 'without');
    await message(page, 'without', 'delivered');
    expect(signers).to.deep.equal([FRED, FRED, undefined]);
    expect(await page.evaluate(keys)).to.deep.equal([]);
  });

  it('refuses files that are no certificate of the user, and says what is wrong', async () => {
    const page = await (await person(FRED)).enter();
    const [freds, barneys] = [certificateOf(FRED), certificateOf(BARNEY)];
    const files: readonly (readonly [content: string, says: string])[] = [
      ['no certificate', 'neither PEM nor PKCS#12'],
      [freds.certificate, 'contains no private key'],
      [freds.key, 'contains no certificate'],
      [freds.certificate + barneys.key, 'does not belong to a certificate'],
      [barneys.certificate + barneys.key, `names ${BARNEY}, not ${FRED}`],
    ];
    await page.getByRole('button', { name: 'Certificate' }).click();
    for (const [content, says] of files) {
      await page
        .getByLabel('Certificate with its key')
        .setInputFiles({ name: 'me.pem', mimeType: '', buffer: Buffer.from(content) });
      await page.getByRole('button', { name: 'Import' }).click();
      await page.getByRole('alert').filter({ hasText: says }).waitFor();
    }
  });

  it('says of a message for somebody whose certificate is unknown that it was not sent', async () => {
    const page = await (await person(FRED)).enter();
    await imported(page, certificateOf(FRED));
    await add(page, WILMA);
    await page.getByRole('button', { name: 'Encrypt messages' }).click();
    await page.getByRole('button', { name: 'Encrypt messages', pressed: true }).waitFor();
    await say(page, 'Hush');
    const failed = await message(page, 'Hush', 'not delivered');
    expect(await failed.textContent()).to.include(`no certificate of ${WILMA} is known`);
  });

  const KINDS: readonly (readonly [name: string, newKey: () => KeyObject])[] = [
    ['P-256', onCurve('prime256v1')],
    ['P-384', onCurve('secp384r1')],
    ['P-521', onCurve('secp521r1')],
  ];
  for (const [name, newKey] of KINDS) {
    it(`understands the library by EC keys on ${name}, and the other way round`, async () => {
      const page = await (await person(FRED)).enter();
      const mine = certificateOf(FRED, newKey);
      // RFC 5915, as OpenSSL writes such keys by default in older versions.
      const key = createPrivateKey(mine.key).export({ type: 'sec1', format: 'pem' }).toString();
      await imported(page, { certificate: mine.certificate, key });
      const barney = await mesh.attach(BARNEY, { secure: secured(certificateOf(BARNEY, newKey)) });
      const heard: string[] = [];
      barney.receive((delivery) => {
        heard.push(`${delivery.text()}: ${delivery.signed?.by} ${delivery.signed?.valid} ${delivery.encrypted}`);
      });
      await barney.send({ to: FRED, content: 'Yabba', sign: true });
      await page.getByRole('link', { name: BARNEY }).click();
      await (await message(page, 'Yabba')).getByText(`signed by ${BARNEY}`).waitFor();
      await page.getByRole('button', { name: 'Encrypt messages' }).click();
      await page.getByRole('button', { name: 'Encrypt messages', pressed: true }).waitFor();
      await say(page, 'dabba');
      await message(page, 'dabba', 'delivered');
      expect(heard).to.deep.equal([`dabba: ${FRED} true true`]);
      await barney.send({ to: FRED, content: 'doo', sign: true, encrypt: true });
      await (await message(page, 'doo')).getByText('encrypted').waitFor();
    });
  }

  it('sends and receives files that are signed and encrypted', async () => {
    const fred = await person(FRED);
    const page = await fred.enter();
    await imported(page, certificateOf(FRED));
    const barney = await mesh.attach(BARNEY, { secure: secured(certificateOf(BARNEY)) });
    const sizes: number[] = [];
    barney.receive(({ opened }) => void sizes.push(opened.kind === 'part' ? opened.body.length : -1));
    await barney.send({ to: FRED, content: 'my certificate', sign: true });
    await page.getByRole('link', { name: BARNEY }).click();
    await page.getByRole('button', { name: 'Encrypt messages' }).click();
    await page.getByRole('button', { name: 'Encrypt messages', pressed: true }).waitFor();
    const chosen = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Send a file' }).click();
    const buffer = Buffer.from(Uint8Array.from({ length: 100_001 }, (_, index) => index % 253));
    await (await chosen).setFiles({ name: 'rules.bin', mimeType: 'application/octet-stream', buffer });
    await message(page, 'rules.bin', 'delivered');
    expect(sizes).to.deep.equal([100_001]);
    const headers = [{ name: 'Content-Disposition', value: 'attachment; filename="lanes.bin"' }];
    const file = { content: buffer, type: 'application/octet-stream', headers };
    await barney.send({ to: FRED, ...file, sign: true, encrypt: true });
    await (await message(page, 'lanes.bin')).getByText('encrypted').waitFor();
    const link = (await message(page, 'lanes.bin')).getByRole('link');
    await until(async () => (await link.getAttribute('href')) !== null, 'the file');
  });
});
