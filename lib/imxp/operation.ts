/** Model of the IMXP core operations (core-01 §4 and §5). Dialects map it to and from XML. */
import type { Payload } from '../mime/payload.js';

export type TargetHop = 'this' | 'final' | 'all';

/** An `option` element. Exactly one of `internal` and `external` is present. */
export interface Option {
  readonly internal: string | undefined;
  readonly external: string | undefined;
  readonly targetHop: TargetHop;
  /** False: every party that the option applies to must understand it or fail. */
  readonly seeNoEvil: boolean;
  /** 0 if hold4Endpoint came without one. */
  readonly transID: number;
  /** Language tags for diagnostics, best first; default: `i-default`. */
  readonly localize: string;
  /** The octets between the option's tags exactly as they came; empty for an empty element. */
  readonly inner: Buffer;
}

export interface Attach {
  readonly type: 'attach';
  readonly endpoint: string;
  readonly transID: number;
  readonly options: readonly Option[];
}

export interface Bind {
  readonly type: 'bind';
  /** The domain that the peer wants to serve. */
  readonly relay: string;
  readonly transID: number;
  readonly options: readonly Option[];
}

export interface Terminate {
  readonly type: 'terminate';
  /** 0, which only APEX has: all associations of the sender on the session (RFC 3340 §4.4.3). */
  readonly transID: number;
  /** The reason, as a reply code and a text; only APEX has it. Absent: 250. */
  readonly code?: number;
  readonly text?: string;
  readonly lang?: string;
}

/** Names are in the notation of IMXP (RFC 822 addr-spec) in all dialects; names that only APEX has are quoted. */
export interface Recipient {
  readonly identity: string;
  readonly options: readonly Option[];
  /** The name as written, if the dialect writes it differently; reports use it. */
  readonly written?: string;
}

/** A `data-content` element: its Name and the octets between its tags, verbatim. */
export interface InlineElement {
  readonly name: string;
  readonly inner: Buffer;
}

export interface Data {
  readonly type: 'data';
  readonly originator: string;
  /** Per-originator options, which only APEX has (RFC 3340 §4.4.4); absent if there are none. */
  readonly originatorOptions?: readonly Option[];
  /** URI reference of the content: `#Name`, `cid:…` or an absolute URI. */
  readonly content: string;
  readonly recipients: readonly Recipient[];
  readonly options: readonly Option[];
  readonly dataContent: InlineElement | undefined;
  /** The payload it was decoded from, so that it can be forwarded unchanged; undefined for operations made here. */
  readonly source: DataSource | undefined;
}

/** Received octets of a Data operation and the positions of its parts. Views, not copies. */
export interface DataSource {
  /** The profile URI of the dialect that decoded it. */
  readonly profile: string;
  /** The whole BEEP payload: MIME headers and body. */
  readonly payload: Payload;
  /** Position of the control document in the payload; absent if it came in a transfer encoding. */
  readonly controlStart?: number;
  readonly controlEnd?: number;
}

export type Operation = Attach | Bind | Terminate | Data;

export interface Ok {
  readonly type: 'ok';
}

export interface ErrorReply {
  readonly type: 'error';
  readonly code: number;
  readonly text: string;
  readonly lang: string | undefined;
}

export type OperationReply = Ok | ErrorReply;
