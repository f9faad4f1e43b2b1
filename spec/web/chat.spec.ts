import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { buildWeb, chatFiles } from '../../web/build.js';
import { accessibilityFaults, add, message, People, type Person, say, until } from '../support/chat-page.js';
import { startBrowserOrSkip } from '../support/chromium.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { Command, Workshop } from '../support/node-process.js';
import { temporaryFile } from '../support/temporary-file.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const WILMA = 'wilma@example.com';
const BETTY = 'betty@rubble.com';
/** The whole page, as it goes over the network. */
const PAGE_OCTETS = 150_000;
/** What is loaded beside it for S/MIME, by those who use that. */
const SMIME_OCTETS = 110_000;

/** Sends many messages, a few at a time: a busy machine stores some ten of them in a second, and each has its time. */
async function flood(from: Endpoint, to: string, count: number): Promise<void> {
  for (let first = 0; first < count; first += 10) {
    const some = Array.from({ length: Math.min(10, count - first) }, (_, index) => `flood ${first + index}`);
    await Promise.all(some.map((content) => from.send({ to, content })));
  }
}

describe('the chat page', function () {
  this.timeout(90_000);
  this.slow(30_000);
  let own: Browser | undefined;
  let mesh: LocalMesh;
  let people: People;

  before(async function () {
    await buildWeb();
    own = await startBrowserOrSkip(this);
    mesh = await LocalMesh.start({ transport: 'wss', tls: true, page: '/chat' });
    people = new People(own, mesh);
  });

  afterEach(async function () {
    await people?.leave(this.currentTest?.state === 'passed');
  });

  after(async () => {
    await own?.close();
    await mesh?.close();
  });

  const person = (address: string, options?: BrowserContextOptions): Promise<Person> => people.person(address, options);

  it('is small, and loads nothing from elsewhere', async () => {
    const { files, later } = await chatFiles();
    const octetsOf = (wanted: (name: string) => boolean): number =>
      [...files].reduce((sum, [name, text]) => sum + (wanted(name) ? gzipSync(text, { level: 9 }).length : 0), 0);
    const octets = octetsOf((name) => !later.includes(name));
    const smime = octetsOf((name) => later.includes(name) && !name.startsWith('pkcs12'));
    const pkcs12 = octetsOf((name) => name.startsWith('pkcs12'));
    console.log(`      the page has ${octets} octets, compressed; S/MIME ${smime}, to import PKCS#12 ${pkcs12}`);
    expect(octets).to.be.below(PAGE_OCTETS);
    expect(smime).to.be.within(1, SMIME_OCTETS);
    for (const text of files.values())
      expect(text).to.not.match(/\b(?:src|href)\s*=\s*["']?(?:https?:)?\/\/|@import|url\(/);
  });

  it('joins two people in two pages and one at a terminal, in two domains, with a file', async () => {
    const [fred, barney] = [await person(FRED), await person(BARNEY)];
    const [at, there] = [await fred.enter(), await barney.enter()];
    await add(at, BARNEY);
    await add(there, FRED);
    // Fred was added last, and is seen at once; barney is when he writes, because he lets fred see him by then.
    await there.getByText('here now').first().waitFor();
    await say(at, 'Bowling tonight?\nAt eight 🎳');
    await message(at, 'At eight 🎳', 'delivered');
    await message(there, 'At eight 🎳');

    const chosen = there.waitForEvent('filechooser');
    await there.getByRole('button', { name: 'Send a file' }).click();
    const octets = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, index) => index % 251));
    await (await chosen).setFiles({ name: 'Bahnen & Regeln für 12.pdf', mimeType: 'application/pdf', buffer: octets });
    await message(there, 'Bahnen & Regeln für 12.pdf', 'delivered');
    await at.getByText('here now').first().waitFor();
    const link = (await message(at, 'Bahnen & Regeln für 12.pdf')).getByRole('link');
    const [download] = await Promise.all([at.waitForEvent('download'), link.click()]);
    expect(download.suggestedFilename()).to.match(/Regeln für 12\.pdf$/);
    expect((await readFile(await download.path())).equals(octets)).to.equal(true);

    const workshop = await Workshop.open();
    try {
      await workshop.file('betty', `${passwordOf(BETTY)}\n`);
      const ca = await temporaryFile(mesh.authority.certificate);
      const args = ['chat', FRED, '--from', BETTY, '--relay', mesh.url('rubble.com'), '--ca', ca];
      const terminal = new Command([...args, '--password-file', 'betty', '--no-presence'], workshop.directory);
      terminal.type('Wilma says hello\n');
      await at.getByRole('link', { name: BETTY }).click();
      await message(at, 'Wilma says hello');
      await say(at, 'Hello Wilma');
      await message(at, 'Hello Wilma', 'delivered');
      await terminal.seen((output) => (output.includes('Hello Wilma') ? true : undefined), 'the answer');
      terminal.input('');
      await terminal.finished();
    } finally {
      await workshop.close();
    }
    expect([...fred.complaints, ...barney.complaints]).to.deep.equal([]);
  });

  it('says of each message whether it was delivered, is held, or failed and why', async () => {
    const page = await (await person(FRED)).enter();
    const barney = await mesh.attach(BARNEY);
    barney.receive((delivery) => {
      if (delivery.text() === 'refuse me') delivery.refuse({ code: 554, text: 'no room at <b>the alley</b>' });
    });
    await add(page, BARNEY);
    await say(page, 'take me');
    await message(page, 'take me', 'delivered');
    await say(page, 'refuse me');
    const refused = await message(page, 'refuse me', 'not delivered');
    expect(await refused.textContent()).to.include('Not delivered: no room at <b>the alley</b> (554)');
    await add(page, 'nobody@rubble.com');
    await say(page, 'hello?');
    expect(await (await message(page, 'hello?', 'not delivered')).textContent()).to.include('(550)');
    await add(page, BETTY);
    await say(page, 'for later');
    await message(page, 'for later', 'held by their relay until they are there');
    const betty = await mesh.attach(BETTY);
    for await (const delivery of betty) {
      expect([delivery.text(), delivery.held]).to.deep.equal(['for later', true]);
      expect(delivery.time?.getTime(), 'when it was written').to.be.within(Date.now() - 60_000, Date.now());
      break;
    }
  });

  it('keeps the log-in and the history over a reload, and what was written while the relay was away', async () => {
    const fred = await person(FRED);
    const page = await fred.enter();
    const barney = await mesh.attach(BARNEY, { reconnect: true });
    const heard: string[] = [];
    barney.receive((delivery) => void heard.push(delivery.text()));
    await add(page, BARNEY);
    await say(page, 'before');
    await message(page, 'before', 'delivered');
    await page.reload();
    await message(page, 'before', 'delivered');
    await page.evaluate('navigator.serviceWorker.ready');

    await mesh.stopNode('example.com');
    try {
      await page.getByText('Not connected').waitFor();
      await say(page, 'while away');
      await message(page, 'while away', 'waits for the connection');
      await page.reload();
      await message(page, 'while away', 'waits for the connection');
    } finally {
      await mesh.startNode('example.com');
    }
    await message(page, 'while away', 'delivered');
    await barney.send({ to: FRED, content: 'welcome back' });
    await message(page, 'welcome back');
    expect(heard).to.deep.equal(['before', 'while away']);
  });

  it('is one program in several tabs, and the last of them goes on', async () => {
    const fred = await person(FRED);
    const first = await fred.enter();
    const second = await fred.open();
    const barney = await mesh.attach(BARNEY);
    const heard: string[] = [];
    barney.receive((delivery) => void heard.push(delivery.text()));
    await add(first, BARNEY);
    await second.getByRole('link', { name: BARNEY }).click();
    await say(second, 'from the second');
    for (const page of [first, second]) await message(page, 'from the second', 'delivered');
    await barney.send({ to: FRED, content: 'to both' });
    for (const page of [first, second]) await message(page, 'to both');
    await first.close();
    await second.locator('.banner').waitFor({ state: 'detached' });
    await say(second, 'alone now');
    await message(second, 'alone now', 'delivered');
    expect(heard).to.deep.equal(['from the second', 'alone now']);
  });

  it('tells of messages that nobody sees, and counts them', async () => {
    const fred = await person(FRED, { permissions: ['notifications'] });
    // A browser without a window shows none, so the spec sees what it is asked to show.
    await fred.context.addInitScript(`globalThis.shown = [];
      ServiceWorkerRegistration.prototype.showNotification = async (title, { body }) =>
        void globalThis.shown.push(title + ': ' + body);`);
    await fred.context.addInitScript("Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' })");
    const page = await fred.enter();
    await page.evaluate('navigator.serviceWorker.ready');
    const wilma = await mesh.attach(WILMA);
    await wilma.send({ to: FRED, content: 'are you there?' });
    await page.getByText('1 unread').waitFor();
    expect(await page.title()).to.equal('(1) imxp chat');
    await until(async () => (await page.evaluate<number>('globalThis.shown.length')) > 0, 'a notification');
    expect(await page.evaluate('globalThis.shown')).to.deep.equal([`${WILMA}: are you there?`]);
  });

  it('says when another program has the account, and takes it back when asked to', async () => {
    const page = await (await person(FRED)).enter();
    const other = await mesh.attach(FRED, { override: true });
    const ended = new Promise((resolve) => other.once('terminate', resolve));
    await page.getByText('Another program is connected').waitFor();
    await page.getByRole('button', { name: 'Use this one instead' }).click();
    await ended;
    await page.locator('.banner').waitFor({ state: 'detached' });
  });

  it('opens no file of others as a page of its own', async () => {
    const fred = await person(FRED);
    await fred.context.addInitScript(`globalThis.made = [];
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => (globalThis.made.push(blob.type), make(blob));`);
    const page = await fred.enter();
    const wilma = await mesh.attach(WILMA);
    const named = (name: string) => [{ name: 'Content-Disposition', value: `attachment; filename="${name}"` }];
    await wilma.send({ to: FRED, content: '<h1>Log in</h1>', type: 'text/html', headers: named('a.html') });
    await wilma.send({ to: FRED, content: '<svg/>', type: 'image/svg+xml', headers: named('b.svg') });
    await wilma.send({ to: FRED, content: PICTURE, type: 'image/png', headers: named('c.png') });
    await page.getByRole('link', { name: WILMA }).click();
    await page.getByRole('img', { name: 'c.png' }).waitFor();
    await until(async () => (await page.evaluate<number>('globalThis.made.length')) === 3, 'three files');
    const types = await page.evaluate<string[]>('globalThis.made');
    expect(types.sort()).to.deep.equal(['application/octet-stream', 'application/octet-stream', 'image/png']);
  });

  it('opens at links that say anything after the #', async () => {
    const fred = await person(FRED);
    const page = await fred.enter();
    for (const hash of ['#%', '#%E0%A4%A', '#Your%20password%20has%20expired', '#x@']) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      await page.getByText('Choose a conversation').waitFor();
      await page.reload();
      await page.getByText('Choose a conversation').waitFor();
    }
    expect(fred.complaints).to.deep.equal([]);
  });

  it('works in browsers without notifications and workers', async () => {
    const fred = await person(FRED);
    await fred.context.addInitScript('delete globalThis.Notification; delete Navigator.prototype.serviceWorker;');
    const page = await fred.enter();
    const wilma = await mesh.attach(WILMA);
    await wilma.send({ to: FRED, content: 'dinner' });
    await page.getByRole('link', { name: WILMA }).click();
    await message(page, 'dinner');
    expect(fred.complaints).to.deep.equal([]);
  });

  it('says that nobody is blocked without a connection', async () => {
    const page = await (await person(FRED)).enter();
    const wilma = await mesh.attach(WILMA);
    await wilma.send({ to: FRED, content: 'unwanted' });
    await page.getByRole('link', { name: WILMA }).click();
    await mesh.stopNode('example.com');
    try {
      await page.getByText('Not connected').waitFor();
      await page.getByRole('button', { name: 'Block' }).click();
      await page.getByText(`${WILMA} is not blocked`).waitFor();
    } finally {
      await mesh.startNode('example.com');
    }
  });

  it('asks for the presence of a contact who hides it no more often for a flood of messages', async () => {
    const fred = await person(FRED);
    let asked = 0;
    fred.context.on('page', (page) =>
      page.on('websocket', (socket) =>
        socket.on('framesent', ({ payload }) => {
          if (payload.toString().includes('<subscribe')) asked += 1;
        }),
      ),
    );
    const page = await fred.enter();
    await add(page, BETTY);
    await page.getByText('does not show their presence').first().waitFor();
    const before = asked;
    const betty = await mesh.attach(BETTY);
    const started = performance.now();
    await flood(betty, FRED, 60);
    await message(page, 'flood 59');
    const seconds = Math.ceil((performance.now() - started) / 1000);
    expect(asked - before).to.be.at.most(2 + seconds);
  });

  it('keeps of strangers what is newest, and no more than their room', async function () {
    this.timeout(240_000);
    const fred = await person(FRED);
    const page = await fred.enter();
    const wilma = await mesh.attach(WILMA);
    // By the page's own file of messages, as it would be after years.
    const count = (peer: string): Promise<number> =>
      page.evaluate<number>(`new Promise((resolve, reject) => {
        const request = indexedDB.open('imxp ${FRED}');
        request.onerror = () => reject(request.error);
        request.onsuccess = ({ target: { result } }) => {
          const range = IDBKeyRange.bound(['${peer}', 0], ['${peer}', Number.MAX_SAFE_INTEGER]);
          const count = result.transaction('entries').objectStore('entries').index('conversation').count(range);
          count.onsuccess = () => (result.close(), resolve(count.result));
        };
      })`);
    await flood(wilma, FRED, 230);
    expect(await count(WILMA)).to.equal(200);
    const large = Buffer.alloc(4_000_000, 7);
    for (let index = 0; index < 4; index += 1) {
      await wilma.send({ to: FRED, content: large, type: 'application/octet-stream' });
    }
    // Two of 4 MB have room in 10 MB; what came before gave way.
    expect(await count(WILMA)).to.equal(2);
    await wilma.send({ to: FRED, content: 'the newest' });
    await page.getByRole('link', { name: WILMA }).click();
    await message(page, 'the newest');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('is not in your contacts').waitFor({ state: 'detached' });
    for (let index = 0; index < 4; index += 1) {
      await wilma.send({ to: FRED, content: large, type: 'application/octet-stream' });
    }
    expect(await count(WILMA), 'a contact').to.equal(7);
  });

  it('shows what a hostile stranger writes as what it is, and folds what is long', async () => {
    const fred = await person(FRED);
    const page = await fred.enter();
    const wilma = await mesh.attach(WILMA);
    const markup = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    await wilma.send({ to: FRED, content: markup });
    await wilma.send({ to: FRED, content: 'see https://evil.example/\u202egpj.exe and \u202ethgir' });
    await wilma.send({ to: FRED, content: 'a'.repeat(1_000_000) });
    await wilma.send({ to: FRED, content: '\n'.repeat(100_000) });
    await page.getByRole('link', { name: WILMA }).click();
    expect(await (await message(page, '<img')).locator('p').textContent()).to.equal(markup);
    const turned = await message(page, 'see https');
    expect(await turned.locator('p').textContent()).to.equal('see https://evil.example/gpj.exe and thgir');
    await page.getByRole('button', { name: 'Show all' }).first().waitFor();
    const height = 'document.querySelector(".log").scrollHeight';
    expect(await page.evaluate<number>(height)).to.be.below(6000);
    const long = await message(page, 'aaaa');
    await long.getByRole('button', { name: 'Show all 1,000,000 characters' }).click();
    await until(async () => (await page.evaluate<number>(height)) > 50_000, 'all of it');
    expect(await page.title()).to.include('imxp chat');
    expect(fred.complaints).to.deep.equal([]);
  });

  it('refuses what a full browser cannot keep, and loses nothing that was written', async () => {
    const fred = await person(FRED);
    await fred.context.addInitScript(`const put = IDBObjectStore.prototype.put;
      IDBObjectStore.prototype.put = function (...args) {
        const request = put.apply(this, args);
        // As a browser does where there is no room: the transaction ends without effect.
        if (globalThis.full === true && this.name === 'entries') this.transaction.abort();
        return request;
      };`);
    const page = await fred.enter();
    const wilma = await mesh.attach(WILMA);
    await wilma.send({ to: FRED, content: 'there is room' });
    await page.getByRole('link', { name: WILMA }).click();
    await message(page, 'there is room');
    await page.evaluate('globalThis.full = true');
    const refused = await wilma.send({ to: FRED, content: 'no room' }).then(
      () => undefined,
      (error: { reply?: { code: number } }) => error.reply?.code,
    );
    expect(refused).to.equal(450);
    await page.getByText('was refused, because it could not be kept').waitFor();
    await say(page, 'my long letter');
    await page.getByText('could not be kept on this device').waitFor();
    expect(await page.getByRole('textbox', { name: 'Message to' }).inputValue()).to.equal('my long letter');
    await page.evaluate('globalThis.full = false');
    await page.keyboard.press('Enter');
    await message(page, 'my long letter');
  });

  it('takes back what a contact was allowed when they are removed', async () => {
    const page = await (await person(FRED)).enter();
    const program = await mesh.attach(FRED, { sendOnly: true });
    await add(page, BARNEY);
    const allowed = async (): Promise<boolean> => (await program.access.entry(BARNEY)) !== undefined;
    await until(allowed, 'the access entry');
    await page.getByRole('button', { name: 'Remove this conversation' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await until(async () => !(await allowed()), 'no access entry');
  });

  it('keeps one copy of itself, whatever follows its address, and no password against the last wish', async () => {
    const fred = await person(FRED);
    const page = await fred.open();
    await page.evaluate('navigator.serviceWorker.ready');
    for (const query of ['?a', '?b']) {
      await page.evaluate(`location.href = ${JSON.stringify(query)}`);
      await page.waitForURL((url) => url.search === query);
      await page.getByRole('heading', { name: 'Log in' }).waitFor();
    }
    const kept = `caches.open('imxp-chat').then((cache) => cache.keys()).then((keys) => keys.map(({ url }) => new URL(url).search).filter(Boolean))`;
    expect(await page.evaluate(kept)).to.deep.equal([]);
    const passwords = `new Promise((resolve) => {
      const request = indexedDB.open('imxp accounts');
      request.onupgradeneeded = () => request.transaction.abort();
      request.onerror = () => resolve(0);
      request.onsuccess = ({ target: { result } }) => {
        const count = result.transaction('passwords').objectStore('passwords').count();
        count.onsuccess = () => (result.close(), resolve(count.result));
      };
    })`;
    await fred.logIn(page);
    await until(async () => (await page.evaluate<number>(passwords)) === 1, 'the password');
    await page.evaluate("localStorage.removeItem('imxp account')");
    await page.reload();
    await page.getByLabel('Stay logged in').uncheck();
    await fred.logIn(page);
    await until(async () => (await page.evaluate<number>(passwords)) === 0, 'no password');
  });

  it('says why a log-in fails, and forgets everything at log-out when asked to', async () => {
    const fred = await person(FRED);
    const page = await fred.open();
    await fred.logIn(page, 'wrong');
    await page
      .getByRole('alert')
      .filter({ hasText: /\(\d{3}\)|refused/ })
      .waitFor();
    await fred.logIn(page);
    await add(page, BARNEY);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Delete the conversations').check();
    await page.getByRole('dialog').getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in to example.com' }).waitFor();
    const gone = `indexedDB.databases().then((all) => !all.some(({ name }) => name === 'imxp ${FRED}'))`;
    await until(() => page.evaluate<boolean>(gone), 'the end of the history');
    await page.reload();
    await page.getByRole('heading', { name: 'Log in to example.com' }).waitFor();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`is accessible and fits from 320 pixels to 4K, ${colorScheme}`, async () => {
      const fred = await person(FRED, { colorScheme });
      const page = await fred.open();
      const faults: Record<string, readonly string[]> = { login: await accessibilityFaults(page) };
      await fred.logIn(page);
      await page.getByRole('navigation', { name: 'Conversations' }).waitFor();
      faults['no conversation'] = await accessibilityFaults(page);
      await page.getByRole('button', { name: 'Add somebody' }).first().click();
      faults['dialog'] = await accessibilityFaults(page);
      await page.keyboard.press('Escape');
      await fill(page);
      for (const [width, height] of SIZES) {
        await page.setViewportSize({ width, height });
        faults[`conversation, ${width}`] = await accessibilityFaults(page);
        expect(await page.evaluate('document.documentElement.scrollWidth'), `${width}`).to.equal(width);
      }
      await page.setViewportSize({ width: 320, height: 568 });
      await page.getByRole('button', { name: 'All conversations' }).click();
      faults['list, 320'] = await accessibilityFaults(page);
      for (const [where, found] of Object.entries(faults)) expect(found.join('\n'), where).to.equal('');
      expect(fred.complaints).to.deep.equal([]);
    });
  }

  const SIZES = [
    [320, 568],
    [390, 844],
    [1280, 800],
    [3840, 2160],
  ] as const;

  /** A conversation with all there is in one. */
  async function fill(page: Page): Promise<void> {
    const barney = await mesh.attach(BARNEY);
    barney.receive((delivery) => {
      if (delivery.text() === 'refuse me') delivery.refuse({ code: 550, text: 'not wanted' });
    });
    await add(page, BARNEY);
    await say(page, `a${'very'.repeat(40)}longword, and https://example.com/lanes`);
    await say(page, 'refuse me');
    await message(page, 'refuse me', 'not delivered');
    await barney.send({ to: FRED, content: 'Yabba dabba doo!' });
    await barney.send({ to: FRED, content: PICTURE, type: 'image/png' });
    await message(page, 'image/png');
    await mesh.attach(WILMA).then((wilma) => wilma.send({ to: FRED, content: 'Dinner!' }));
    await page.getByText('1 unread').waitFor();
  }

  const PICTURE = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
    'base64',
  );

  it('works by the keyboard alone', async () => {
    const fred = await person(FRED);
    const page = await fred.open();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.type(FRED);
    await page.keyboard.press('Tab');
    await page.keyboard.type(passwordOf(FRED));
    await page.keyboard.press('Enter');
    await page.getByRole('navigation', { name: 'Conversations' }).waitFor();
    const barney = await mesh.attach(BARNEY);
    const heard: string[] = [];
    barney.receive((delivery) => void heard.push(delivery.text()));
    await tabTo(page, 'Add somebody');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type(BARNEY);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: BARNEY, level: 1 }).waitFor();
    await page.keyboard.type('hello');
    await page.keyboard.press('Enter');
    await message(page, 'hello', 'delivered');
    expect(heard).to.deep.equal(['hello']);
  });

  /** Presses Tab until the button of that name has the focus. */
  async function tabTo(page: Page, name: string): Promise<void> {
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press('Tab');
      if ((await page.evaluate('document.activeElement?.getAttribute("aria-label")')) === name) return;
    }
    throw new Error(`Tab does not lead to ${name}`);
  }
});
