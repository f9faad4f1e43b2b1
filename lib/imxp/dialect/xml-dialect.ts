/**
 * Base of all dialects: an XML control document, alone or as the root of a multipart/related, read by the scanner if it
 * has the simple form and else by the XML parser, which alone refuses. A vocabulary defines the elements.
 */

import type { DialectName } from '../../config/dialects.js';
import { LocalError } from '../../errors.js';
import { contiguous, headOf, isWhole, type Payload, payloadOctets, portion } from '../../mime/payload.js';
import { parseXml, type XmlElement, type XmlLimits } from '../../xml/parse.js';
import type { Attach, Bind, Data, DataSource, Operation, OperationReply, Terminate } from '../operation.js';
import type { Dialect, DialectLimits } from './dialect.js';
import { invalid } from './document.js';
import type { DataElement, DataPieces } from './elements.js';
import { controlHeader, exchangeControl, type OpenPayload, openPayload } from './payload.js';
import { checkReference } from './reference.js';
import { OkSpellings, okPayload, readReply, writeReply } from './reply.js';
import { DataScanner, type ScanSyntax } from './scan.js';

/** Elements of one dialect. */
export interface Vocabulary {
  readonly name: DialectName;
  readonly profile: string;
  readonly prefix: string;
  readonly repliesImmediately: boolean;
  readonly apexNames: boolean;
  /** The media type that it writes for control documents. */
  readonly controlType: string;
  readonly plain: ScanSyntax;
  /** @throws RemoteProtocolError XML_INVALID | XML_LIMIT, reply 501 */
  read(root: XmlElement, document: Buffer, recipients: number): Exclude<Operation, Data> | DataElement;
  write(operation: Attach | Bind | Terminate): string;
  writeData(data: Data): DataPieces;
  /**
   * Returns the operation with names in the notation of this dialect.
   *
   * @throws RefusedError REFUSED, reply 553, for a name that it cannot express
   */
  renamed(data: Data): Data;
}

const END = '\r\n';
/** Size up to which pieces are joined: one small buffer is cheaper to send than three. */
const JOINED_OCTETS = 16_384;

export class XmlDialect implements Dialect {
  readonly name: DialectName;
  readonly profile: string;
  readonly prefix: string;
  readonly repliesImmediately: boolean;
  readonly apexNames: boolean;
  readonly ok: Buffer;
  readonly #vocabulary: Vocabulary;
  readonly #header: string;
  readonly #okSpellings: OkSpellings;
  readonly #recipients: number;
  readonly #xml: XmlLimits;
  readonly #scanner: DataScanner;

  constructor(vocabulary: Vocabulary, limits: DialectLimits) {
    this.name = vocabulary.name;
    this.profile = vocabulary.profile;
    this.prefix = vocabulary.prefix;
    this.repliesImmediately = vocabulary.repliesImmediately;
    this.apexNames = vocabulary.apexNames;
    this.ok = okPayload(vocabulary.controlType);
    this.#vocabulary = vocabulary;
    this.#header = controlHeader(vocabulary.controlType);
    this.#okSpellings = new OkSpellings(vocabulary.controlType);
    this.#recipients = limits.recipients;
    this.#xml = limits;
    this.#scanner = new DataScanner(vocabulary.plain, limits);
  }

  decode(payload: Payload): Operation {
    if (isWhole(payload)) return this.#scanner.scan(payload) ?? this.parse(payload);
    return this.#scanner.scan(headOf(payload), payload) ?? this.decode(contiguous(payload));
  }

  /** Decodes like {@link decode} without the scanner: slower, and authoritative. */
  parse(payload: Buffer): Operation {
    const opened = openPayload(payload);
    const operation = this.#read(opened.control);
    if (operation.type !== 'data') {
      return operation;
    }
    checkReference(operation.content, operation.dataContent?.name, opened.multipart);
    return withSource(operation, this.#sourceOf(payload, opened));
  }

  #read(document: Buffer): Exclude<Operation, Data> | DataElement {
    return this.#vocabulary.read(this.#root(document), document, this.#recipients);
  }

  #root(document: Buffer): XmlElement {
    return parseXml(document, this.#xml);
  }

  decodeReply(payload: Buffer): OperationReply {
    return this.#okSpellings.match(payload) ?? readReply(this.#root(openPayload(payload).control));
  }

