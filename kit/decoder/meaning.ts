/**
 * Describes a message in one line: channel 0, TLS, SASL and the operations of the mesh. Tells what is wrong with one
 * that a relay would refuse. Never shows the contents of SASL messages and Data.
 */
import * as management from '../../lib/beep/management.js';
import { ImxpError } from '../../lib/errors.js';
import { contentOf } from '../../lib/imxp/content.js';
import type { Dialect } from '../../lib/imxp/dialect/dialect.js';
import { dialectNamed } from '../../lib/imxp/dialect/named.js';
import type { Data, Operation, OperationReply, Option, Terminate } from '../../lib/imxp/operation.js';
import { decodedBody, parseEntity } from '../../lib/mime/entity.js';
import { parseAnswer, parseBlob } from '../../lib/sasl/blob.js';
import { parseXml, textOf, type XmlElement } from '../../lib/xml/parse.js';
import type { Message } from './channel.js';

/** What a message asks of channel 0. */
export type Request = management.Request;

export interface Meaning {
  readonly summary: string;
  /** What a receiver would answer with an error, and its code. */
  readonly refusal?: string;
  /** For who follows the session. */
  readonly request?: Request;
  /** The profile of a channel that is granted by this. */
  readonly granted?: string;
  readonly ok?: true;
}

const DIALECTS = [dialectNamed('imxp'), dialectNamed('apex')] as const;
const TRANSPORT = /^http:\/\/(?:iana\.org\/beep\/TLS|xml\.resource\.org\/profiles\/TLS)$/;
const SASL = /\/sasl\//i;

/** @param profile of the channel, where its start was seen */
export function meaningOf(channel: number, profile: string | undefined, message: Message): Meaning {
  if (message.keyword === 'NUL') return { summary: 'end of the answers' };
  try {
    if (channel === 0) return onChannel0(message);
    const reply = message.keyword !== 'MSG';
    return { summary: inProfile(profile, decodedOctets(message.payload), message.payload, reply) };
  } catch (error) {
    if (!(error instanceof ImxpError)) throw error;
    const code = error.reply === undefined ? '' : `${error.reply.code} `;
    return { summary: outline(message.payload), refusal: `${code}${error.reply?.text ?? error.message}` };
  }
}

function onChannel0({ keyword, payload }: Message): Meaning {
  const document = management.parseDocument(payload);
  const { name } = document.root;
  if (keyword === 'MSG') {
    const request = management.readRequest(document);
    return { summary: requestText(request), request };
  }
  if (keyword === 'ERR' || name === 'error') {
    const { code, text } = management.readError(document);
    return { summary: `error ${code} ${text}` };
  }
  if (name === 'greeting') {
    const { profiles, features } = management.readGreeting(document);
    const extra = features.length > 0 ? `; features ${features.join(' ')}` : '';
    return { summary: `greeting: ${profiles.map(shortUri).join(', ') || 'serves nothing'}${extra}` };
  }
  if (name === 'profile') {
    const { uri, content } = management.readProfile(document);
    return { summary: `granted: ${shortUri(uri)}${piggybacked(uri, content, true)}`, granted: uri };
  }
  management.readOk(document);
  return { summary: 'ok', ok: true };
}

function requestText(request: Request): string {
  if (request.type === 'close') {
    const what = request.number === 0 ? 'release the session' : `close channel ${request.number}`;
    return `${what}, ${request.code} ${request.text}`.trim();
  }
  const { number, serverName, proposals } = request;
  const name = serverName === undefined ? '' : ` as ${serverName}`;
  const offers = proposals.map(({ uri, content }) => `${shortUri(uri)}${piggybacked(uri, content, false)}`);
  return `start channel ${number}${name}: ${offers.join(' or ')}`;
}

function piggybacked(uri: string, content: Buffer | undefined, reply: boolean): string {
  if (content === undefined || content.length === 0) return '';
  return ` with ${inProfile(uri, content, undefined, reply)}`;
}

