/**
 * Reads documents and entities of the listener independently of the relay's own parsers: with sax alone, and MIME
 * headers by hand.
 */
import sax from 'sax';

export interface XmlNode {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlNode[];
  /** All character data, with CDATA and entities resolved. */
  readonly text: string;
}

export interface XmlDocument {
  readonly root: XmlNode;
  /** Items that RFC 3080 §6.4 forbids in application/beep+xml. */
  readonly declaration: boolean;
  readonly doctype: boolean;
}

/** Longest document accepted; no answer in these checks is longer. */
const MOST_OCTETS = 262_144;
const DEEPEST = 100;

interface Growing {
  readonly name: string;
  readonly attributes: Record<string, string>;
  readonly children: Growing[];
  text: string;
}

/** @throws Error when the document is not well-formed */
export function readXml(octets: Buffer | string): XmlDocument {
  if (octets.length > MOST_OCTETS) throw new Error(`a document of ${octets.length} octets`);
  const text = typeof octets === 'string' ? octets : new TextDecoder('utf-8', { fatal: true }).decode(octets);
  const parser = sax.parser(true);
  const open: Growing[] = [];
  let root: Growing | undefined;
  let [declaration, doctype] = [false, false];
  parser.onerror = (error) => {
    throw new Error(`not well-formed: ${error.message.split('\n')[0]}`);
  };
  parser.onprocessinginstruction = ({ name }) => {
    declaration ||= name === 'xml';
  };
  parser.ondoctype = () => {
    doctype = true;
  };
  parser.onopentag = ({ name, attributes }) => {
    const element: Growing = { name, attributes: { ...attributes } as Record<string, string>, children: [], text: '' };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
    if (open.length > DEEPEST) throw new Error(`elements more than ${DEEPEST} deep`);
  };
  const take = (characters: string): void => {
    for (const element of open) element.text += characters;
  };
  parser.ontext = take;
  parser.onopencdata = () => {
    // sax accepts the keyword in any case; XML 1.0 §2.7 requires capitals.
    const at = parser.startTagPosition - 1;
    if (!text.startsWith('<![CDATA[', at)) throw new Error(`not well-formed: ${text.slice(at, at + 9)}`);
  };
  parser.oncdata = take;
  parser.onclosetag = () => {
    open.pop();
  };
  parser.write(text).close();
  if (root === undefined) throw new Error('no element');
  return { root, declaration, doctype };
}

export interface Entity {
  /** Media type in lower case, without parameters. */
  readonly type: string | undefined;
  readonly body: Buffer;
}

/** RFC 3080 §2.2: headers, an empty line, the body. @throws Error when there is no empty line */
export function readEntity(payload: Buffer): Entity {
  if (payload.length === 0) return { type: undefined, body: payload };
  const end = payload.subarray(0, 2).toString() === '\r\n' ? 0 : payload.indexOf('\r\n\r\n') + 2;
  if (end === 1) throw new Error('no empty line after the MIME headers');
  const head = payload.toString('latin1', 0, end).replaceAll(/\r\n[ \t]+/g, ' ');
  const type = /^content-type:\s*([^\s;]+)/im.exec(head)?.[1]?.toLowerCase();
  return { type, body: payload.subarray(end + 2) };
}
