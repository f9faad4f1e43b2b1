import { networkInterfaces } from 'node:os';
import { expect } from 'chai';
import { bindCheck } from '../../../lib/mesh/dns/bind-check.js';
import { type LocateOptions, leadsTo, locate, servicesOf } from '../../../lib/mesh/dns/locate.js';
import { Resolver } from '../../../lib/mesh/dns/resolver.js';
import { DnsServer, RCODE } from '../../support/dns-server.js';
import { failureOf } from '../../support/failure.js';

const RUBBLE = 'rubble.com';
const IMXP_MESH = servicesOf('mesh', [{ name: 'imxp' }]);
const MESH = '_imxp-mesh._tcp.rubble.com';

describe('locating the relays of a domain', () => {
  let dns: DnsServer;
  let resolver: Resolver;

  beforeEach(async () => {
    dns = await DnsServer.start();
    resolver = new Resolver({ servers: [dns.address], timeoutMs: 200 });
  });

  afterEach(() => dns.stop());

  const find = (more: Partial<LocateOptions> = {}, domain = RUBBLE) =>
    locate(domain, { resolver, services: IMXP_MESH, ...more });
  const urls = async (more: Partial<LocateOptions> = {}): Promise<string[]> => (await find(more)).map(({ url }) => url);

  it('REQ-IMXP-002 queries the SRV records of imxp-mesh or imxp-edge over tcp', async () => {
    dns.srv(MESH, { port: 6011, target: 'mesh.rubble.com' });
    dns.srv('_imxp-edge._tcp.rubble.com', { port: 6012, target: 'edge.rubble.com' });
    dns.host('mesh.rubble.com', ['192.0.2.1']);
    dns.host('edge.rubble.com', ['192.0.2.2', '2001:db8::2']);
    expect(await urls()).to.deep.equal(['tcp://mesh.rubble.com:6011']);
    const [edge] = await find({ services: servicesOf('edge', [{ name: 'imxp' }]) });
    expect(edge).to.include({ host: 'edge.rubble.com', port: 6012 });
    expect(edge?.addresses).to.deep.equal(['2001:db8::2', '192.0.2.2']);
  });

  it('REQ-CPIM-032 D-CPIM-03 finds them by _im._imxp, then _pres._imxp, where there is no imxp-mesh', async () => {
    dns.host('mesh.rubble.com', ['192.0.2.1']);
    dns.host('im.rubble.com', ['192.0.2.2']);
    dns.host('pres.rubble.com', ['192.0.2.3']);
    dns.srv('_pres._imxp.rubble.com', { port: 3, target: 'pres.rubble.com', ttl: 0 });
    expect(await urls()).to.deep.equal(['tcp://pres.rubble.com:3']);
    expect(
      (await find({ services: servicesOf('mesh', [{ name: 'imxp' }, { name: 'apex' }]) }))[0],
    ).to.not.have.property('dialect');
    resolver = new Resolver({ servers: [dns.address], timeoutMs: 200 });
    dns.srv('_im._imxp.rubble.com', { port: 2, target: 'im.rubble.com' });
    expect(await urls()).to.deep.equal(['tcp://im.rubble.com:2']);
    resolver = new Resolver({ servers: [dns.address], timeoutMs: 200 });
    dns.srv(MESH, { port: 1, target: 'mesh.rubble.com' });
    dns.asked.length = 0;
    expect(await urls()).to.deep.equal(['tcp://mesh.rubble.com:1']);
    expect(dns.asked.join()).to.not.match(/_im\.|_pres\./);
  });

  it('REQ-CPIM-032 continues with the address of the domain when RFC 3861 has no records either', async () => {
    dns.host(RUBBLE, ['192.0.2.1']);
    expect(await urls({ defaultPort: 7 })).to.deep.equal(['tcp://rubble.com:7']);
    expect(dns.asked.filter((name) => /_im\._imxp|_pres\._imxp/.test(String(name)))).to.have.length(2);
  });

  it('REQ-CPIM-032 queries nothing else when the domain explicitly has no imxp-mesh', async () => {
    dns.srv(MESH, { port: 0, target: '.' });
    dns.srv('_im._imxp.rubble.com', { port: 2, target: 'im.rubble.com' });
    dns.host('im.rubble.com', ['192.0.2.2']);
    expect((await failureOf(find())).reply?.text).to.include('says that it has none');
  });

  it('REQ-CPIM-005 orders relays by priority, and leaves out those without an address', async () => {
    dns.srv(
      MESH,
      { priority: 9, port: 3, target: 'third.rubble.com' },
      { priority: 1, port: 1, target: 'first.rubble.com' },
      { priority: 5, port: 2, target: 'nowhere.rubble.com' },
    );
    dns.host('first.rubble.com', ['192.0.2.1']);
    dns.host('third.rubble.com', ['192.0.2.3']);
    expect(await urls()).to.deep.equal(['tcp://first.rubble.com:1', 'tcp://third.rubble.com:3']);
  });

  it('D-DNS-03 REQ-CPIM-003 REQ-CPIM-004 returns as many as may be tried, at least two', async () => {
    const names = Array.from({ length: 12 }, (_, at) => `r${at}.rubble.com`);
    dns.srv(MESH, ...names.map((target, priority) => ({ priority, port: 1, target })));
    for (const name of names) dns.host(name, ['192.0.2.1']);
    expect(await urls()).to.have.length(8);
    expect(await urls({ most: 1 })).to.deep.equal(['tcp://r0.rubble.com:1', 'tcp://r1.rubble.com:1']);
  });

  it('REQ-CPIM-006 answers 550 when the only target is "."', async () => {
    dns.srv(MESH, { port: 0, target: '.' });
    dns.host(RUBBLE, ['192.0.2.1']);
    const failure = await failureOf(find({ defaultPort: 912 }));
    expect(failure).to.include({ code: 'NO_RELAY' });
    expect(failure.reply).to.deep.equal({ code: 550, text: 'no relay for domain: its DNS says that it has none' });
  });

  describe('for APEX', () => {
    const APEX = '_apex-mesh._tcp.rubble.com';
    const BOTH = servicesOf('mesh', [{ name: 'apex' }, { name: 'imxp' }]);
    const both = (more: Partial<LocateOptions> = {}, domain = RUBBLE) => find({ services: BOTH, ...more }, domain);

    beforeEach(() => dns.host('mesh.rubble.com', ['192.0.2.1']));

    it('REQ-IMXP-054 queries apex-mesh where there is no imxp-mesh, and reports the dialect', async () => {
      dns.srv(APEX, { port: 6011, target: 'mesh.rubble.com' });
      expect(await both()).to.deep.equal([
        {
          transport: 'tcp',
          host: 'mesh.rubble.com',
          port: 6011,
          url: 'tcp://mesh.rubble.com:6011',
          addresses: ['192.0.2.1'],
          priority: 0,
          weight: 0,
          dialect: 'apex',
        },
      ]);
      dns.srv('_apex-edge._tcp.rubble.com', { port: 6013, target: 'mesh.rubble.com' });
      expect((await both({ services: servicesOf('edge', [{ name: 'apex' }]) }))[0]).to.include({ port: 6013 });
    });

    it('REQ-IMXP-054 lets the relay of imxp-mesh decide which dialect is spoken', async () => {
      dns.srv(MESH, { port: 6010, target: 'mesh.rubble.com' });
      dns.srv(APEX, { port: 6011, target: 'mesh.rubble.com' });
      const [relay, ...others] = await both();
      expect(relay).to.include({ port: 6010 }).and.not.to.have.property('dialect');
      expect(others).to.deep.equal([]);
    });

    it('REQ-IMXP-054 continues with apex-mesh when there is explicitly no imxp-mesh', async () => {
      dns.srv(MESH, { port: 0, target: '.' });
      dns.srv(APEX, { port: 6011, target: 'mesh.rubble.com' });
      expect((await both())[0]).to.include({ port: 6011 });
    });

    it('REQ-IMXP-054 takes the address from a domain literal, and the registered port', async () => {
      const port = async (domain: string, mode: 'mesh' | 'edge') => {
        const [relay] = await both({ services: servicesOf(mode, [{ name: 'imxp' }, { name: 'apex' }]) }, domain);
        return [relay?.addresses, relay?.port, relay?.dialect];
      };
      expect(await port('[192.0.2.9]', 'mesh')).to.deep.equal([['192.0.2.9'], 912, 'apex']);
      expect(await port('[192.0.2.9]', 'edge')).to.deep.equal([['192.0.2.9'], 913, 'apex']);
      expect(await port('[ipv6:2001:db8::9]', 'mesh')).to.deep.equal([['2001:db8::9'], 912, 'apex']);
      expect(dns.asked).to.deep.equal([]);
    });

    it('finds no relay for a domain literal without APEX, nor for its own', async () => {
      const failure = await failureOf(find({}, '[192.0.2.9]'));
      expect([failure.code, failure.reply?.code]).to.deep.equal(['NO_RELAY', 550]);
      const loop = await failureOf(both({ listening: [{ host: '192.0.2.9', port: 912 }] }, '[192.0.2.9]'));
      expect(loop.reply?.text).to.include('leads back');
    });
  });

  it('answers 550 when the domain does not exist or has no such record', async () => {
    for (const prepare of [() => {}, () => dns.host(RUBBLE, ['192.0.2.1'])]) {
      prepare();
      const failure = await failureOf(find());
      expect(failure.code).to.equal('NO_RELAY');
      expect(failure.reply).to.deep.equal({ code: 550, text: 'no relay for domain' });
      expect(failure.message).to.include('no SRV record _imxp-mesh._tcp.rubble.com');
    }
  });

  it('D-DNS-02 answers 450 when the DNS fails or is silent, and when no target has an address', async () => {
    dns.fail(MESH, RCODE.SERVFAIL);
    expect((await failureOf(find())).reply?.code).to.equal(450);
    dns.silent = true;
    resolver = new Resolver({ servers: [dns.address], timeoutMs: 20 });
    expect((await failureOf(find())).reply?.code).to.equal(450);
    dns.silent = false;
    dns.fail(MESH, 0);
    dns.srv(MESH, { port: 1, target: 'nowhere.rubble.com' });
    resolver = new Resolver({ servers: [dns.address] });
    expect((await failureOf(find())).reply?.code).to.equal(450);
  });

  it('D-DNS-01 REQ-CPIM-001 uses the address of the domain only without SRV records and with a known port', async () => {
    dns.host(RUBBLE, ['192.0.2.1']);
    expect(await urls({ defaultPort: 912 })).to.deep.equal(['tcp://rubble.com:912']);
    dns.srv(MESH, { port: 1, target: 'nowhere.rubble.com' });
    resolver = new Resolver({ servers: [dns.address] });
    expect((await failureOf(find({ defaultPort: 912 }))).code).to.equal('LOOKUP_FAILED');
  });

  it('REQ-CPIM-002 queries fully qualified names only', async () => {
    for (const domain of ['rubble', '192.0.2.1', '10.0.0.257', 'a.1']) {
      expect((await failureOf(find({}, domain))).reply?.code).to.equal(550);
    }
    expect(dns.asked).to.deep.equal([]);
  });

  it('skips addresses of this node, and answers 550 when none is left', async () => {
    dns.srv(MESH, { priority: 1, port: 1, target: 'a.rubble.com' }, { priority: 2, port: 2, target: 'a.rubble.com' });
    dns.host('a.rubble.com', ['127.0.0.1']);
    expect(await urls({ listening: [{ host: '127.0.0.1', port: 1 }] })).to.deep.equal(['tcp://a.rubble.com:2']);
    const everywhere = [1, 2].map((port) => ({ host: '0.0.0.0', port }));
    expect((await failureOf(find({ listening: everywhere }))).reply).to.deep.equal({
      code: 550,
      text: 'no relay for domain: its DNS leads back to this relay',
    });
    expect(Object.keys(networkInterfaces())).to.not.deep.equal([]);
  });

  it('recognises a target in any notation of its address', async () => {
    dns.srv(MESH, { port: 6011, target: 'a.rubble.com' });
    dns.host('a.rubble.com', ['192.0.2.1', '2001:db8:0:0:0:0:0:1']);
    const relays = await find();
    expect(leadsTo(relays, { address: '::ffff:192.0.2.1', port: 6011 })).to.equal(true);
    expect(leadsTo(relays, { address: '2001:db8::1', port: 6011 })).to.equal(true);
    expect(leadsTo(relays, { address: '192.0.2.1', port: 6012 })).to.equal(false);
  });

  describe('when it binds', () => {
    const peer = (address: string, { port = 40_000, initiator = false, domains = ['quarry.example'] } = {}) => ({
      identity: { kind: 'relay', domains, proof: { mechanism: 'DIGEST-MD5', privacy: true } } as const,
      remote: { address, port },
      initiator,
    });

    beforeEach(() => {
      dns.srv(MESH, { port: 6011, target: 'a.rubble.com' }, { port: 6012, target: 'b.rubble.com' });
      dns.host('a.rubble.com', ['192.0.2.1', '2001:db8::1']);
      dns.host('b.rubble.com', ['192.0.2.2']);
    });

    it('REQ-IMXP-019 compares its address with those of all targets', async () => {
      const check = bindCheck({ mode: 'address', authenticated: false, resolver });
      const found = ['192.0.2.1', '192.0.2.2', '2001:db8:0::1', '::ffff:192.0.2.2', '192.0.2.3'].map((address) =>
        check(RUBBLE, peer(address)),
      );
      expect(await Promise.all(found)).to.deep.equal([true, true, true, true, false]);
    });

    it('REQ-CPIM-032 compares it with the targets of _im._imxp where there is no imxp-mesh', async () => {
      dns.srv('_im._imxp.quarry.example', { port: 6011, target: 'a.rubble.com' });
      const check = bindCheck({ mode: 'address', authenticated: false, resolver });
      const stranger = (address: string) => peer(address, { domains: ['slate.example'] });
      expect(await check('quarry.example', stranger('192.0.2.1'))).to.equal(true);
      expect(await check('quarry.example', stranger('192.0.2.2'))).to.equal(false);
    });

    it('REQ-IMXP-019 compares the port where this side opened the session', async () => {
      const check = bindCheck({ mode: 'address+port', authenticated: false, resolver });
      expect(await check(RUBBLE, peer('192.0.2.1'))).to.equal(true);
      expect(await check(RUBBLE, peer('192.0.2.1', { port: 6011, initiator: true }))).to.equal(true);
      expect(await check(RUBBLE, peer('192.0.2.1', { port: 6012, initiator: true }))).to.equal(false);
    });

    it('queries nothing about a relay that binds by APEX, which has no such step', async () => {
      const check = bindCheck({ mode: 'address', authenticated: true, resolver });
      expect(await check(RUBBLE, { ...peer('192.0.2.3'), profile: 'http://iana.org/beep/APEX' })).to.equal(true);
    });

    it('accepts a relay that has authenticated for the domain, unless configured to check its address as well', async () => {
      const stranger = peer('192.0.2.3', { domains: [RUBBLE] });
      expect(await bindCheck({ mode: 'address', authenticated: false, resolver })(RUBBLE, stranger)).to.equal(true);
      expect(await bindCheck({ mode: 'address', authenticated: true, resolver })(RUBBLE, stranger)).to.equal(false);
      expect(await bindCheck({ mode: 'off', authenticated: true, resolver })(RUBBLE, stranger)).to.equal(true);
    });

    it('REQ-IMXP-019 does not decide while the DNS fails', async () => {
      const check = bindCheck({ mode: 'address', authenticated: false, resolver });
      dns.fail('b.rubble.com', RCODE.SERVFAIL);
      expect(await check(RUBBLE, peer('192.0.2.1'))).to.equal(true);
      const failure = await failureOf(Promise.resolve(check(RUBBLE, peer('192.0.2.2'))));
      expect(failure).to.include({ code: 'LOOKUP_FAILED' });
      expect(failure.reply?.code).to.equal(450);
      expect(await check('nowhere.example', peer('192.0.2.1'))).to.equal(false);
    });
  });
});
