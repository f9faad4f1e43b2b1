import { expect } from 'chai';
import { certificateIdentities, MESH_NAMING } from '../../lib/mesh/certificate.js';
import { certificateNames, initiatorPurpose } from '../../lib/transport/tls/certificate.js';
import { TestAuthority } from '../support/certificates.js';

const PROOF = { mechanism: 'EXTERNAL', privacy: true };

describe('mesh/certificate', () => {
  const authority = new TestAuthority();

  it('REQ-IMXP-054 are addresses for domain literals, and for these alone', () => {
    const names = certificateNames(authority.issue({ addresses: ['192.0.2.9', '2001:db8::9'] }).der);
    expect(names.addresses).to.deep.equal(['192.0.2.9', '2001:db8::9']);
    const named = (domain: string) => MESH_NAMING.names(names, domain);
    expect(['[192.0.2.9]', '[IPv6:2001:DB8:0::9]', '[192.0.2.8]', '192.0.2.9'].map(named)).to.deep.equal([
      true,
      true,
      false,
      false,
    ]);
    expect(certificateIdentities(authority.issue({ addresses: ['192.0.2.9'] }).der)).to.deep.equal([]);
  });

  describe('relay of a domain (REQ-SASL-011)', () => {
    const rows: [string, object, boolean][] = [
      ['rfc822Name imxp=mesh@domain', { mailboxes: ['imxp=mesh@rubble.com'] }, true],
      ['URI im:imxp=mesh@domain', { uris: ['im:imxp=mesh@RUBBLE.com'] }, true],
      ['prefix in capitals', { uris: ['im:IMXP=MESH@rubble.com'] }, true],
      ['dNSName equal to the domain', { domains: ['rubble.com'] }, true],
      ['dNSName of a host in the domain', { domains: ['relay.rubble.com'] }, false],
      ['wildcard', { domains: ['*.com'] }, false],
      ['another domain', { domains: ['example.com'], mailboxes: ['imxp=mesh@example.com'] }, false],
      ['an endpoint of the domain', { mailboxes: ['barney@rubble.com'] }, false],
      ['common name only', { commonName: 'rubble.com' }, false],
    ];
    for (const [title, options, expected] of rows) {
      it(`${expected ? 'is' : 'is not'} named by ${title}`, () => {
        expect(MESH_NAMING.names(certificateNames(authority.issue(options).der), 'Rubble.com')).to.equal(expected);
      });
    }
  });

  describe('identities', () => {
    it('list a relay of all domains first, then endpoints', () => {
      const { der } = authority.issue({
        domains: ['example.com', 'example.org'],
        mailboxes: ['imxp=mesh@rubble.com', 'fred@example.com'],
        uris: ['im:fred@example.com', 'im:wilma@example.com'],
      });
      expect(certificateIdentities(der, PROOF)).to.deep.equal([
        { kind: 'relay', domains: ['rubble.com', 'example.com', 'example.org'], proof: PROOF },
        { kind: 'endpoint', address: 'fred@example.com', proof: PROOF },
        { kind: 'endpoint', address: 'wilma@example.com', proof: PROOF },
      ]);
    });

    it('of a certificate for clients only include no relay', () => {
      const { der } = authority.issue({ domains: ['rubble.com'], usages: ['client'] });
      expect(certificateIdentities(der)).to.deep.equal([]);
      const mesh = authority.issue({ mailboxes: ['imxp=mesh@rubble.com'], usages: ['client'] });
      expect(certificateIdentities(mesh.der)).to.deep.equal([]);
    });

    it('of a certificate for servers only include a relay and no endpoint', () => {
      const { der } = authority.issue({
        domains: ['example.com'],
        mailboxes: ['imxp=mesh@rubble.com', 'fred@example.com'],
        usages: ['server'],
      });
      expect(certificateIdentities(der, PROOF)).to.deep.equal([
        { kind: 'relay', domains: ['rubble.com', 'example.com'], proof: PROOF },
      ]);
      expect(initiatorPurpose(der, MESH_NAMING)).to.equal('server');
      const person = authority.issue({ mailboxes: ['fred@example.com'], usages: ['server'] });
      expect(certificateIdentities(person.der, PROOF)).to.deep.equal([]);
      expect(initiatorPurpose(person.der, MESH_NAMING)).to.equal('client');
    });

    it('of a certificate without names are none', () => {
      expect(certificateIdentities(authority.issue({}).der)).to.deep.equal([]);
    });
  });
});
