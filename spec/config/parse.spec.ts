import { resolve } from 'node:path';
import { expect } from 'chai';
import { DEFAULT_LIMITS, MOVED_LIMITS } from '../../lib/config/limits.js';
import { parseConfig } from '../../lib/config/parse.js';
import { ConfigurationError } from '../../lib/config/problem.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';

const MINIMAL: NodeConfigInput = { domains: ['example.com'], listen: [{ port: 10913 }] };

function problems(value: unknown): string[] {
  try {
    parseConfig(value, '/etc/imxp');
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    expect(error.code).to.equal('CONFIGURATION');
    return error.problems
      .filter(({ severity }) => severity === 'error')
      .map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

describe('config/parse', () => {
  it('completes a minimal configuration with the defaults', () => {
    const config = parseConfig(MINIMAL, '/etc/imxp');
    expect(config).to.deep.equal({
      domains: ['example.com'],
      webhooks: [],
      workers: 1,
      listen: [{ transport: 'tcp', host: '127.0.0.1', port: 10913 }],
      tls: { legacy: false, domains: {}, require: 'never' },
      sasl: { mechanisms: ['DIGEST-MD5', 'EXTERNAL'], qops: ['auth'], serverNames: [] },
      compatibility: { draftNames: false, dialects: ['imxp', 'apex'] },
      store: { type: 'lmdb', path: resolve('/etc/imxp/var') },
      mesh: {
        routes: [],
        dns: { enabled: true, servers: [], tls: 'require', dane: 'off', validating: [] },
        siblings: [],
        trusted: [],
      },
      policy: {
        bindCheckAuthenticated: false,
        relays: {},
        attach: {},
        originators: {},
        services: {},
        gateways: {},
        anonymous: false,
        bindCheck: 'address',
        statusRequest: 'on',
        dataTiming: 'on',
        hold4Endpoint: 'on',
        attachOverride: 'on',
        delivery: 'first',
        hopLimit: 0,
      },
      access: {
        initial: [
          { actor: 'owner', actions: ['all:all'] },
          { actor: '*@*', actions: ['core:data'] },
        ],
      },
      presence: { follow: [] },
      limits: DEFAULT_LIMITS,
      log: { level: 'info' },
    });
  });

  it('freezes the result completely', () => {
    const config = parseConfig({ ...MINIMAL, mesh: { routes: [{ domain: '*', relays: ['tcp://a:1'] }] } });
    const open: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) open.push(path);
      for (const [key, part] of Object.entries(value)) visit(part, `${path}.${key}`);
    };
    visit(config, 'config');
    expect(open).to.deep.equal([]);
  });

  it('has the documented default limits', () => {
    const { session, data, link } = DEFAULT_LIMITS;
    expect(session).to.include({
      greetingTimeoutMs: 60_000,
      idleTimeoutMs: 0,
      messageOctets: 67_108_864,
      windowOctets: 1_048_576,
    });
    expect(data).to.include({ deliveryTimeoutMs: 30_000, outstanding: 4096 });
    expect(link.lanes).to.equal(4);
  });

  it('resolves relative paths against the base directory, and keeps absolute ones', () => {
    const config = parseConfig({ ...MINIMAL, tls: { certificate: 'c.crt', key: '/k.key' } }, '/etc/imxp');
    expect(config.tls).to.include({ certificate: resolve('/etc/imxp/c.crt'), key: resolve('/k.key'), require: 'mesh' });
  });

  it('converts domains to lower case, in addresses too, and keeps local parts', () => {
    const config = parseConfig({
      ...MINIMAL,
      domains: ['Example.COM'],
      policy: {
        originators: { 'Fred@Example.COM': ['Wilma@EXAMPLE.com'] },
        relays: { 'imxp=mesh@Rubble.COM': ['Barney.Rubble.COM'] },
      },
    });
    expect(config.domains).to.deep.equal(['example.com']);
    expect(config.policy.originators).to.deep.equal({ 'Fred@example.com': ['Wilma@example.com'] });
    expect(config.policy.relays).to.deep.equal({ 'imxp=mesh@rubble.com': ['barney.rubble.com'] });
  });

  it('splits the URL of a relay', () => {
    const config = parseConfig({
      ...MINIMAL,
      mesh: { routes: [{ domain: '*.rubble.com', relays: ['tcp://[::1]:20913/'] }] },
    });
    expect(config.mesh.routes[0]).to.deep.equal({
      domain: '*.rubble.com',
      relays: [{ transport: 'tcp', host: '::1', port: 20_913, url: 'tcp://[::1]:20913' }],
      tls: 'require',
    });
  });

  it('REQ-IMPP-014 accepts listeners of every transport, with the options of WebSockets', () => {
    const listen = [
      { port: 1 },
      { transport: 'ws', port: 2, path: '/imxp', origins: ['https://chat.rubble.com', '*'] },
      { transport: 'any', port: 3 },
    ];
    const [tcp, ws, any] = parseConfig({ ...MINIMAL, listen }).listen;
    expect(tcp).to.deep.equal({ transport: 'tcp', host: '127.0.0.1', port: 1 });
    expect(ws).to.deep.include(listen[1]);
    expect(any).to.deep.equal({ transport: 'any', host: '127.0.0.1', port: 3 });
  });

  it('refuses invalid paths and origins, and wss without a certificate', () => {
    const of = (entry: object) => problems({ ...MINIMAL, listen: [{ port: 1, ...entry }] });
    expect(of({ transport: 'ws', path: 'imxp' })).to.deep.equal(['listen[0].path: "imxp" is not a path such as /imxp']);
    expect(of({ transport: 'ws', origins: ['chat.rubble.com'] })).to.deep.equal([
      'listen[0].origins[0]: "chat.rubble.com" is not an origin such as https://example.com',
    ]);
    expect(of({ transport: 'ws', origins: ['https://chat.rubble.com/page'] })).to.have.length(1);
    expect(of({ transport: 'wss' })).to.deep.equal([
      'listen[0].transport: "wss" needs "tls" with "certificate" and "key", which imxp certs creates, or with "acme"',
    ]);
  });

  it('serves a page only beside a WebSocket, and at a path of its own', () => {
    const of = (entry: object) => problems({ ...MINIMAL, listen: [{ port: 1, ...entry }] });
    expect(of({ transport: 'ws', web: { path: '/chat' } })).to.deep.equal([]);
    expect(of({ transport: 'any', path: '/imxp', web: { path: '/' } })).to.have.length(1);
    expect(of({ transport: 'any', path: '/chatter', web: { path: '/chat' } })).to.deep.equal([]);
    expect(of({ web: { path: '/chat' } })).to.deep.equal([
      'listen[0].web: needs the transport "ws", "wss" or "any": browsers connect by WebSocket',
    ]);
    for (const path of ['/chat', '/chat/', '/chat/imxp']) {
      expect(of({ transport: 'ws', path, web: { path: '/chat' } })).to.deep.equal([
        `listen[0].web: the WebSocket is at ${path}: give the page or the WebSocket another path`,
      ]);
    }
    expect(of({ transport: 'ws', web: { path: 'chat' } })).to.deep.equal([
      'listen[0].web.path: "chat" is not a path such as /chat',
    ]);
  });

  it('requires name and password together, or neither', () => {
    const credentials = (value: object) =>
      problems({ ...MINIMAL, mesh: { routes: [{ domain: '*', relays: ['tcp://a:1'], credentials: value }] } });
    expect(credentials({ mechanisms: ['EXTERNAL'] })).to.deep.equal([]);
    expect(credentials({ username: 'imxp=mesh@example.com' })).to.deep.equal([
      'mesh.routes[0].credentials: "passwordFile" is missing: user name and password belong together',
    ]);
    expect(credentials({ mechanisms: ['MD5'] })[0]).to.match(/^mesh\.routes\[0\]\.credentials\.mechanisms\[0\]: /);
  });

  it('takes a word or a list of rules for who receives, and says what is wrong within a list', () => {
    const wrong = (delivery: unknown) => problems({ ...MINIMAL, policy: { delivery } });
    expect(
      wrong([{ addresses: ['fred@example.com', '*@example.com'], delivery: 'one' }, { delivery: 'latest' }]),
    ).to.deep.equal([]);
    expect(wrong('most')).to.deep.equal([
      'policy.delivery: "most" is neither one of first, latest, all and one, nor a list of rules',
    ]);
    expect(wrong([{ delivery: 'every' }])[0]).to.match(/^policy\.delivery\[0\]\.delivery: must be one of .*"every"/);
    expect(wrong([{ addresses: ['x'], delivery: 'one' }])[0]).to.match(
      /^policy\.delivery\[0\]\.addresses\[0\]: "x" is /,
    );
    expect(wrong([{ adresses: ['x@y.z'], delivery: 'one' }])).to.deep.equal([
      'policy.delivery[0].adresses: unknown key; did you mean "addresses"?',
    ]);
  });

  it('does not check bindings against a DNS that is off', () => {
    expect(parseConfig({ ...MINIMAL, mesh: { dns: { enabled: false } } }).policy.bindCheck).to.equal('off');
  });

  it('names the new place of every limit of earlier versions', () => {
    expect(MOVED_LIMITS.size).to.equal(67);
    for (const [old, place] of MOVED_LIMITS) {
      const [group = '', name = ''] = place.split('.');
      const known: Readonly<Record<string, object>> = DEFAULT_LIMITS;
      expect(known[group], place).to.have.property(name);
      const message = `limits.${old}: limits are grouped: write this one as limits.${place}`;
      expect(problems({ ...MINIMAL, limits: { [old]: 4096 } })).to.deep.equal([message]);
    }
  });

  it('reports every problem at once, each with its path', () => {
    expect(
      problems({
        domains: [],
        listen: [{ port: 70_000 }, { transport: 'udp', port: 1, host: 3 }],
        limits: { data: { recipients: 1.5 }, session: { windowOctets: 1 }, node: { sessions: 'many' } },
        tls: { require: 'always' },
      }),
    ).to.deep.equal([
      'domains: must not be empty',
      'listen[0].port: must be at most 65535',
      'listen[1].transport: must be one of "tcp", "ws", "wss", "any", not "udp"',
      'listen[1].host: must be a string, not 3',
      'tls.require: "always" needs "certificate" and "key", which imxp certs creates, or "acme"',
      'limits.node.sessions: must be a number, not a string',
      'limits.session.windowOctets: must be at least 4096',
      'limits.data.recipients: must be a whole number, not 1.5',
    ]);
  });

  const cases: readonly (readonly [string, unknown, string])[] = [
    ['a file that is no object', [], ': must be an object, not an array'],
    ['missing domains', { listen: MINIMAL.listen }, 'domains: is missing: an array is needed'],
    ['a URL for a domain', { ...MINIMAL, domains: ['http://x'] }, 'domains[0]: "http://x" is not a domain name'],
    ['an unknown key', { ...MINIMAL, lissten: [] }, 'lissten: unknown key; did you mean "listen"?'],
    [
      'what commands call the CA',
      { ...MINIMAL, tls: { certificate: 'x', key: 'x', ca: 'x' } },
      'tls.ca: unknown key; did you mean "authority"?',
    ],
    [
      'a limit without its unit',
      { ...MINIMAL, limits: { session: { greetingTimeout: 1 } } },
      'limits.session.greetingTimeout: unknown key; did you mean "greetingTimeoutMs"?',
    ],
    [
      'a key far from any',
      { ...MINIMAL, admin: { port: 1, qqqq: 1 } },
      'admin.qqqq: unknown key; known here: host, port, api, nodes, origins',
    ],
    [
      'a key unknown in a variant',
      { ...MINIMAL, store: { type: 'lmdb', path: 'x', paht: 'x' } },
      'store.paht: unknown key; did you mean "path"?',
    ],
    [
      'an unknown store',
      { ...MINIMAL, store: { type: 'sql' } },
      'store.type: must be one of "lmdb", "memory", "postgres", not "sql"',
    ],
    [
      'a database with a password in the configuration',
      { ...MINIMAL, store: { type: 'postgres', path: 'x', url: 'postgres://u:p@h/d' } },
      'store.url: must not contain a password: write the URL to a file of its own, and name that as "urlFile"',
    ],
    [
      'a database without a URL',
      { ...MINIMAL, store: { type: 'postgres', path: 'x' } },
      'store: needs either "url" or "urlFile"',
    ],
    [
      'a key without a certificate',
      { ...MINIMAL, tls: { key: 'k' } },
      'tls: "certificate" is missing: certificate and key belong together',
    ],
    ['a domain listed twice', { ...MINIMAL, domains: ['a.com', 'A.com'] }, 'domains[1]: the domain is listed twice'],
    [
      'an address listened on twice',
      { ...MINIMAL, listen: [{ port: 1 }, { port: 1 }] },
      'listen[1]: the address is listed twice',
    ],
    [
      'a route to itself',
      { ...MINIMAL, mesh: { routes: [{ domain: 'Example.com', relays: ['tcp://a:1'] }] } },
      'mesh.routes[0].domain: "example.com" is served here, so a route to it would be a loop',
    ],
    [
      'a route with no relay',
      { ...MINIMAL, mesh: { routes: [{ domain: 'b.com', relays: [] }] } },
      'mesh.routes[0].relays: must not be empty',
    ],
    [
      'a relay without a port',
      { ...MINIMAL, mesh: { routes: [{ domain: 'b.com', relays: ['tcp://a'] }] } },
      'mesh.routes[0].relays[0]: "tcp://a" has no port; write for instance tcp://relay.example.com:10913',
    ],
    [
      'a policy key that is nobody',
      { ...MINIMAL, policy: { relays: { 'a b': [] } } },
      'policy.relays["a b"]: this key is neither an address nor a domain name',
    ],
    [
      'a certificate for a foreign domain',
      { ...MINIMAL, tls: { domains: { 'b.com': { certificate: 'c', key: 'k' } } } },
      'tls.domains["b.com"]: "b.com" is not one of "domains"',
    ],
    [
      'an address without a local part',
      { ...MINIMAL, policy: { originators: { 'fred@example.com': ['@example.com'] } } },
      'policy.originators["fred@example.com"][0]: "@example.com" is not an address of the form local@domain',
    ],
    [
      'a key of another variant',
      { ...MINIMAL, store: { type: 'memory', path: 'x' } },
      'store.path: has no meaning with the other keys here',
    ],
    [
      'a gateway for a foreign domain',
      { ...MINIMAL, policy: { gateways: { 'b.com': 'imxp=gateway@b.com' } } },
      'policy.gateways["b.com"]: "b.com" is not one of "domains"',
    ],
    [
      'a relay as a gateway',
      { ...MINIMAL, policy: { gateways: { 'example.com': 'imxp=mesh@example.com' } } },
      'policy.gateways["example.com"]: "imxp=mesh@example.com" is a relay; a gateway attaches as an endpoint, so name one such as imxp=gateway@example.com',
    ],
    [
      'a pattern as a gateway',
      { ...MINIMAL, policy: { gateways: { 'example.com': '*@example.com' } } },
      'policy.gateways["example.com"]: "*@example.com" is a pattern; name one identity',
    ],
    [
      'a service of a foreign domain',
      { ...MINIMAL, policy: { services: { 'imxp=presence@b.com': 'application' } } },
      'policy.services["imxp=presence@b.com"]: "b.com" is not one of "domains"',
    ],
    [
      'an endpoint as a service',
      { ...MINIMAL, policy: { services: { 'fred@example.com': 'application' } } },
      'policy.services["fred@example.com"]: this key is not a service of the form imxp=name@domain',
    ],
    [
      'a service that is given to somebody else',
      { ...MINIMAL, policy: { services: { 'imxp=presence@example.com': 'fred' } } },
      'policy.services["imxp=presence@example.com"]: must be "application", not "fred"',
    ],
    [
      'a route without relays and without an intermediary',
      { ...MINIMAL, mesh: { routes: [{ domain: 'b.com' }] } },
      'mesh.routes[0].relays: is missing: an array is needed, or "via" with a domain to go over',
    ],
    [
      'a route over a domain served here',
      { ...MINIMAL, mesh: { routes: [{ domain: 'b.com', relays: ['tcp://a:1'], via: 'Example.com' }] } },
      'mesh.routes[0].via: "example.com" is served here, so a route over it would be a loop',
    ],
    [
      'a route over a domain that cannot be found',
      { ...MINIMAL, mesh: { routes: [{ domain: 'b.com', via: 'c.com' }], dns: { enabled: false } } },
      'mesh.routes[0].via: how "c.com" is reached is not configured, and mesh.dns is disabled: give "relays" or a route to it',
    ],
    [
      'a route over a domain that is reached over another',
      {
        ...MINIMAL,
        mesh: {
          routes: [
            { domain: 'b.com', via: 'c.com' },
            { domain: 'c.com', via: 'd.com' },
          ],
        },
      },
      'mesh.routes[0].via: the route to "c.com" goes over another domain itself: name the relays that it begins with',
    ],
    [
      'what is said about a link that a route does not have',
      { ...MINIMAL, mesh: { routes: [{ domain: 'b.com', via: 'c.com', tls: 'off' }] } },
      'mesh.routes[0].tls: has no meaning without "relays": the link is that to "c.com"',
    ],
  ];
  for (const [what, value, problem] of cases) {
    it(`refuses ${what}`, () => {
      expect(problems(value)).to.deep.equal([problem]);
    });
  }

  it('never repeats a password that stands in the file', () => {
    const route = {
      domain: 'b.com',
      relays: ['tcp://fred:yabba@a:1'],
      credentials: { username: 'u', passwordFile: 'f', password: 'yabba' },
    };
    const found = problems({ ...MINIMAL, mesh: { routes: [route] } });
    expect(found).to.have.length(2);
    expect(found.join()).to.include('secrets are never written in this file').and.not.include('yabba');
  });
});
