import { expect } from 'chai';
import { type WebRules, webRefusal } from '../../../lib/transport/web/upgrade-policy.js';

const RULES: WebRules = { path: '/imxp', origins: [], knows: (host) => host === 'relay.example.com' };
const UPGRADE = { upgrade: 'websocket', host: 'relay.example.com' };

const status = (url: string, headers: Parameters<typeof webRefusal>[1], rules: Partial<WebRules> = {}) =>
  webRefusal(url, headers, { ...RULES, ...rules })?.status;

describe('transport/web/upgrade-policy', () => {
  it('lets a request for a WebSocket in at its path alone', () => {
    expect(status('/imxp', UPGRADE)).to.equal(undefined);
    expect(status('/imxp?via=1', UPGRADE)).to.equal(undefined);
    expect(status('/imxp/', UPGRADE)).to.equal(404);
    expect(status('/', UPGRADE)).to.equal(404);
  });

  it('accepts the target as a whole URL, and the words of the upgrade in any case, as proxies send them', () => {
    expect(status('http://relay.example.com/imxp?x=1', UPGRADE)).to.equal(undefined);
    expect(status('WSS://relay.example.com:443/imxp', UPGRADE)).to.equal(undefined);
    expect(status('http://relay.example.com/other', UPGRADE)).to.equal(404);
    expect(status('http://relay.example.com', UPGRADE, { path: '/' })).to.equal(undefined);
    expect(status('*', UPGRADE)).to.equal(404);
    expect(status('/imxp', { ...UPGRADE, upgrade: 'WebSocket' })).to.equal(undefined);
  });

  it('answers what is missing to a request that asks for no WebSocket', () => {
    expect(status('/imxp', { host: 'relay.example.com' })).to.equal(426);
    expect(status('/imxp', { ...UPGRADE, upgrade: 'h2c' })).to.equal(426);
    expect(status('/favicon.ico', {})).to.equal(404);
  });

  const visit = (origin: string, host: string, rules: Partial<WebRules> = {}) =>
    status('/imxp', { ...UPGRADE, host, origin }, rules);

  it('lets pages of the same host in, when the host is known', () => {
    expect(visit('https://relay.example.com', 'relay.example.com')).to.equal(undefined);
    expect(visit('https://relay.example.com', 'Relay.Example.com:443')).to.equal(undefined);
    expect(visit('http://127.0.0.1:8080', '127.0.0.1:8080')).to.equal(undefined);
    expect(visit('http://[::1]:8080', '[::1]:8080')).to.equal(undefined);
    expect(visit('http://localhost', 'localhost')).to.equal(undefined);
  });

  it('refuses pages of other hosts, ports and of no host', () => {
    expect(visit('https://rubble.com', 'relay.example.com')).to.equal(403);
    expect(visit('https://relay.example.com:8443', 'relay.example.com')).to.equal(403);
    expect(visit('http://relay.example.com', 'relay.example.com:443')).to.equal(403);
    expect(visit('http://127.0.0.1:8081', '127.0.0.1:8080')).to.equal(403);
    expect(visit('null', 'relay.example.com')).to.equal(403);
    expect(visit('file:///etc/passwd', 'relay.example.com')).to.equal(403);
    expect(visit('', 'relay.example.com')).to.equal(403);
  });

  it('refuses a page whose own name was made to lead here', () => {
    // DNS rebinding: to the browser page and relay are one host.
    expect(visit('http://rubble.com:8080', 'rubble.com:8080')).to.equal(403);
  });

  it('lets the pages in that the operator names', () => {
    const origins = ['https://chat.rubble.com'];
    expect(visit('https://chat.rubble.com', 'relay.example.com', { origins })).to.equal(undefined);
    expect(visit('HTTPS://CHAT.rubble.com', 'anything', { origins })).to.equal(undefined);
    expect(visit('https://chat.rubble.com.example.net', 'relay.example.com', { origins })).to.equal(403);
    expect(visit('http://chat.rubble.com', 'relay.example.com', { origins })).to.equal(403);
    expect(visit('https://anybody.net', 'relay.example.com', { origins: ['*'] })).to.equal(undefined);
  });
});
