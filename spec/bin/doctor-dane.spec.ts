import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { diagnose } from '../../bin/support/diagnosis.js';
import { recommendedTlsa } from '../../lib/transport/tls/dane.js';
import { TestAuthority } from '../support/certificates.js';
import { INSTALL_TIMEOUT_MS } from '../support/debian.js';
import { missingDnssec, SignedZone, type ZoneOptions } from '../support/dnssec.js';
import { Workshop } from '../support/node-process.js';

const DOMAIN = 'example.test';
const PORT = 10_913;
const NAME = `_${PORT}._tcp.relay.${DOMAIN}`;

describe('imxp doctor about TLSA records', function () {
  this.timeout(60_000);
  this.slow(10_000);
  const authority = new TestAuthority();
  const { certificate, key } = authority.issue({ domains: [DOMAIN], ownKey: true });
  const other = authority.issue({ domains: [DOMAIN], ownKey: true });
  const hex = (pem: string): string => recommendedTlsa(new X509Certificate(pem)).data.toString('hex');
  let workshop: Workshop;
  let zone: SignedZone | undefined;

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const missing = missingDnssec();
    if (missing === undefined) return;
    console.log(`      SKIPPED: ${missing}`);
    this.skip();
  });

  beforeEach(async () => {
    workshop = await Workshop.open();
  });

  afterEach(async () => {
    zone?.stop();
    zone = undefined;
    await workshop.close();
  });

  /** What it says of the DNS. */
  async function said(tlsa: string | undefined, options: ZoneOptions = {}): Promise<string[]> {
    const records = [`_imxp-mesh._tcp IN SRV 0 0 ${PORT} relay`, 'relay IN A 127.0.0.1'];
    const own = tlsa === undefined ? [] : [`_${PORT}._tcp.relay IN TLSA 3 1 1 ${tlsa}`];
    zone = await SignedZone.start(DOMAIN, [...records, ...own], options);
    await workshop.file('relay.crt', certificate + authority.certificate);
    await workshop.file('relay.key', key);
    const config = {
      domains: [DOMAIN],
      listen: [{ port: 0 }],
      store: { type: 'memory' },
      tls: { certificate: 'relay.crt', key: 'relay.key' },
      mesh: { dns: { servers: [zone.resolver], dane: 'opportunistic' } },
    };
    const path = join(workshop.directory, 'mesh.json');
    await writeFile(path, JSON.stringify(config));
    const found = await diagnose(path, {});
    return found
      .filter(({ area, text }) => area === 'dns' && text.includes('TLSA'))
      .map(({ state, text, advice = '' }) => `${state}: ${text} ${advice}`);
  }

  it('prints the record where there is none', async () => {
    const [line] = await said(undefined);
    expect(line).to.match(/^ok: no TLSA record/);
    expect(line).to.include(`${NAME}. IN TLSA 3 1 1 ${hex(certificate)}`);
  });

  it('says that the published record proves the certificate', async () => {
    expect(await said(hex(certificate))).to.deep.equal([
      `ok: TLSA ${NAME} proves the certificate, and DNSSEC has validated it `,
    ]);
  });

  it('says that neighbours refuse the relay whose record is for another key, and which to publish', async () => {
    const [line] = await said(hex(other.certificate));
    expect(line).to.match(/^error: the TLSA records of .* are for other certificates/);
    expect(line).to.include(`Publish ${NAME}. IN TLSA 3 1 1 ${hex(certificate)}`);
  });

  it('says that nothing has validated a right record, or that DNSSEC finds it wrong', async () => {
    expect((await said(hex(certificate), { anchored: false }))[0]).to.match(/^warning: .* not validated by DNSSEC/);
    zone?.stop();
    const tamper = (text: string): string => text.replace(new RegExp(hex(certificate), 'i'), '00'.repeat(32));
    expect((await said(hex(certificate), { tamper }))[0]).to.match(/^warning: .*SERVFAIL to TLSA/);
  });
});
