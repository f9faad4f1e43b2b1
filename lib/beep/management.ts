/**
 * Reads and writes the documents of channel 0 (RFC 3080 §2.3, §7.1). Knows nothing of what they cause.
 *
 * Elements are written as the examples of RFC 3080 are, space before the slash included: some peers compare strings.
 */
import { LocalError, RemoteProtocolError, type Reply } from '../errors.js';
import { decodedBody, parseEntity } from '../mime/entity.js';
import { parseMediaType } from '../mime/media-type.js';
import { elementsOf, parseXml, textOf, type XmlElement } from '../xml/parse.js';
import { escapeAttribute, escapeText, legible } from '../xml/write.js';
import type { Greeting, Proposal } from './event.js';
import { MAX_NUMBER } from './frame.js';

export const BEEP_XML = 'application/beep+xml';
/** The type in the drafts of 2000; accepted, and used with a peer whose greeting uses it. */
export const DRAFT_XML = 'text/xml';

/**
 * Types under which a document is taken. RFC 3080 §2.2 makes `application/octet-stream` the type of a message without
 * Content-Type. LibVortex sometimes omits the header, so the document is taken either way, also where a peer writes that
 * default out.
 */
const ACCEPTED: ReadonlySet<string> = new Set([BEEP_XML, DRAFT_XML, 'application/xml', 'application/octet-stream']);

/** RFC 3080 §2.3.1.2: maximum octets of an initialization message, as it is sent. */
export const INITIALIZATION_OCTETS = 4096;

/** The language of the texts written here, and the tag used when a peer names none (RFC 2277 §4.5). */
const LANGUAGE = 'en';
const DEFAULT_LANGUAGE = 'i-default';
const DEFAULT_LANGUAGES: readonly string[] = Object.freeze([DEFAULT_LANGUAGE]);
const NONE: readonly string[] = Object.freeze([]);

/** A request on channel 0. */
export type Request = StartRequest | CloseRequest;

export interface StartRequest {
  readonly type: 'start';
  readonly number: number;
  readonly serverName: string | undefined;
  readonly proposals: readonly Proposal[];
}

export interface CloseRequest {
  readonly type: 'close';
  readonly number: number;
  readonly code: number;
  readonly text: string;
}

/** URI and content of one `profile` element. */
export interface ProfileContent {
  readonly uri: string;
  readonly content?: string;
  readonly base64?: boolean;
}

/** Wraps a document in a message of this content type. */
export function message(type: string, document: string): Buffer {
  return Buffer.from(`Content-Type: ${type}\r\n\r\n${document}\r\n`);
}

export function writeGreeting(greeting: Greeting): string {
  const features = greeting.features.length === 0 ? '' : ` features='${escapeAttribute(greeting.features.join(' '))}'`;
  const localize = greeting.localize.length === 0 ? '' : ` localize='${escapeAttribute(greeting.localize.join(' '))}'`;
  if (greeting.profiles.length === 0) {
    return `<greeting${features}${localize} />`;
  }
  const profiles = greeting.profiles.map((uri) => `   <profile uri='${escapeAttribute(uri)}' />\r\n`);
  return `<greeting${features}${localize}>\r\n${profiles.join('')}</greeting>`;
}

/** @throws LocalError ARGUMENT for content over 4,096 octets */
export function writeStart(
  number: number,
  serverName: string | undefined,
  profiles: readonly ProfileContent[],
): string {
  const name = serverName === undefined ? '' : ` serverName='${escapeAttribute(serverName)}'`;
  const children = profiles.map((profile) => `   ${writeProfile(profile)}\r\n`);
  return `<start number='${number}'${name}>\r\n${children.join('')}</start>`;
}

/**
 * Writes one `profile` element. Content that XML cannot carry is always sent in base64.
 *
 * No white space stands around the content. RFC 3080 prints its examples with it, but its DTD (RFC 3080 §7.1) declares
 * `profile` as `(#PCDATA)`: to a peer that goes by the DTD the white space is part of the content.
 *
 * @throws LocalError ARGUMENT for content over 4,096 octets
 */
