/** The documents that a raw peer sends and the few that it must parse, spelled as the specifications print them. */

export const IMXP = 'http://xml.resource.org/profiles/IMXP';
export const TLS = 'http://iana.org/beep/TLS';
export const DIGEST_MD5 = 'http://iana.org/beep/SASL/DIGEST-MD5';

const BEEP_XML = 'Content-Type: application/beep+xml\r\n\r\n';
const TEXT_XML = 'Content-Type: text/xml\r\n\r\n';

/** A document of channel 0, TLS or SASL. */
export const beepXml = (document: string): string => `${BEEP_XML}${document}\r\n`;
/** A control document of the IMXP profile. */
export const textXml = (document: string): string => `${TEXT_XML}${document}\r\n`;

/** The 52 octets of RFC 3080 §2.3.1.1's empty greeting. */
export const GREETING = beepXml('<greeting />');
/** The 34 octets of an IMXP `ok`. */
export const OK = textXml('<ok />');

export interface Start {
  readonly channel: number;
  readonly uri: string;
  readonly content?: string;
  readonly serverName?: string | undefined;
}

export function start({ channel, uri, content, serverName }: Start): string {
  const name = serverName === undefined ? '' : ` serverName='${serverName}'`;
  const profile = content === undefined ? ' />' : `><![CDATA[${content}]]></profile>`;
  return beepXml(`<start number='${channel}'${name}><profile uri='${uri}'${profile}</start>`);
}

export const close = (channel: number, code = 200): string => beepXml(`<close number='${channel}' code='${code}' />`);
export const blob = (text: string, status?: string): string =>
  `<blob${status === undefined ? '' : ` status='${status}'`}>${Buffer.from(text).toString('base64')}</blob>`;

export const attach = (endpoint: string, transID: number): string =>
  `<attach endpoint='${endpoint}' transID='${transID}' />`;
export const bind = (relay: string, transID: number): string => `<bind relay='${relay}' transID='${transID}' />`;
export const terminate = (transID: number): string => `<terminate transID='${transID}' />`;

/** A Data whose content is inside the control document (core-01 §4.1). */
export function inlineData(originator: string, recipients: readonly string[], inner: string, options = ''): string {
  const to = recipients.map((identity) => `<recipient identity='${identity}' />`).join('');
  return textXml(
    `<data originator='${originator}' content='#Payload'>${to}${options}<data-content Name='Payload'>${inner}</data-content></data>`,
  );
}

/** A Data with any octets as its content, as multipart/related (core-01 §4.1). */
export function multipartData(
  originator: string,
  recipients: readonly string[],
  body: Buffer,
  type = 'application/octet-stream',
): Buffer {
  const to = recipients.map((identity) => `   <recipient identity='${identity}' />\r\n`).join('');
  const head = [
    'Content-Type: multipart/related; boundary="=_m1";',
    ' start="<c1.5f@example.com>"; type="text/xml"',
    '',
    '--=_m1',
    'Content-Type: text/xml',
    'Content-ID: <c1.5f@example.com>',
    '',
    `<data originator='${originator}'`,
    "      content='cid:c2.5f@example.com'>",
    `${to}</data>`,
    '--=_m1',
    `Content-Type: ${type}`,
    'Content-Transfer-Encoding: binary',
    'Content-ID: <c2.5f@example.com>',
    '',
    '',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(head), body, Buffer.from('\r\n--=_m1--\r\n')]);
}

/** Nothing in these documents is longer; what is longer was sent to keep us busy. */
const bounded = (payload: Buffer | string): string =>
  typeof payload === 'string' ? payload.slice(0, 65_536) : payload.toString('utf8', 0, 65_536);

/** The `error` in a reply: its code and text with entities resolved. */
export function errorIn(payload: Buffer | string): { code: number; text: string } | undefined {
  const match = /<error\b[^>]*?\bcode=(['"])([1-5][0-9][0-9])\1[^>]*?(?:\/>|>([\s\S]*?)<\/error>)/.exec(
    bounded(payload),
  );
  return match === null ? undefined : { code: Number(match[2]), text: unescaped(match[3] ?? '') };
}

export function profilesIn(greeting: Buffer | string): string[] {
  return [...bounded(greeting).matchAll(/<profile\s+uri=(['"])([^'"]*)\1\s*\/>/g)].map((match) => match[2] ?? '');
}

/** The profile of a positive answer to `start`: URI and character data, CDATA and entities resolved, edges trimmed. */
export function profileIn(payload: Buffer | string): { uri: string; content: string } | undefined {
  const match = /<profile\s+uri=(['"])([^'"]*)\1\s*(?:\/>|>([\s\S]*?)<\/profile>)/.exec(bounded(payload));
  return match === null ? undefined : { uri: match[2] ?? '', content: unescaped(match[3] ?? '').trim() };
}

/** The `blob` of a SASL message: status and decoded octets as text. */
export function blobIn(text: Buffer | string): { status: string; data: string } | undefined {
  const match = /<blob\b([^>]*?)(?:\/>|>([\s\S]*?)<\/blob>)/.exec(bounded(text));
  if (match === null) return undefined;
  const status = /\bstatus=(['"])(\w+)\1/.exec(match[1] ?? '')?.[2] ?? 'continue';
  return { status, data: Buffer.from(match[2] ?? '', 'base64').toString() };
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
};

function unescaped(text: string): string {
  return text.replace(
    /<!\[CDATA\[([\s\S]*?)\]\]>|&(\w+);|&#(\d+);|&#x([\da-fA-F]+);/g,
    (whole, cdata?: string, name?: string, decimal?: string, hexadecimal?: string) => {
      if (cdata !== undefined) return cdata;
      if (name !== undefined) return ENTITIES[name] ?? whole;
      return String.fromCodePoint(decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal));
    },
  );
}
