/**
 * The one model of the IMXP core operations (core-01 §4 and §5). Dialects map it to and from XML; nothing here knows
 * how it travels.
 */

export type TargetHop = 'this' | 'final' | 'all';

/** An `option` element. Exactly one of `internal` and `external` is present. */
export interface Option {
  readonly internal: string | undefined;
  readonly external: string | undefined;
  readonly targetHop: TargetHop;
  /** False: whoever the option applies to must understand it or fail. */
  readonly seeNoEvil: boolean;
  /** 0 where hold4Endpoint came without one. */
  readonly transID: number;
  /** Language tags for diagnostics, best first; `i-default` unless given. */
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
  /** The domain the peer wants to serve. */
  readonly relay: string;
  readonly transID: number;
  readonly options: readonly Option[];
}

export interface Terminate {
  readonly type: 'terminate';
  /** 0, which only APEX has: everything the sender has on the session (RFC 3340 §4.4.3). */
  readonly transID: number;
  /** Why, as a reply code and in words; only APEX says it. Absent: 250. */
  readonly code?: number;
  readonly text?: string;
  readonly lang?: string;
}

/** Names are those of IMXP (RFC 822 addr-spec) in all dialects; what only APEX can say stands in quotes. */
export interface Recipient {
  readonly identity: string;
  readonly options: readonly Option[];
  /** As it was written, where a dialect writes it otherwise; what reports name. */
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
  /** Per-originator options, which only APEX has (RFC 3340 §4.4.4); absent where there are none. */
  readonly originatorOptions?: readonly Option[];
  /** URI reference of the content: `#Name`, `cid:…` or an absolute URI. */
  readonly content: string;
  readonly recipients: readonly Recipient[];
  readonly options: readonly Option[];
  readonly dataContent: InlineElement | undefined;
  /** What it was decoded from, so that it can be forwarded as it came; undefined for data made here. */
  readonly source: DataSource | undefined;
}

/** The received octets of a Data and where its parts are. Views, not copies. */
export interface DataSource {
  /** The profile URI of the dialect that decoded it. */
  readonly profile: string;
  /** The whole BEEP payload: MIME headers and body. */
  readonly payload: Buffer;
  /** Where the control document is in the payload; absent when it came in a transfer encoding. */
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
