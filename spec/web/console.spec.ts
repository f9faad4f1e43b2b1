import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { startNode } from '../../lib/node/node.js';
import { buildWeb } from '../../web/build.js';
import { secretOf, tokenFile } from '../support/api-fixture.js';
import { accessibilityFaults, PATIENCE_MS } from '../support/chat-page.js';
import { profile, startBrowserOrSkip } from '../support/chromium.js';
import { failureOf } from '../support/failure.js';
import { freePort } from '../support/free-port.js';

const CONFIG = {
  domains: ['example.com'],
  listen: [{ port: 0 }],
  store: { type: 'memory' },
  mesh: { dns: { enabled: false }, routes: [{ domain: 'rubble.com', relays: ['tcp://127.0.0.1:9'], tls: 'off' }] },
  admin: { port: 0 },
};

describe('the console', function () {
  this.timeout(90_000);
  this.slow(20_000);
  let own: Browser | undefined;

  before(async function () {
    await buildWeb();
    own = await startBrowserOrSkip(this);
  });

  after(async () => {
    await own?.close();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`shows a node as it is, is accessible, and says when the node is gone, ${colorScheme}`, async () => {
      if (own === undefined) throw new Error('there is no browser');
      const node = await startNode(parseConfig(CONFIG, '/'));
      const context = await profile(own, { colorScheme });
      const complaints: string[] = [];
      context.setDefaultTimeout(PATIENCE_MS);
      context.on('weberror', (error) => void complaints.push(String(error.error())));
      context.on('console', (message) => void complaints.push(message.text()));
      try {
        const page = await context.newPage();
        const response = await page.goto(`${node.admin}/console`);
        expect(response?.headers()['content-security-policy']).to.include("default-src 'none'");
        await page.getByRole('heading', { name: 'example.com' }).waitFor();
        await page.getByText('ready', { exact: true }).first().waitFor();
        await page.getByRole('img', { name: /^Messages per second: local/ }).waitFor();
        for (const width of [320, 1280, 3840]) {
          await page.setViewportSize({ width, height: 800 });
          expect((await accessibilityFaults(page)).join('\n'), `${width}`).to.equal('');
          expect(await page.evaluate('document.documentElement.scrollWidth'), `${width}`).to.equal(width);
        }
        expect(complaints).to.deep.equal([]);
        await node.stop();
        await page.getByText('The node does not answer').waitFor();
      } finally {
        await context.close();
        await node.stop();
      }
    });
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`shows with a token the log, failed logins and traces, by the keyboard alone, ${colorScheme}`, async () => {
      if (own === undefined) throw new Error('there is no browser');
      const node = await startNode(
        parseConfig({ ...CONFIG, admin: { port: 0, api: { tokens: await tokenFile() } } }, '/'),
      );
      await node.addAccount('fred@example.com', 'rock');
      const context = await profile(own, { colorScheme });
      const complaints: string[] = [];
      context.setDefaultTimeout(PATIENCE_MS);
      context.on('weberror', (error) => void complaints.push(String(error.error())));
      context.on('console', (text) => void complaints.push(text.text()));
      try {
        const page = await context.newPage();
        await page.goto(`${node.admin}/console/#token=${secretOf('operator')}`);
        await page.getByRole('heading', { name: 'Failed logins' }).waitFor();
        expect(page.url(), 'the token is out of sight').to.equal(`${node.admin}/console/`);
        await page.getByText('Nothing since this page was opened').waitFor();
        const relay = `tcp://127.0.0.1:${node.listening[0]?.port}`;
        await failureOf(Endpoint.connect({ address: 'fred@example.com', password: 'guess', relay }));
        await page.getByRole('log').getByText('refused: authentication').first().waitFor();
        await page.getByRole('row', { name: /127\.0\.0\.1/ }).waitFor();

        const neighbour = page.getByRole('button', { name: 'Trace the way to rubble.com' });
        await neighbour.focus();
        await page.keyboard.press('Enter');
        await page.getByText(/imxp=report@rubble\.com: 450/).waitFor();
        await page
          .getByText(/nothing is listening there/)
          .first()
          .waitFor();
        // The relay that a click on the map reaches refuses the probe, which is all that was asked for.
        await page.getByRole('textbox', { name: 'Address' }).fill('imxp=report@example.com');
        await page.keyboard.press('Enter');
        await page.getByText(/^example\.com answers after [\d.]+ ms$/).waitFor();
        for (const width of [320, 1280, 3840]) {
          await page.setViewportSize({ width, height: 800 });
          expect((await accessibilityFaults(page)).join('\n'), `${width}`).to.equal('');
          expect(await page.evaluate('document.documentElement.scrollWidth'), `${width}`).to.equal(width);
        }
        expect(complaints).to.deep.equal([]);
      } finally {
        await context.close();
        await node.stop();
      }
    });
  }

  it('shows other nodes that are configured, each with a token of its own, and says when a token has ended', async () => {
    if (own === undefined) throw new Error('there is no browser');
    const first = await freePort();
    const second = await freePort();
    const configured = async (domain: string, port: number, more: object) =>
      await startNode(
        parseConfig(
          { ...CONFIG, domains: [domain], admin: { port, api: { tokens: await tokenFile() }, ...more } },
          '/',
        ),
      );
    const here = await configured('example.com', first, { nodes: [`http://127.0.0.1:${second}`] });
    const there = await configured('slate.example', second, { origins: [`http://127.0.0.1:${first}`] });
    const context = await profile(own);
    context.setDefaultTimeout(PATIENCE_MS);
    try {
      const page = await context.newPage();
      await page.goto(`${here.admin}/console`);
      await page.getByRole('heading', { name: 'example.com' }).waitFor();
      await page
        .getByRole('navigation', { name: 'Nodes' })
        .getByRole('button', { name: `127.0.0.1:${second}` })
        .click();
      await page.getByRole('heading', { name: 'slate.example' }).waitFor();
      await page.getByLabel('Token').fill('wrong');
      await page.getByRole('button', { name: 'Use it' }).click();
      await page.getByText('the token is not valid, or has ended').waitFor();
      await page.getByLabel('Token').fill(secretOf('operator'));
      await page.getByRole('button', { name: 'Use it' }).click();
      await page.getByText('None since the start.').waitFor();
      expect((await accessibilityFaults(page)).join('\n')).to.equal('');
      await page.getByRole('button', { name: 'this node' }).click();
      await page.getByLabel('Token').waitFor();
    } finally {
      await context.close();
      await here.stop();
      await there.stop();
    }
  });
});
