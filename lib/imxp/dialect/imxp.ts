/**
 * The IMXP dialect (draft-mrose-imxp-core-01): payloads of its profile to operations and back. The plain form of a Data is
 * read by `scan.ts`; whatever is unusual is read by the XML parser, which alone refuses.
 */
import { LocalError } from '../../errors.js';
import { parseXml, type XmlElement, type XmlLimits } from '../../xml/parse.js';
import type { Attach, Bind, Data, DataSource, Operation, OperationReply, Terminate } from '../operation.js';
import type { Dialect, DialectLimits } from './dialect.js';
import { DIALECT_LIMITS } from './dialect.js';
import { invalid } from './document.js';
import { type DataElement, readOperation } from './imxp-read.js';
import { writeAssociation, writeData, writeTerminate } from './imxp-write.js';
import { controlHeader, exchangeControl, type OpenPayload, openPayload } from './payload.js';
import { checkReference } from './reference.js';
import { OkSpellings, okPayload, readReply, writeReply } from './reply.js';
import { DataScanner } from './scan.js';

/** IMXP core §4. */
export const IMXP_PROFILE = 'http://xml.resource.org/profiles/IMXP';
const CONTROL_TYPE = 'text/xml';
const HEADER = controlHeader(CONTROL_TYPE);
const END = '\r\n';
/** Up to here pieces are joined: one small buffer is cheaper to send than three. */
const JOINED_OCTETS = 16_384;

/** @param limits of control documents; those not given have their defaults. */
export function imxpDialect(limits: Partial<DialectLimits> = {}): Dialect {
  return new ImxpDialect({ ...DIALECT_LIMITS, ...limits });
}

/** What {@link imxpDialect} makes. */
export class ImxpDialect implements Dialect {
  readonly profile = IMXP_PROFILE;
  readonly ok = okPayload(CONTROL_TYPE);
  readonly #okSpellings = new OkSpellings(CONTROL_TYPE);
  readonly #recipients: number;
  readonly #xml: XmlLimits;
  readonly #scanner: DataScanner;

  constructor(limits: DialectLimits) {
    this.#recipients = limits.recipients;
    this.#xml = {
      octets: limits.controlOctets,
      depth: limits.xmlDepth,
      attributes: limits.xmlAttributes,
      elements: limits.xmlElements,
    };
    this.#scanner = new DataScanner(IMXP_PROFILE, limits);
  }

  decode(payload: Buffer): Operation {
    return this.#scanner.scan(payload) ?? this.parse(payload);
  }

  /** {@link decode} without the scanner: slower, and the one that decides. */
  parse(payload: Buffer): Operation {
    const opened = openPayload(payload);
    const operation = readOperation(this.#root(opened.control), opened.control, this.#recipients);
    if (operation.type !== 'data') {
      return operation;
    }
    checkReference(operation.content, operation.dataContent?.name, opened.multipart);
    return withSource(operation, sourceOf(payload, opened));
  }

  #root(document: Buffer): XmlElement {
    return parseXml(document, this.#xml);
  }

  decodeReply(payload: Buffer): OperationReply {
    return this.#okSpellings.match(payload) ?? readReply(this.#root(openPayload(payload).control));
  }

  decodeInitial(content: Buffer): Operation {
    const operation = readOperation(this.#root(content), content, this.#recipients);
    // IMXP core §4: attach or bind may come as initialization message
    if (operation.type !== 'attach' && operation.type !== 'bind') {
      throw invalid(`element ${operation.type} is not allowed at the creation of a channel; attach and bind are`);
    }
    return operation;
  }

  decodeInitialReply(content: Buffer): OperationReply {
    return readReply(this.#root(content));
  }

  encode(operation: Attach | Bind | Terminate): Buffer {
    const element = operation.type === 'terminate' ? writeTerminate(operation) : writeAssociation(operation);
    return Buffer.from(HEADER + element + END);
  }

  encodeInitial(operation: Attach | Bind): string {
    return writeAssociation(operation);
  }

  encodeReply(reply: OperationReply): Buffer {
    return reply.type === 'ok' ? this.ok : Buffer.from(HEADER + writeReply(reply) + END);
  }

  encodeInitialReply(reply: OperationReply): string {
    return writeReply(reply);
  }

  encodeData(data: Data): Buffer | Buffer[] {
    const document = writeData(data);
    const { source } = data;
    if (source === undefined) {
      if (/^cid:/i.test(data.content)) {
        throw new LocalError('ARGUMENT', 'the content is a part, and there is no message to take it from');
      }
      return joined([HEADER, ...document, END]);
    }
    const { payload, controlStart, controlEnd } = source;
    if (source.profile === this.profile && controlStart !== undefined && controlEnd !== undefined) {
      return joined([payload.subarray(0, controlStart), ...document, payload.subarray(controlEnd)]);
    }
    const pieces = document.map(octetsOf);
    return joined(exchangeControl(payload, openPayload(payload), pieces, CONTROL_TYPE, domainOf(data.originator)));
  }
}

function sourceOf(payload: Buffer, { place }: OpenPayload): DataSource {
  return place === undefined
    ? { profile: IMXP_PROFILE, payload }
    : { profile: IMXP_PROFILE, payload, controlStart: place.start, controlEnd: place.end };
}

function withSource(data: DataElement, source: DataSource): Data {
  const { type, originator, content, recipients, options, dataContent } = data;
  return { type, originator, content, recipients, options, dataContent, source };
}

function octetsOf(piece: string | Buffer): Buffer {
  return typeof piece === 'string' ? Buffer.from(piece) : piece;
}

/** One buffer when small, else the pieces with neighbouring text joined. */
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