export function writeProfile(profile: ProfileContent): string {
  const uri = escapeAttribute(profile.uri);
  const { content } = profile;
  if (content === undefined || content === '') {
    return `<profile uri='${uri}' />`;
  }
  const base64 = profile.base64 === true || legible(content) !== content || content.includes('\r');
  const text = base64 ? Buffer.from(content).toString('base64') : content;
  if (Buffer.byteLength(text) > INITIALIZATION_OCTETS) {
    throw new LocalError('ARGUMENT', `initialization content of more than ${INITIALIZATION_OCTETS} octets`);
  }
  const encoding = base64 ? " encoding='base64'" : '';
  const data = base64 ? text : `<![CDATA[${text.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`;
  return `<profile uri='${uri}'${encoding}>${data}</profile>`;
}

export function writeClose(number: number, code: number, text: string, peer: Greeting | undefined): string {
  return `<close number='${number}' code='${code}'${diagnostic('close', text, peer)}`;
}

export function writeError(reply: Reply, peer: Greeting | undefined): string {
  return `<error code='${reply.code}'${diagnostic('error', reply.text, peer)}`;
}

export const OK = '<ok />';

/** RFC 3080 §2.3.1.3: the language is omitted only if it is the peer's first choice. */
function diagnostic(element: string, text: string, peer: Greeting | undefined): string {
  if (text === '') {
    return ' />';
  }
  const [choice = DEFAULT_LANGUAGE] = peer?.localize ?? [];
  const first = choice.toLowerCase();
  const lang = first === DEFAULT_LANGUAGE || first === LANGUAGE ? '' : ` xml:lang='${LANGUAGE}'`;
  return `${lang}>${escapeText(legible(text))}</${element}>`;
}

/** A document of channel 0 with the octets it was parsed from, their transfer encoding undone. */
export interface Document {
  readonly root: XmlElement;
  readonly octets: Buffer;
  readonly contentType: string;
}

/** @throws RemoteProtocolError with reply 500 or 501 */
export function parseDocument(payload: Buffer): Document {
  const entity = parseEntity(payload);
  const type = entity.headers.single('Content-Type');
  const media = type === undefined ? undefined : parseMediaType(type);
  if (media !== undefined && !ACCEPTED.has(media.type)) {
    throw invalid(`channel 0 carries ${BEEP_XML}, not ${media.type}`);
  }
  const charset = media?.parameters.get('charset')?.toLowerCase();
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'us-ascii') {
    throw invalid(`the charset ${charset} is not supported; use UTF-8`);
  }
  const body = decodedBody(entity);
  return { root: parseXml(body), octets: body, contentType: media?.type === DRAFT_XML ? DRAFT_XML : BEEP_XML };
}

/** @throws RemoteProtocolError with reply 501 */
export function readGreeting({ root }: Document): Greeting {
  expectName(root, 'greeting');
  const localize = tokens(root, 'localize');
  const profiles = childrenOf(root).map((child) => {
    expectName(child, 'profile');
    return attribute(child, 'uri');
  });
  return {
    // Shared, because endpoints serve no profile and there are many of them.
    profiles: profiles.length === 0 ? NONE : profiles,
    features: tokens(root, 'features'),
    localize: localize.length === 0 ? DEFAULT_LANGUAGES : localize,
  };
}

/** @throws RemoteProtocolError with reply 501 */
export function readRequest(document: Document): Request {
  const { root } = document;
  switch (root.name) {
    case 'start':
      return readStart(document);
    case 'close': {
      const number = root.attributes.has('number') ? channelNumber(root, 0) : 0;
      return { type: 'close', number, code: replyCode(root), text: textOf(root) };
    }
    default:
      throw invalid(`the element ${root.name} is not expected here; start and close are`);
  }
}

