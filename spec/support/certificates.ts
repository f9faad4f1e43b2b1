/**
 * A certificate authority for specs that does not need OpenSSL: node:crypto creates the keys, node-forge the
 * certificates. It issues valid certificates and, on request, every kind of invalid one.
 */
import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';

/** Subject alternative names, as in `{ domain: 'example.com' }`. */
export interface TestNames {
  readonly domains?: readonly string[];
  readonly addresses?: readonly string[];
  readonly mailboxes?: readonly string[];
  readonly uris?: readonly string[];
}

export interface TestCertificateOptions extends TestNames {
  readonly commonName?: string;
  /** Default: both. */
  readonly usages?: readonly ('server' | 'client' | 'mail')[];
  /** Default: digitalSignature and keyEncipherment. */
  readonly keyUsages?: readonly ('digitalSignature' | 'keyEncipherment' | 'dataEncipherment' | 'nonRepudiation')[];
  /** A key that no other certificate has; leaves share one otherwise. */
  readonly ownKey?: boolean;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly authority?: boolean;
  readonly pathLength?: number;
  readonly digest?: 'md5' | 'sha1' | 'sha256';
  /** Extensions in node-forge's form, added as they are. */
  readonly extensions?: readonly object[];
}

export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
  readonly der: Buffer;
  readonly serial: string;
}

export interface TestIssuer {
  readonly name: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
let serials = 0x1000;

/** Keys are made natively; leaves share one, because specs check names and not keys. */
function newKey(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
}

let leafKey: string | undefined;

export class TestAuthority {
  readonly certificate: string;
  readonly key: string;
  readonly name: string;

  constructor(name = 'Test Authority', issuer?: TestAuthority, options: TestCertificateOptions = {}) {
    this.name = name;
    this.key = newKey();
    const made = create(issuer ?? this, { ...options, commonName: name, authority: true }, this.key);
    this.certificate = made.certificate;
  }

  /** Issues a certificate with its key. */
  issue(options: TestCertificateOptions): TestCertificate {
    return issueBy(this, options);
  }

  /** A revocation list with these serial numbers (hexadecimal), in PEM. */
  revocations(revoked: readonly string[], nextUpdate = new Date(Date.now() + DAY_MS)): string {
    const { asn1, md, pki, util } = forge;
    const sequence = (...items: forge.asn1.Asn1[]): forge.asn1.Asn1 =>
      asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, items);
    const time = (date: Date): forge.asn1.Asn1 =>
      asn1.create(asn1.Class.UNIVERSAL, asn1.Type.UTCTIME, false, asn1.dateToUtcTime(date));
    const algorithm = sequence(
      asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OID, false, asn1.oidToDer('1.2.840.113549.1.1.11').getBytes()),
      asn1.create(asn1.Class.UNIVERSAL, asn1.Type.NULL, false, ''),
    );
    const past = new Date(Date.now() - 2 * DAY_MS);
    const entries = revoked.map((serial) =>
      sequence(asn1.create(asn1.Class.UNIVERSAL, asn1.Type.INTEGER, false, util.hexToBytes(serial)), time(past)),
    );
    const subject = pki.distinguishedNameToAsn1(pki.certificateFromPem(this.certificate).subject);
    const version = asn1.create(asn1.Class.UNIVERSAL, asn1.Type.INTEGER, false, '\x01');
    const list = entries.length > 0 ? [sequence(...entries)] : [];
    const signed = sequence(version, algorithm, subject, time(past), time(nextUpdate), ...list);
    const digest = md.sha256.create().update(asn1.toDer(signed).getBytes());
    const signature = pki.privateKeyFromPem(this.key).sign(digest);
    const bits = asn1.create(asn1.Class.UNIVERSAL, asn1.Type.BITSTRING, false, `\x00${signature}`);
    const der = Buffer.from(asn1.toDer(sequence(signed, algorithm, bits)).getBytes(), 'latin1');
    const lines = der.toString('base64').replace(/(.{64})/g, '$1\n');
    return `-----BEGIN X509 CRL-----\n${lines}\n-----END X509 CRL-----\n`;
  }
}

/** A certificate signed by whoever holds the key, authority or not. */
export function issueBy(issuer: TestIssuer, options: TestCertificateOptions): TestCertificate {
  if (options.ownKey === true) return create(issuer, options, newKey());
  leafKey ??= newKey();
  return create(issuer, options, leafKey);
}

function create(issuer: TestIssuer, options: TestCertificateOptions, key: string): TestCertificate {
  const { pki, md } = forge;
  const certificate = pki.createCertificate();
  const privateKey = pki.privateKeyFromPem(key);
  certificate.publicKey = pki.setRsaPublicKey(privateKey.n, privateKey.e);
  certificate.serialNumber = (serials++).toString(16);
  certificate.validity.notBefore = options.notBefore ?? new Date(Date.now() - DAY_MS);
  certificate.validity.notAfter = options.notAfter ?? new Date(Date.now() + DAY_MS);
  certificate.setSubject([{ name: 'commonName', value: options.commonName ?? 'test' }]);
  certificate.setIssuer([{ name: 'commonName', value: issuer.name }]);
  certificate.setExtensions([...extensionsOf(options), ...(options.extensions ?? [])]);
  const digest = { md5: md.md5, sha1: md.sha1, sha256: md.sha256 }[options.digest ?? 'sha256'];
  certificate.sign(pki.privateKeyFromPem(issuer.key), digest.create());
  const der = forge.asn1.toDer(pki.certificateToAsn1(certificate)).getBytes();
  return {
    certificate: pki.certificateToPem(certificate),
    key,
    der: Buffer.from(der, 'latin1'),
    serial: certificate.serialNumber,
  };
}

function extensionsOf(options: TestCertificateOptions): object[] {
  if (options.authority === true) {
    const constraints = { name: 'basicConstraints', cA: true, critical: true };
    const length = options.pathLength === undefined ? {} : { pathLenConstraint: options.pathLength };
    return [
      { ...constraints, ...length },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ];
  }
  const { usages = ['server', 'client'], keyUsages = ['digitalSignature', 'keyEncipherment'] } = options;
  const altNames = [
    ...(options.mailboxes ?? []).map((value) => ({ type: 1, value })),
    ...(options.domains ?? []).map((value) => ({ type: 2, value })),
    ...(options.addresses ?? []).map((ip) => ({ type: 7, ip })),
    ...(options.uris ?? []).map((value) => ({ type: 6, value })),
  ];
  return [
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', ...Object.fromEntries(keyUsages.map((usage) => [usage, true])) },
    {
      name: 'extKeyUsage',
      serverAuth: usages.includes('server'),
      clientAuth: usages.includes('client'),
      emailProtection: usages.includes('mail'),
    },
    ...(altNames.length > 0 ? [{ name: 'subjectAltName', altNames }] : []),
  ];
}
