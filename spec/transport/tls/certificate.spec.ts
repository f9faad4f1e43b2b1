import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../../lib/errors.js';
import {
  certificateNames,
  HOST_NAMING,
  initiatorPurpose,
  purposeFault,
  validityFault,
  verifyChain,
} from '../../../lib/transport/tls/certificate.js';
import { issueBy, TestAuthority } from '../../support/certificates.js';

describe('transport/tls/certificate', () => {
  const authority = new TestAuthority();
  const stranger = new TestAuthority('Stranger');
  const root = new X509Certificate(authority.certificate);

  describe('names', () => {
    it('are rfc822Name, URI im: and dNSName, domains in lower case', () => {
      const { der } = authority.issue({
        domains: ['Example.COM'],
        mailboxes: ['Fred@Example.com'],
        uris: ['im:barney@rubble.com', 'https://example.com/'],
      });
      expect(certificateNames(der)).to.deep.equal({
        mailboxes: ['Fred@example.com'],
        instantInboxes: ['barney@rubble.com'],
        domains: ['example.com'],
        addresses: [],
      });
    });

    it('undo %hh in im: URIs and leave out headers', () => {
      const { der } = authority.issue({ uris: ['IM:imxp%3Dmesh@rubble.com?subject=x', 'im:%zz@rubble.com'] });
      expect(certificateNames(der).instantInboxes).to.deep.equal(['imxp=mesh@rubble.com']);
    });

    it('leave out wildcards, NUL, spaces and names without a domain', () => {
      const { der } = authority.issue({
        domains: ['*.example.com', 'example.com\0.rubble.com', '-x.com', 'a..b', ''],
        mailboxes: ['example.com', 'a b@example.com', '@example.com', 'fred@', `${'x'.repeat(1020)}@example.com`],
        uris: ['im:', 'pres:fred@example.com', 'im:fred'],
      });
      expect(certificateNames(der)).to.deep.equal({ mailboxes: [], instantInboxes: [], domains: [], addresses: [] });
    });

    it('are none without the extension', () => {
      expect(certificateNames(root)).to.deep.equal({ mailboxes: [], instantInboxes: [], domains: [], addresses: [] });
    });

    it('of octets that are no certificate are a RemoteProtocolError and nothing else', () => {
      const { der } = authority.issue({ domains: ['example.com'] });
      const mutation = fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
      fc.assert(
        fc.property(mutation, fc.nat(der.length), (changes, length) => {
          const octets = Buffer.from(der);
          for (const [at, value] of changes) octets[at] = value;
          for (const input of [octets, octets.subarray(0, length)]) {
            try {
              certificateNames(input);
              purposeFault(input, 'server');
            } catch (error) {
              expect(error).to.be.instanceOf(RemoteProtocolError);
            }
          }
        }),
        { numRuns: 2000 },
      );
    });
  });

  describe('a host', () => {
    const rows: [string, object, string, boolean][] = [
      ['its dNSName', { domains: ['relay.example.com'] }, 'Relay.example.com', true],
      ['a dNSName of its domain', { domains: ['example.com'] }, 'relay.example.com', false],
      ['a wildcard', { domains: ['*.example.com'] }, 'relay.example.com', false],
      ['its iPAddress', { addresses: ['2001:db8::9'] }, '2001:DB8:0::9', true],
      ['a mailbox of the domain', { mailboxes: ['imxp=mesh@example.com'] }, 'example.com', false],
    ];
    for (const [title, options, host, expected] of rows) {
      it(`${expected ? 'is' : 'is not'} named by ${title}`, () => {
        expect(HOST_NAMING.names(certificateNames(authority.issue(options).der), host)).to.equal(expected);
      });
    }

    it('that initiates may show a certificate for servers alone', () => {
      const { der } = authority.issue({ domains: ['example.com'], usages: ['server'] });
      expect(initiatorPurpose(der)).to.equal('server');
      expect(initiatorPurpose(authority.issue({ usages: ['server'] }).der)).to.equal('client');
    });
  });

  it('purpose follows the extended key usage', () => {
    const { der } = authority.issue({ usages: ['client'] });
    expect(purposeFault(der, 'client')).to.equal(undefined);
    expect(purposeFault(der, 'server')).to.match(/not for a TLS server/);
    expect(purposeFault(root, 'server')).to.equal(undefined);
  });

  it('validity has both ends', () => {
    const notBefore = new Date('2000-09-20T00:00:00Z');
    const notAfter = new Date('2051-01-01T00:00:00Z');
    const { der } = authority.issue({ notBefore, notAfter });
    expect(validityFault(der, notBefore.getTime() - 1)).to.match(/not valid before 2000-09-20/);
    expect(validityFault(der, notBefore.getTime())).to.equal(undefined);
    expect(validityFault(der, notAfter.getTime())).to.equal(undefined);
    expect(validityFault(der, notAfter.getTime() + 1000)).to.match(/expired at 2051-01-01/);
  });

  describe('chain', () => {
    const rules = { authorities: [root], purpose: 'server', nowMs: Date.now() } as const;
    const intermediate = new TestAuthority('Intermediate', authority);
    const below = new X509Certificate(intermediate.certificate).raw;

    it('leads from the certificate to the authority', () => {
      const { der } = authority.issue({});
      const path = verifyChain([der], rules);
      expect(path).to.have.length(2);
    });

    it('leads over an intermediate in any order, and not without it', () => {
      const { der } = intermediate.issue({});
      expect(verifyChain([der, root.raw, below], rules)).to.have.length(3);
      expect(verifyChain([der], rules)).to.match(/does not lead to a known authority/);
    });

    it('may be a trusted certificate itself', () => {
      const { der } = stranger.issue({});
      expect(verifyChain([der], { ...rules, authorities: [new X509Certificate(der)] })).to.have.length(1);
    });

    const DAY = 86_400_000;
    const refused: [string, () => Buffer[], RegExp][] = [
      ['no certificate', () => [], /no certificate/],
      ['a stranger', () => [stranger.issue({}).der], /known authority/],
      [
        'a self-signed authority of a stranger',
        () => [new X509Certificate(stranger.certificate).raw],
        /known authority/,
      ],
      ['an authority of the same name', () => [new TestAuthority().issue({}).der], /known authority/],
      ['one expired', () => [authority.issue({ notAfter: new Date(Date.now() - DAY / 2) }).der], /expired/],
      [
        'one not yet valid',
        () => [authority.issue({ notBefore: new Date(Date.now() + DAY / 2) }).der],
        /not valid before/,
      ],
      ['one for clients', () => [authority.issue({ usages: ['client'] }).der], /not for a TLS server/],
      ['an MD5 signature', () => [authority.issue({ digest: 'md5' }).der], /MD5/],
      [
        'an unknown critical extension',
        () => [authority.issue({ extensions: [{ id: '1.2.3.4', critical: true, value: '\x05\x00' }] }).der],
        /critical extension 1\.2\.3\.4/,
      ],
      [
        'name constraints, critical or not',
        () => [authority.issue({ extensions: [{ id: '2.5.29.30', value: '\x30\x00' }] }).der],
        /name constraints/,
      ],
      ['a key that is not for TLS', () => [authority.issue({ keyUsages: ['nonRepudiation'] }).der], /not for TLS/],
      ['octets that are no certificate', () => [Buffer.from('3003020101', 'hex')], /cannot be read/],
      ['nine certificates', () => new Array<Buffer>(9).fill(root.raw), /more than 8/],
    ];
    for (const [title, chain, reason] of refused) {
      it(`is refused for ${title}`, () => {
        expect(verifyChain(chain(), rules)).to.match(reason);
      });
    }

    it('is refused for SHA-1 where nothing older than TLS 1.2 is spoken', () => {
      const { der } = authority.issue({ digest: 'sha1' });
      expect(verifyChain([der], rules)).to.have.length(2);
      expect(verifyChain([der], { ...rules, sha1: false })).to.match(/SHA-1/);
    });

    it('is refused when an intermediate is for something else', () => {
      const limited = new TestAuthority('Limited', authority, {
        extensions: [{ name: 'extKeyUsage', clientAuth: true }],
      });
      const { der } = limited.issue({});
      const chain = [der, new X509Certificate(limited.certificate).raw];
      expect(verifyChain(chain, rules)).to.match(/not for a TLS server/);
      expect(verifyChain(chain, { ...rules, purpose: 'client' })).to.have.length(3);
    });

    it('is refused when a leaf issued it', () => {
      const leaf = authority.issue({ commonName: 'leaf' });
      const { der } = issueBy({ name: 'leaf', key: leaf.key }, {});
      expect(verifyChain([der, leaf.der], rules)).to.match(/known authority|not an authority/);
    });

    it('is refused when longer than an authority in it allows', () => {
      const short = new TestAuthority('Short', authority, { pathLength: 0 });
      const deep = new TestAuthority('Deep', short);
      const { der } = deep.issue({});
      const ders = [deep, short].map(({ certificate }) => new X509Certificate(certificate).raw);
      expect(verifyChain([der, ...ders], rules)).to.match(/longer than an authority/);
    });
  });
});
