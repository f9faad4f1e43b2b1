import { expect } from 'chai';
import { chooseStack, isBrowser, refusalRecord } from '../../../lib/transport/tls/choice.js';
import { type ClientHello, ClientHelloReader } from '../../../lib/transport/tls/client-hello.js';
import { legacyContext, strictContext } from '../../../lib/transport/tls/native.js';
import { type HelloParts, helloMessage, nodeHello, records } from '../../support/hello.js';

function read(octets: Buffer): ClientHello {
  const hello = new ClientHelloReader().push(octets);
  if (hello === undefined) throw new Error('not complete');
  return hello;
}

describe('transport/tls/choice', () => {
  const choice = (parts: HelloParts, legacy: boolean) => chooseStack(read(records(helloMessage(parts))), { legacy });

  const rows: [string, HelloParts, string, string][] = [
    ['TLS 1.3', { version: 0x0303, versions: [0x0304], suites: [0x1301] }, 'modern', 'modern'],
    ['TLS 1.2 with ECDHE and GCM', { version: 0x0303, suites: [0xc02f, 0x000a] }, 'modern', 'modern'],
    ['TLS 1.0 with AES and 3DES', { suites: [0x000a, 0x002f] }, 'legacy-native', 'refuse'],
    ['TLS 1.1 with ECDHE and AES', { version: 0x0302, suites: [0xc013] }, 'legacy-native', 'refuse'],
    ['TLS 1.2 with RSA and AES only', { version: 0x0303, suites: [0x003c] }, 'legacy-native', 'refuse'],
    ['REQ-TLS-013 TLS 1.0 with 3DES', { suites: [0x000a] }, 'legacy-forge', 'refuse'],
    ['TLS 1.2 with 3DES only', { version: 0x0303, suites: [0x000a] }, 'legacy-forge', 'refuse'],
    [
      'TLS 1.1 by extension with 3DES',
      { version: 0x0303, versions: [0x0302], suites: [0x000a] },
      'legacy-forge',
      'refuse',
    ],
    ['TLS 1.3 by extension with 3DES', { version: 0x0303, versions: [0x0304], suites: [0x000a] }, 'refuse', 'refuse'],
    ['TLS 1.3 suites in TLS 1.2', { version: 0x0303, suites: [0x1301] }, 'refuse', 'refuse'],
    ['TLS 1.0 with GCM', { suites: [0x009c] }, 'refuse', 'refuse'],
    ['DSS', { suites: [0x0013] }, 'refuse', 'refuse'],
    ['SSL 3.0', { version: 0x0300, suites: [0x000a] }, 'refuse', 'refuse'],
  ];
  for (const [title, parts, allowed, forbidden] of rows) {
    it(`${title}: ${allowed} with legacy, ${forbidden} without`, () => {
      expect(choice(parts, true).stack).to.equal(allowed);
      expect(choice(parts, false).stack).to.equal(forbidden);
    });
  }

  it('refuses an old hello of a client that could do better, because somebody may have broken its better attempt', () => {
    const fallback = { suites: [0x000a, 0x5600] };
    expect(choice(fallback, true)).to.include({ stack: 'refuse', alert: 'inappropriate_fallback' });
    expect(choice({ version: 0x0302, suites: [0x002f, 0x5600] }, true).stack).to.equal('refuse');
    expect(choice({ version: 0x0303, suites: [0xc02f, 0x5600] }, true).stack).to.equal('modern');
    expect(refusalRecord('inappropriate_fallback').toString('hex')).to.equal('15030100020256');
  });

  it('refuses with the alert that names what is missing', () => {
    expect(choice({ suites: [0x000a] }, false)).to.include({ stack: 'refuse', alert: 'protocol_version' });
    expect(choice({ version: 0x0303, suites: [0x000a] }, false)).to.include({ alert: 'handshake_failure' });
    expect(refusalRecord('protocol_version').toString('hex')).to.equal('15030100020246');
    expect(refusalRecord('handshake_failure').toString('hex')).to.equal('15030100020228');
  });

  it('REQ-TLS-010 knows every suite of the strict context', async () => {
    const hello = read(await nodeHello(strictContext({})));
    // The last is a signal, no suite (RFC 5746).
    for (const suite of hello.cipherSuites.filter((suite) => suite !== 0x00ff)) {
      const tls13 = suite >> 8 === 0x13;
      const parts = tls13 ? { version: 0x0303, versions: [0x0304] } : { version: 0x0303 };
      expect(choice({ ...parts, suites: [suite] }, false).stack, suite.toString(16)).to.equal('modern');
    }
  });

  it('knows which old suites the legacy context has', async () => {
    const context = { ...legacyContext({}, 'client'), maxVersion: 'TLSv1.2' } as const;
    const offered = new Set(read(await nodeHello(context)).cipherSuites);
    for (const suite of [0x002f, 0x0035, 0x0033, 0x0039, 0xc013, 0xc014, 0x003c, 0x009c]) {
      expect(offered.has(suite), suite.toString(16)).to.equal(true);
    }
    expect(offered.has(0x000a)).to.equal(false);
  });

  it('knows a browser by the suites that nobody else offers', () => {
    expect(isBrowser({ cipherSuites: [0x1301, 0xcaca, 0xc02b] })).to.equal(true);
    expect(isBrowser({ cipherSuites: [0x0a0a] })).to.equal(true);
    for (const suite of [0x000a, 0x1301, 0xc02b, 0x0a1a, 0x5600, 0x00ff, 0xaaaa - 1]) {
      expect(isBrowser({ cipherSuites: [suite] }), suite.toString(16)).to.equal(false);
    }
  });
});
