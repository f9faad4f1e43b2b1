/**
 * Interface of the dialects of the mesh, which convert payloads of one profile to operations and back. A dialect has no
 * state of a channel; the relay never asks which one it has.
 */

import type { DialectName } from '../../config/dialects.js';
import type { Payload } from '../../mime/payload.js';
import type { XmlLimits } from '../../xml/parse.js';
import type { Attach, Bind, Data, Operation, OperationReply, Terminate } from '../operation.js';

export type { DialectName };

export interface Dialect {
  readonly name: DialectName;
  /** URI of the BEEP profile. */
  readonly profile: string;
  /** Prefix of the local parts of services. */
  readonly prefix: string;
  /** Whether `ok` to a Data operation only says that it is permitted; its result is only in reports (APEX). */
  readonly repliesImmediately: boolean;
  /** Whether it has names beyond those of IMXP: domain literals, and characters beyond ASCII. */
  readonly apexNames: boolean;
  /** The payload of `ok`, one buffer for all; must never be modified. */
  readonly ok: Buffer;
  /**
   * Decodes a MSG. Of a Data operation, the references to its content are checked, but not the content itself.
   *
   * @param payload MIME headers and body; views of it are kept, so it must not be reused. Of one in pieces, only the
   *   beginning is copied if it has the simple form
   * @throws RemoteProtocolError with reply 500 (not well-formed) or 501 (not valid), nothing else
   */
  decode(payload: Payload): Operation;
  /**
   * Decodes a RPY or ERR.
   *
   * @throws as {@link decode}
   */
  decodeReply(payload: Buffer): OperationReply;
  /**
   * Decodes the initialization message of a channel, which has no MIME headers.
   *
   * @throws as {@link decode}
   */
  decodeInitial(content: Buffer): Operation;
  decodeInitialReply(content: Buffer): OperationReply;
  encode(operation: Attach | Bind | Terminate): Buffer;
  encodeInitial(operation: Attach | Bind): string;
  encodeReply(reply: OperationReply): Buffer;
  encodeInitialReply(reply: OperationReply): string;
  /**
   * Encodes a Data operation with a new control document. With a `source`, everything else is taken from there
   * unchanged, in views. If nothing changed and the dialect is the same, sending `source.payload` itself is cheaper.
   *
   * @throws LocalError ARGUMENT if the content is a part and there is no source to take it from
   */
  encodeData(data: Data): Buffer | Buffer[];
}

/** Limits of a control document. Beyond one of them the answer is 501. */
export interface DialectLimits extends XmlLimits {
  /** Octets of the control document, inline content included; other MIME parts are not counted. */
  readonly octets: number;
  /** Recipients of one Data operation. */
  readonly recipients: number;
}

export const DIALECT_LIMITS: DialectLimits = Object.freeze({
  depth: 64,
  attributes: 64,
  elements: 10_000,
  octets: 1_048_576,
  recipients: 1000,
});
