import { isIP } from 'node:net';
import { expect } from 'chai';
import { browserModule } from '../../web/build.js';
import * as shim from '../../web/shim/node.js';

describe('the module for browsers', () => {
  it('contains everything that it needs, and no module of Node', async () => {
    const module = await browserModule();
    expect(module).to.match(/export\s*\{[^}]*\bas Endpoint\b/);
    expect(module).to.not.match(/from\s*["'](?:node:|[a-z@])/);
    expect(module).to.not.match(/\brequire\(["']node:/);
    // S/MIME, the DNS and TLS are left out: a page would wait for them in vain.
    expect(module.length).to.be.within(100_000, 600_000);
  }).timeout(60_000);

  it('recognizes addresses', () => {
    const texts = [
      '127.0.0.1',
      '256.1.1.1',
      '1.2.3',
      '01.2.3.4',
      '::1',
      '2001:db8::1',
      '::ffff:1.2.3.4',
      ':::',
      'fe80',
      '',
      'example.com',
    ];
    for (const text of texts) expect(shim.isIP(text), text).to.equal(isIP(text));
  });
});
