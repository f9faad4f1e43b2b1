/** The two dialects as used by the checks, written as in the IMXP drafts and RFC 3340. */
import { beepXml, IMXP, textXml } from './peer/documents.js';

export const DIALECTS = ['imxp', 'apex'] as const;
export type DialectName = (typeof DIALECTS)[number];

/** A Data to be sent. */
export interface Letter {
  readonly from: string;
  readonly to: readonly string[];
  /** XML within the document, an absolute URI, or octets of a part. */
  readonly inner?: string;
  readonly uri?: string;
  readonly body?: Buffer;
  readonly options?: string;
}

export interface Vocabulary {
  readonly name: DialectName;
  readonly profile: string;
  /** Media type of control documents. */
  readonly type: string;
  /** Whether a Data is answered after its recipients have answered. */
  readonly waits: boolean;
  /** A control document as a message. */
  control(document: string): string;
  data(letter: Letter): Buffer;
  /** @param must whether the option is mandatory */
  option(name: string, must: boolean, transID: number): string;
  readonly ok: string;
  /** Local part of the report service. */
  readonly report: string;
}

const BOUNDARY = '=_m1';
const CONTROL_ID = 'c1.5f@example.com';
const BODY_ID = 'c2.5f@example.com';

function multipart(type: string, control: string, body: Buffer): Buffer {
  const head = [
    `Content-Type: multipart/related; boundary="${BOUNDARY}";`,
    ` start="<${CONTROL_ID}>"; type="${type}"`,
    '',
    `--${BOUNDARY}`,
    `Content-Type: ${type}`,
    `Content-ID: <${CONTROL_ID}>`,
    '',
    control,
    `--${BOUNDARY}`,
    'Content-Type: application/octet-stream',
    'Content-Transfer-Encoding: binary',
    `Content-ID: <${BODY_ID}>`,
    '',
    '',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(head), body, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]);
}

class Words implements Vocabulary {
  readonly name: DialectName;
  readonly profile: string;
  readonly type: string;
  readonly waits: boolean;
  readonly report: string;

  constructor(name: DialectName) {
    this.name = name;
    const apex = name === 'apex';
    this.profile = apex ? 'http://iana.org/beep/APEX' : IMXP;
    this.type = apex ? 'application/beep+xml' : 'text/xml';
    this.waits = !apex;
    this.report = `${name}=report`;
  }

  get ok(): string {
    return this.control('<ok />');
  }

  control(document: string): string {
    return this.name === 'apex' ? beepXml(document) : textXml(document);
  }

  data({ from, to, inner, uri, body, options = '' }: Letter): Buffer {
    const content = uri ?? (inner === undefined ? `cid:${BODY_ID}` : '#Payload');
    const recipients = to.map((identity) => `<recipient identity='${identity}' />`).join('');
    const within = inner === undefined ? '' : `<data-content Name='Payload'>${inner}</data-content>`;
    const start =
      this.name === 'apex'
        ? `<data content='${content}'><originator identity='${from}' />`
        : `<data originator='${from}' content='${content}'>`;
    const control = `${start}${recipients}${options}${within}</data>`;
    return body === undefined ? Buffer.from(this.control(control)) : multipart(this.type, control, body);
  }

  option(name: string, must: boolean, transID: number): string {
    const flag = this.name === 'apex' ? `mustUnderstand='${must}'` : `seeNoEvil='${!must}'`;
    return `<option internal='${name}' ${flag} transID='${transID}' />`;
  }
}

export const vocabulary = (name: DialectName): Vocabulary => new Words(name);
