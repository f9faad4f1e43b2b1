import { createHash, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { MESH_NAMING } from '../../lib/mesh/certificate.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { isUsable, matchesTlsa, recommendedTlsa, type TlsaRecord, verifyByDane } from '../../lib/transport/tls/dane.js';
import { TestAuthority } from '../support/certificates.js';
import { INSTALL_TIMEOUT_MS } from '../support/debian.js';
import { DnsServer } from '../support/dns-server.js';
import { missingDnssec, SignedZone, type ZoneOptions } from '../support/dnssec.js';
import { failureOf } from '../support/failure.js';
import { freePort } from '../support/free-port.js';
import { temporaryFile } from '../support/temporary-file.js';

const DOMAIN = 'rubble.test';
const BARNEY = `barney@${DOMAIN}`;
const FRED = 'fred@example.com';
const PASSWORD = 'rock bottom';

/** Records for a certificate, in the order usage, selector, matching. */
function record(pem: string | Buffer, usage: number, selector: number, matching: number): TlsaRecord {
  const certificate = new X509Certificate(pem);
  const { data } = recommendedTlsa(certificate);
  const octets = selector === 1 ? certificate.publicKey.export({ type: 'spki', format: 'der' }) : certificate.raw;
  if (matching === 0) return { usage, selector, matching, data: Buffer.from(octets) };
  if (selector === 1 && matching === 1) return { usage, selector, matching, data };
  const name = matching === 1 ? 'sha256' : 'sha512';
  return { usage, selector, matching, data: createHash(name).update(octets).digest() };
}

const line = ({ usage, selector, matching, data }: TlsaRecord): string =>
  `IN TLSA ${usage} ${selector} ${matching} ${data.toString('hex')}`;

describe('DANE', () => {
  describe('of a chain', () => {
    const authority = new TestAuthority();
    const { certificate } = authority.issue({ domains: [DOMAIN], ownKey: true });
    const other = authority.issue({ domains: [DOMAIN], ownKey: true });
    const chain = [certificate, authority.certificate].map((pem) => new X509Certificate(pem));
    const rules = { domain: DOMAIN, naming: MESH_NAMING, nowMs: Date.now() };
    const name = `_912._tcp.relay.${DOMAIN}`;
    const hosts = [`relay.${DOMAIN}`];
    const verdict = (records: readonly TlsaRecord[], of = chain, more: Partial<typeof rules> = {}) =>
      verifyByDane(of, { name, hosts, records }, { ...rules, ...more });

    for (const selector of [0, 1]) {
      for (const matching of [0, 1, 2]) {
        it(`takes DANE-EE, selector ${selector}, matching type ${matching}, and no other certificate`, () => {
          const right = record(certificate, 3, selector, matching);
          expect(verdict([right]))
            .to.have.property('by')
            .that.includes(`TLSA ${name} 3 ${selector} ${matching} `);
          const wrong = record(other.certificate, 3, selector, matching);
          expect(verdict([wrong]))
            .to.have.property('fault')
            .that.includes(name);
          expect(verdict([wrong, right]), 'during a change of keys').to.have.property('by');
        });

        it(`takes DANE-TA, selector ${selector}, matching type ${matching}, and no other authority`, () => {
          expect(verdict([record(authority.certificate, 2, selector, matching)])).to.have.property('by');
          const stranger = new TestAuthority('Somebody else');
          expect(verdict([record(stranger.certificate, 2, selector, matching)])).to.have.property('fault');
        });
      }
    }

    it('takes DANE-EE whatever the certificate names and however old it is', () => {
      const old = authority.issue({ domains: ['elsewhere.test'], notBefore: new Date(0), notAfter: new Date(1000) });
      const own = [new X509Certificate(old.certificate)];
      expect(verdict([record(old.certificate, 3, 1, 1)], own)).to.have.property('by');
    });

    it('takes DANE-TA only for certificates that name the domain or the target, and are valid', () => {
      const anchor = [record(authority.certificate, 2, 1, 1)];
      const leaf = (domains: string[], more: object = {}) => [
        new X509Certificate(authority.issue({ domains, ...more }).certificate),
        new X509Certificate(authority.certificate),
      ];
      expect(verdict(anchor, leaf([`relay.${DOMAIN}`]))).to.have.property('by');
      expect(verdict(anchor, leaf(['elsewhere.test'])))
        .to.have.property('fault')
        .that.includes('names neither');
      const expired = leaf([DOMAIN], { notBefore: new Date(0), notAfter: new Date(1000) });
      expect(verdict(anchor, expired)).to.have.property('fault').that.includes('expired');
      const self = leaf([DOMAIN]).slice(0, 1);
      expect(verdict(anchor, self), 'without the authority in the chain').to.have.property('fault');
      expect(verdict([record(authority.certificate, 2, 0, 0)], self), 'with it in the record').to.have.property('by');
    });

    it('is not weaker than the strongest digest of a kind (RFC 7671 §9)', () => {
      const weak = record(certificate, 3, 1, 1);
      const strong = record(other.certificate, 3, 1, 2);
      expect(verdict([weak, strong])).to.have.property('fault');
      expect(verdict([weak, record(other.certificate, 3, 0, 2)]), 'another selector').to.have.property('by');
    });

    it('leaves out records that cannot be used', () => {
      const good = record(certificate, 3, 1, 1);
      const unusable: readonly TlsaRecord[] = [
        { ...good, usage: 0 },
        { ...good, usage: 1 },
        { ...good, usage: 255 },
        { ...good, selector: 2 },
        { ...good, matching: 3 },
        { ...good, data: good.data.subarray(1) },
        { ...good, matching: 0, data: Buffer.alloc(0) },
      ];
      expect(unusable.filter(isUsable)).to.deep.equal([]);
      expect(isUsable(good)).to.equal(true);
      expect(matchesTlsa(good, new X509Certificate(certificate))).to.equal(true);
    });
  });

  describe('by a resolver that validates', function () {
    this.timeout(60_000);
    this.slow(10_000);
    const authority = new TestAuthority();
    const { certificate, key } = authority.issue({ domains: [DOMAIN], ownKey: true });
    const other = authority.issue({ domains: [DOMAIN], ownKey: true });
    let port: number;
    let there: Node;
    const nodes: Node[] = [];
    const stopping: (() => unknown)[] = [];

    before(async function () {
      this.timeout(INSTALL_TIMEOUT_MS);
      const missing = missingDnssec();
      if (missing === undefined) return;
      console.log(`      SKIPPED, nothing was tried with DNSSEC: ${missing}`);
      this.skip();
    });

    beforeEach(async () => {
      port = await freePort();
      there = await node(DOMAIN, {
        listen: [{ host: '127.0.0.1', port }],
        tls: { certificate: await temporaryFile(certificate + authority.certificate), key: await temporaryFile(key) },
        mesh: { dns: { enabled: false } },
      });
    });

    afterEach(async () => {
      for (const stop of stopping.splice(0).reverse()) await stop();
      await Promise.all(nodes.splice(0).map((one) => one.stop()));
    });

    async function node(domain: string, config: Partial<NodeConfigInput>): Promise<Node> {
      const base = { domains: [domain], listen: [{ host: '127.0.0.1', port: 0 }], store: { type: 'memory' } } as const;
      const started = await startNode(parseConfig({ ...base, ...config }, '/'));
      for (const address of domain === DOMAIN ? [BARNEY, 'imxp=mesh@example.com'] : [FRED]) {
        await started.accounts.add(await makeVerifier(address, PASSWORD, { realms: [domain] }));
      }
      nodes.push(started);
      return started;
    }

    type Dns = NonNullable<NonNullable<NodeConfigInput['mesh']>['dns']>;

    /** A node that trusts no CA of the other's, and an endpoint at it. */
    async function here(dns: Dns, ca?: string): Promise<{ readonly node: Node; readonly fred: Endpoint }> {
      const passwordFile = await temporaryFile(`${PASSWORD}\n`);
      const credentials = { username: 'imxp=mesh@example.com', passwordFile };
      const trusted = new TestAuthority('Of nobody').certificate;
      const own = await node('example.com', {
        tls: { authority: await temporaryFile(ca ?? trusted) },
        mesh: { dns: { ...dns, credentials } },
      });
      const fred = await attach(own, FRED);
      return { node: own, fred };
    }

    async function attach(at: Node, address: string): Promise<Endpoint> {
      const relay = `tcp://127.0.0.1:${at.listening[0]?.port ?? 0}`;
      const endpoint = await Endpoint.connect({ address, relay, password: PASSWORD, tls: 'off' });
      stopping.push(() => endpoint.close());
      return endpoint;
    }

    async function zone(lines: readonly string[], options: ZoneOptions = {}): Promise<string> {
      const one = await SignedZone.start(DOMAIN, lines, options);
      stopping.push(() => one.stop());
      return one.resolver;
    }

    const records = (...tlsa: readonly TlsaRecord[]): string[] => [
      `_imxp-mesh._tcp IN SRV 0 0 ${port} relay`,
      'relay IN A 127.0.0.1',
      ...tlsa.map((one) => `_${port}._tcp.relay ${line(one)}`),
    ];

    async function sent(fred: Endpoint): Promise<void> {
      const barney = await attach(there, BARNEY);
      const heard = new Promise<string>((resolve) => barney.receive((delivery) => resolve(delivery.text())));
      await fred.send({ to: BARNEY, content: 'Yabba' });
      expect(await heard).to.equal('Yabba');
    }

    const linkOf = async (own: Node) => (await own.facts()).links[0];

    const failure = async (own: Node): Promise<string> => {
      const link = await linkOf(own);
      return `${link?.failure?.reason}, ${link?.failure?.suspect}`;
    };

    it('proves a relay of an unknown CA by DANE-EE, and shows by what', async () => {
      const resolver = await zone(records(record(certificate, 3, 1, 1)));
      const { node: own, fred } = await here({ servers: [resolver], dane: 'required' });
      await sent(fred);
      const link = await linkOf(own);
      expect(link?.proof?.by).to.equal('dane');
      expect(link?.proof?.record).to.match(
        new RegExp(`^TLSA _${port}\\._tcp\\.relay\\.rubble\\.test 3 1 1 [0-9a-f]{16}…$`),
      );
    });

    it('proves it by DANE-TA, and by the new one of two records', async () => {
      const resolver = await zone(records(record(authority.certificate, 2, 0, 2), record(other.certificate, 3, 1, 1)));
      await sent((await here({ servers: [resolver], dane: 'opportunistic' })).fred);
    });

    it('takes nothing else where there are records: another key is refused, and the record is named', async () => {
      const resolver = await zone(records(record(other.certificate, 3, 1, 1)));
      // The CA is trusted, and of no use.
      const { node: own, fred } = await here({ servers: [resolver], dane: 'opportunistic' }, authority.certificate);
      expect(await failureOf(sent(fred))).to.include({ code: 'REFUSED' });
      expect(await failure(own)).to.match(
        new RegExp(`_${port}\\._tcp\\.relay\\.rubble\\.test say \\(3 1 1 .*not published yet`),
      );
    });

    it('does not use a relay whose records DNSSEC finds wrong', async () => {
      const right = record(certificate, 3, 1, 1).data.toString('hex');
      const tamper = (text: string): string => text.replace(new RegExp(right, 'i'), '00'.repeat(32));
      const resolver = await zone(records(record(certificate, 3, 1, 1)), { tamper });
      const { node: own, fred } = await here({ servers: [resolver], dane: 'opportunistic' }, authority.certificate);
      expect(await failureOf(sent(fred))).to.have.nested.property('reply.code', 450);
      expect(await failure(own)).to.match(/SERVFAIL to TLSA/);
    });

    it('counts no record of a zone without signatures: a CA proves the relay, or nothing where DANE is required', async () => {
      const resolver = await zone(records(record(other.certificate, 3, 1, 1)), { anchored: false });
      const { node: own, fred } = await here({ servers: [resolver], dane: 'opportunistic' }, authority.certificate);
      await sent(fred);
      expect((await linkOf(own))?.proof).to.deep.equal({ by: 'authority' });
      for (const stop of stopping.splice(1).reverse()) await stop();
      const strict = await here({ servers: [resolver], dane: 'required' }, authority.certificate);
      expect(await failureOf(strict.fred.send({ to: BARNEY, content: 'x' }))).to.have.nested.property(
        'reply.code',
        450,
      );
      expect(await failure(strict.node)).to.include('the SRV record is not validated by DNSSEC');
    });

    it('believes no answer without the AD bit', async () => {
      const dns = await DnsServer.start();
      stopping.push(() => dns.stop());
      dns.srv(`_imxp-mesh._tcp.${DOMAIN}`, { port, target: `relay.${DOMAIN}`, ttl: 1 });
      dns.host(`relay.${DOMAIN}`, ['127.0.0.1'], 1);
      const { node: own, fred } = await here({ servers: [dns.address], dane: 'required' }, authority.certificate);
      expect(await failureOf(fred.send({ to: BARNEY, content: 'x' }))).to.have.nested.property('reply.code', 450);
      expect(await failure(own)).to.include('the SRV record is not validated by DNSSEC');
    });

    it('reads answers that are too long for UDP, over TCP', async () => {
      const many = [other, ...Array.from({ length: 3 }, () => authority.issue({ domains: [DOMAIN], ownKey: true }))];
      const full = many.map((one) => record(one.certificate, 3, 0, 0));
      expect(full.reduce((sum, { data }) => sum + data.length, 0)).to.be.above(2000);
      const resolver = await zone(records(...full, record(certificate, 3, 1, 1)));
      await sent((await here({ servers: [resolver], dane: 'required' })).fred);
    });

    it('follows the alias of a target to its records (CNAME and DNAME)', async () => {
      const alias = [
        `_imxp-mesh._tcp IN SRV 0 0 ${port} relay.alias`,
        'alias IN DNAME real',
        'relay.real IN CNAME machine',
        'machine IN A 127.0.0.1',
        `_${port}._tcp.machine ${line(record(certificate, 3, 1, 1))}`,
      ];
      const resolver = await zone(alias);
      const { node: own, fred } = await here({ servers: [resolver], dane: 'required' });
      await sent(fred);
      expect((await linkOf(own))?.proof?.record).to.include(`_${port}._tcp.machine.${DOMAIN}`);
    });

    it('refuses a target whose records are none of the usable kinds, where DANE is required', async () => {
      const resolver = await zone(records({ ...record(certificate, 3, 1, 1), usage: 1 }));
      const { node: own, fred } = await here({ servers: [resolver], dane: 'required' }, authority.certificate);
      expect(await failureOf(fred.send({ to: BARNEY, content: 'x' }))).to.have.nested.property('reply.code', 450);
      expect(await failure(own)).to.include('none of the usages 2 (DANE-TA) and 3 (DANE-EE)');
    });
  });
});
