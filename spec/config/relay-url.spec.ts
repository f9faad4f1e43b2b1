import { expect } from 'chai';
import { parseRelayUrl } from '../../lib/config/relay-url.js';
import { LocalError } from '../../lib/errors.js';

describe('config/relay-url', () => {
  it('reads host and port, with names in lower case and addresses without brackets', () => {
    expect(parseRelayUrl('tcp://Relay.Example.com:10913')).to.deep.equal({
      transport: 'tcp',
      host: 'relay.example.com',
      port: 10913,
      url: 'tcp://relay.example.com:10913',
    });
    expect(parseRelayUrl('ws://[::1]:8080')).to.include({ host: '::1', port: 8080, url: 'ws://[::1]:8080' });
  });

  it('knows the ports of HTTP and HTTPS, explicit or not', () => {
    for (const [text, port] of [
      ['ws://example.com', 80],
      ['ws://example.com:80/', 80],
      ['wss://example.com', 443],
      ['wss://example.com:443', 443],
      ['wss://example.com:80', 80],
    ] as const) {
      expect(parseRelayUrl(text), text).to.include({ port, host: 'example.com' }).and.not.have.property('path');
    }
  });

  it('keeps the path and the query of a WebSocket', () => {
    expect(parseRelayUrl('wss://example.com/imxp/relay?via=1')).to.include({
      path: '/imxp/relay?via=1',
      url: 'wss://example.com:443/imxp/relay?via=1',
    });
  });

  it('writes every location in one form, and reads it back', () => {
    for (const text of ['tcp://[::1]:1', 'ws://EXAMPLE.com/', 'wss://example.com/a', 'ws://127.0.0.1:80']) {
      const location = parseRelayUrl(text);
      expect(parseRelayUrl(location.url), text).to.deep.equal(location);
    }
  });

  for (const [text, why] of [
    ['example.com', 'is not a URL: it does not begin with tcp://, ws://, wss://'],
    ['localhost:10913', 'is not a URL: it does not begin with tcp://, ws://, wss://'],
    ['tcp://127.0.0.1:109133', 'has the port 109133, which is out of range: 1 to 65535'],
    ['wss://[::1]:65536/imxp', 'has the port 65536, which is out of range'],
    ['tcp://example.com:port', 'has the port "port", which is not a number'],
    ['tcp://exa mple:1', 'the host is neither a name nor an address'],
    ['http://example.com', 'has a transport other than tcp, ws, wss'],
    ['tcp://example.com', 'has no port'],
    ['ws://example.com:0', 'has the port 0, which is out of range'],
    ['tcp://:10913', 'has no host'],
    ['tcp://example.com:10913/imxp', 'has more than a host and a port'],
    ['ws://example.com/#imxp', 'has a fragment'],
    ['wss://fred@example.com', 'must not carry credentials'],
  ] as const) {
    it(`refuses ${text}: ${why}`, () => {
      expect(() => parseRelayUrl(text))
        .to.throw(LocalError, why)
        .with.property('code', 'ARGUMENT');
    });
  }
});