/** @param payload the whole message; undefined for what came with the start of a channel */
function inProfile(profile: string | undefined, document: Buffer, payload: Buffer | undefined, reply: boolean): string {
  if (profile !== undefined && TRANSPORT.test(profile)) return rootText(parseXml(document));
  if (profile !== undefined && SASL.test(profile)) return saslText(document, reply);
  const dialect = DIALECTS.find((one) => one.profile === profile);
  if (dialect !== undefined) return meshText(dialect, document, payload, reply);
  if (profile !== undefined) return rootText(parseXml(document));
  // Without the profile the name of the element has to do.
  const begin = document.toString('latin1', 0, 256);
  if (/<\s*blob\b/.test(begin)) return saslText(document, reply);
  if (/<\s*(?:ready|proceed)\b/.test(begin)) return rootText(parseXml(document));
  return meshText(DIALECTS[/<\s*originator\b/.test(begin) ? 1 : 0], document, payload, reply);
}

function saslText(document: Buffer, reply: boolean): string {
  const answer = reply ? parseAnswer(document) : { type: 'blob' as const, blob: parseBlob(document) };
  if (answer.type === 'error') return `error ${answer.reply.code} ${answer.reply.text}`;
  const { status, data } = answer.blob;
  return `blob ${status}, ${data.length} octets`;
}

function meshText(dialect: Dialect, document: Buffer, payload: Buffer | undefined, reply: boolean): string {
  if (reply) {
    return replyText(payload === undefined ? dialect.decodeInitialReply(document) : dialect.decodeReply(payload));
  }
  return operationText(payload === undefined ? dialect.decodeInitial(document) : dialect.decode(payload));
}

function replyText(reply: OperationReply): string {
  return reply.type === 'ok' ? 'ok' : `error ${reply.code} ${reply.text}`;
}

function operationText(operation: Operation): string {
  switch (operation.type) {
    case 'attach':
      return `attach ${operation.endpoint}, transID ${operation.transID}${optionText(operation.options)}`;
    case 'bind':
      return `bind ${operation.relay}, transID ${operation.transID}${optionText(operation.options)}`;
    case 'terminate':
      return terminateText(operation);
    default:
      return dataText(operation);
  }
}

function terminateText({ transID, code, text }: Terminate): string {
  const what = transID === 0 ? 'terminate everything' : `terminate, transID ${transID}`;
  return code === undefined ? what : `${what}: ${code} ${text ?? ''}`.trim();
}

function dataText(data: Data): string {
  const content = contentOf(data);
  const what =
    content.kind === 'part'
      ? `${content.type}, ${content.body.length} octets`
      : content.kind === 'inline'
        ? `XML within, ${content.inner.length} octets`
        : content.uri;
  const to = data.recipients.map(({ identity, options }) => `${identity}${optionText(options)}`);
  const from = `${data.originator}${optionText(data.originatorOptions ?? [])}`;
  return `data ${from} -> ${to.join(', ')}: ${what}${optionText(data.options)}`;
}

function optionText(options: readonly Option[]): string {
  if (options.length === 0) return '';
  return ` (${options.map(({ internal, external }) => internal ?? external ?? 'option').join(', ')})`;
}

/** The document in a message; of a multipart message its beginning is enough to tell. */
function decodedOctets(payload: Buffer): Buffer {
  return decodedBody(parseEntity(payload));
}

function rootText({ name, attributes }: XmlElement): string {
  return [name, ...[...attributes].map(([key, value]) => `${key}='${value}'`)].join(' ');
}

/** What can be said of a message that cannot be read. */
function outline(payload: Buffer): string {
  try {
    const { headers, body } = parseEntity(payload);
    const type = headers.single('Content-Type') ?? 'application/octet-stream';
    try {
      const root = parseXml(decodedBody({ headers, body, bodyStart: 0 }));
      if (root.name === 'error') return `error ${root.attributes.get('code') ?? ''} ${textOf(root)}`;
      return rootText(root);
    } catch {
      return `${type}, ${body.length} octets`;
    }
  } catch {
    return `${payload.length} octets`;
  }
}

/** The end of a well-known URI says enough. */
export function shortUri(uri: string): string {
  return uri.replace(/^http:\/\/(?:iana\.org\/beep|xml\.resource\.org\/profiles)\//, '');
}