function readStart(document: Document): StartRequest {
  const { root } = document;
  const profiles = childrenOf(root);
  if (profiles.length === 0) {
    throw invalid('a start must propose at least one profile');
  }
  return {
    type: 'start',
    number: channelNumber(root, 1),
    serverName: root.attributes.get('serverName'),
    proposals: profiles.map((profile) => readProfile(document, profile)),
  };
}

/** @throws RemoteProtocolError with reply 501 */
export function readProfile(document: Document, profile: XmlElement = document.root): Proposal {
  expectName(profile, 'profile');
  const uri = attribute(profile, 'uri');
  const encoding = profile.attributes.get('encoding') ?? 'none';
  if (encoding !== 'none' && encoding !== 'base64') {
    throw invalid(`the encoding of a profile is none or base64, not ${encoding}`);
  }
  const text = contentOf(document, profile);
  // RFC 3080 §2.3.1.2 limits the content as it is sent; the white space that examples put around it is not content.
  if (Buffer.byteLength(text) > INITIALIZATION_OCTETS) {
    throw invalid(`the content of a profile has more than ${INITIALIZATION_OCTETS} octets`);
  }
  const base64 = encoding === 'base64';
  if (text === '') {
    return { uri, base64 };
  }
  return { uri, base64, content: base64 ? fromBase64(text) : Buffer.from(text) };
}

/** Returns the character data, or the markup itself if a peer did not escape it, as in the drafts of 2000. */
function contentOf({ octets }: Document, profile: XmlElement): string {
  const markup = elementsOf(profile).length > 0;
  return (markup ? octets.toString('utf8', profile.innerStart, profile.innerEnd) : textOf(profile)).trim();
}

function fromBase64(text: string): Buffer {
  const digits = text.replace(/[ \t\r\n]/g, '');
  if (digits.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(digits)) {
    throw invalid('the content of a profile is not base64 as its encoding says');
  }
  return Buffer.from(digits, 'base64');
}

/** @throws RemoteProtocolError with reply 501 */
export function readOk({ root }: Document): void {
  expectName(root, 'ok');
  if (childrenOf(root).length > 0) {
    throw invalid('the element ok must be empty');
  }
}

/** @throws RemoteProtocolError with reply 501 */
export function readError({ root }: Document): Reply {
  expectName(root, 'error');
  return { code: replyCode(root), text: textOf(root) };
}

function expectName(element: XmlElement, name: string): void {
  if (element.name !== name) {
    throw invalid(`the element ${element.name} is not expected here; ${name} is`);
  }
}

/** Child elements of an element that must not contain text. */
function childrenOf(element: XmlElement): XmlElement[] {
  if (element.children.some((child) => typeof child === 'string' && child.trim() !== '')) {
    throw invalid(`text is not expected in ${element.name}`);
  }
  return elementsOf(element);
}

function attribute(element: XmlElement, name: string): string {
  const value = element.attributes.get(name);
  if (value === undefined || value === '') {
    throw invalid(`the attribute ${name} of ${element.name} is missing`);
  }
  return value;
}

function channelNumber(element: XmlElement, least: number): number {
  const text = attribute(element, 'number');
  const number = /^[0-9]{1,10}$/.test(text) ? Number(text) : -1;
  if (number < least || number > MAX_NUMBER) {
    throw invalid(`the number of ${element.name} is not a channel number`);
  }
  return number;
}

function replyCode(element: XmlElement): number {
  const text = attribute(element, 'code');
  if (!/^[1-5][0-9][0-9]$/.test(text)) {
    throw invalid(`the code of ${element.name} is not a reply code`);
  }
  return Number(text);
}

function tokens(element: XmlElement, name: string): readonly string[] {
  const found = (element.attributes.get(name) ?? '').split(/[ \t\r\n]+/).filter((token) => token !== '');
  return found.length === 0 ? NONE : found;
}

function invalid(text: string): RemoteProtocolError {
  return new RemoteProtocolError('XML_INVALID', text, { reply: { code: 501, text } });
}
