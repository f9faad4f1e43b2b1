import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { parseConfig } from '../../lib/config/parse.js';
import { startNode } from '../../lib/node/node.js';
import { buildWeb } from '../../web/build.js';
import { accessibilityFaults, PATIENCE_MS } from '../support/chat-page.js';
import { browser, profile, startBrowser } from '../support/chromium.js';

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
    const there = browser();
    const why = 'missing' in there ? there.missing : undefined;
    if (!('missing' in there)) own = await startBrowser(there.program).catch(() => undefined);
    if (own !== undefined) return;
    console.log(`      SKIPPED, nothing was tried in a browser: ${why ?? 'it does not run here'}`);
    this.skip();
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
});
