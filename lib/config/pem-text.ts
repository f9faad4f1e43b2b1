/** Says what is wrong with a file that should be PEM and holds nothing that is wanted. Never repeats contents. */

const BEGIN = /-----BEGIN ([A-Z0-9 ]+)-----/g;
/** What some labels stand for, and what to do about it. */
const LABELS: readonly (readonly [RegExp, string])[] = [
  [/REQUEST$/, 'it has a request for a certificate, and not the certificate that an authority made of it'],
  [/^(?:PKCS7|CMS)$/, 'it has PKCS #7; "openssl pkcs7 -print_certs" gives the certificates'],
  [/CRL$/, 'it has a revocation list'],
  [/PUBLIC KEY$/, 'it has a public key'],
  [/PRIVATE KEY$/, 'it has a private key'],
  [/CERTIFICATE$/, 'it has a certificate'],
];

/**
 * Returns the reason why a file has no block of some kind.
 *
 * @param label of the blocks that are wanted
 */
export function pemFlaw(octets: Buffer, label: RegExp): string {
  const [first, second] = octets;
  if (first === undefined) return 'it is empty';
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return 'it is text in UTF-16; save it as UTF-8';
  // A SEQUENCE; one that begins with the number 3 is PKCS #12.
  if (first === 0x30) {
    return /^30(?:8[0-4].{2,8}?|..)020103/.test(octets.toString('hex', 0, 12))
      ? 'it is PKCS #12; "openssl pkcs12 -nodes" converts it'
      : 'it is DER; "openssl x509 -inform DER" or "openssl pkey -inform DER" converts it';
  }
  const text = octets.toString('latin1');
  const labels = [...text.matchAll(BEGIN)].map(([, name = '']) => name);
  const wanted = labels.find((name) => label.test(name));
  if (wanted !== undefined) return flawOf(text, wanted);
  for (const [pattern, meaning] of LABELS) if (labels.some((name) => pattern.test(name))) return meaning;
  return labels.length > 0 ? `it has ${labels[0]}` : 'it has no line that begins with -----BEGIN';
}

/** What is wrong with the lines of a block that is there. */
function flawOf(text: string, label: string): string {
  if (!text.includes(`-----END ${label}-----`)) return 'it is cut off: the line -----END is missing';
  if (/-----BEGIN [A-Z0-9 ]+-----\r?\\[nr]/.test(text)) return 'it has "\\n" written out where its lines should end';
  if (!text.includes('\n')) return 'its lines end with CR alone; they end with LF or CRLF';
  return /^[ \t]+-----BEGIN /m.test(text) ? 'its lines are indented' : 'what is between BEGIN and END is damaged';
}