  decodeInitial(content: Buffer): Operation {
    const operation = this.#read(content);
    // core-01 §4.2, RFC 3340 §4.2: attach or bind may come as initialization message.
    if (operation.type !== 'attach' && operation.type !== 'bind') {
      throw invalid(`element ${operation.type} is not allowed at the creation of a channel; attach and bind are`);
    }
    return operation;
  }

  decodeInitialReply(content: Buffer): OperationReply {
    return readReply(this.#root(content));
  }

  encode(operation: Attach | Bind | Terminate): Buffer {
    return Buffer.from(this.#header + this.#vocabulary.write(operation) + END);
  }

  encodeInitial(operation: Attach | Bind): string {
    return this.#vocabulary.write(operation);
  }

  encodeReply(reply: OperationReply): Buffer {
    return reply.type === 'ok' ? this.ok : Buffer.from(this.#header + writeReply(reply) + END);
  }

  encodeInitialReply(reply: OperationReply): string {
    return writeReply(reply);
  }

  encodeData(data: Data): Buffer | Buffer[] {
    const { source } = data;
    const own = source?.profile === this.profile;
    const document = this.#vocabulary.writeData(own ? data : this.#vocabulary.renamed(data));
    if (source === undefined) {
      if (/^cid:/i.test(data.content)) {
        throw new LocalError('ARGUMENT', 'the content is a part, and there is no message to take it from');
      }
      return joined([this.#header, ...document, END]);
    }
    const { payload, controlStart, controlEnd } = source;
    if (own && controlStart !== undefined && controlEnd !== undefined) {
      const rest = portion(payload, controlEnd, payloadOctets(payload));
      return joined([...portion(payload, 0, controlStart), ...document, ...rest]);
    }
    const pieces = document.map(octetsOf);
    const { controlType } = this.#vocabulary;
    const whole = contiguous(payload);
    return joined(exchangeControl(whole, openPayload(whole), pieces, controlType, domainOf(data.originator)));
  }

  #sourceOf(payload: Buffer, { place, multipart, type }: OpenPayload): DataSource {
    const untyped =
      type === undefined ? 0 : multipart?.root.headers.mediaType() === undefined ? multipart?.root.start : undefined;
    if (untyped !== undefined) return this.#typed(payload, place, untyped);
    return place === undefined
      ? { profile: this.profile, payload }
      : { profile: this.profile, payload, controlStart: place.start, controlEnd: place.end };
  }

  /**
   * Without a Content-Type the control document is taken for the default, which is written out for whoever it is
   * forwarded to (core-01 §4.1, D-CORE-04).
   *
   * @param at where the header block begins that has none
   */
  #typed(payload: Buffer, place: OpenPayload['place'], at: number): DataSource {
    const field = Buffer.from(`Content-Type: ${this.#vocabulary.controlType}\r\n`);
    const typed = Buffer.concat([payload.subarray(0, at), field, payload.subarray(at)]);
    if (place === undefined) return { profile: this.profile, payload: typed };
    const [controlStart, controlEnd] = [place.start + field.length, place.end + field.length];
    return { profile: this.profile, payload: typed, controlStart, controlEnd };
  }
}

function withSource(data: DataElement, source: DataSource): Data {
  const { type, originator, content, recipients, options, dataContent, originatorOptions } = data;
  return originatorOptions === undefined
    ? { type, originator, content, recipients, options, dataContent, source }
    : { type, originator, content, recipients, options, dataContent, source, originatorOptions };
}

function octetsOf(piece: string | Buffer): Buffer {
  return typeof piece === 'string' ? Buffer.from(piece) : piece;
}

/** Returns one buffer if small, else the pieces with neighbouring text joined. */
function joined(pieces: readonly (string | Buffer)[]): Buffer | Buffer[] {
  const buffers: Buffer[] = [];
  let total = 0;
  for (const piece of pieces) {
    if (piece.length > 0) {
      const octets = octetsOf(piece);
      buffers.push(octets);
      total += octets.length;
    }
  }
  return total <= JOINED_OCTETS ? Buffer.concat(buffers, total) : buffers;
}

function domainOf(originator: string): string {
  return originator.slice(originator.lastIndexOf('@') + 1);
}
