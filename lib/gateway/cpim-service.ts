/**
 * The abstract operations of CPIM and CPP (RFC 3860 §3, RFC 3859 §3) as values. How a peer carries them is its own matter.
 */
import { randomBytes } from 'node:crypto';
import type { HeaderField } from '../mime/headers.js';

/** RFC 3860 §3.1: octets that a gateway should be able to handle in a TransID; ours have as many. */
export const CPIM_ID_OCTETS = 40;

/** Unpredictable and globally unique (REQ-CPIM-020). */
export function newCpimId(): string {
  return randomBytes(CPIM_ID_OCTETS / 2).toString('hex');
}

/** What is carried, never looked into and never changed. */
export interface CpimContent {
  /** The whole Content-Type. */
  readonly type: string;
  /** Further MIME headers of it. */
  readonly headers: readonly HeaderField[];
  readonly body: Buffer;
}

export interface MessageOperation {
  readonly type: 'message';
  /** `im:` URIs. */
  readonly source: string;
  readonly destination: string;
  readonly transID: string;
  /** Hops left; whoever receives 0 discards the message. */
  readonly maxForwards: number | undefined;
  readonly content: CpimContent;
}

/** `indeterminant`: nobody will be able to say. */
export type CpimStatus = 'success' | 'failure' | 'indeterminant';

export interface CpimResponse {
  /** Of the operation it answers. */
  readonly transID: string;
  readonly status: CpimStatus;
  /** Seconds granted, where a subscription was asked for. */
  readonly duration?: number;
  /** For logs and people; CPIM has no place for it. */
  readonly reason?: string;
}

export interface SubscribeOperation {
  readonly type: 'subscribe';
  /** `pres:` URIs. */
  readonly watcher: string;
  readonly target: string;
  /** Seconds. 0 cancels the subscription with that SubscriptID, or fetches once when there is none. */
  readonly duration: number;
  readonly subscriptID: string;
  readonly transID: string;
}

/** Presence information as CPIM has it. */
export interface CpimPresence {
  /** A URI about the presentity, or empty. */
  readonly entityInfo: string;
  readonly tuples: readonly CpimTuple[];
}

export interface CpimTuple {
  /** A URI: where to reach it. */
  readonly destination: string;
  readonly status: 'open' | 'closed';
  /** A URI about the tuple, or empty. */
  readonly info: string;
}

export interface NotifyOperation {
  readonly type: 'notify';
  readonly watcher: string;
  readonly target: string;
  /** Unique for each notification; nothing answers it. */
  readonly transID: string;
  readonly presence: CpimPresence;
  /** The same as a PIDF document, as RFC 3859 wants it carried; what the gateway sends has it. */
  readonly document?: CpimContent;
}

/** How a neighbour is connected, as far as the minimum of RFC 3860 §4 asks. */
export interface LinkSecurity {
  /** Each side knows who the other is. */
  readonly authenticated: boolean;
  /** Nobody else can read it. */
  readonly confidential: boolean;
}

/** One side of CPIM: what a peer offers a gateway, and what a gateway offers its peer. Others may implement it. */
export interface CpimService {
  readonly security: LinkSecurity;
  /** Never rejects for what is wrong with the operation; the response has its TransID. */
  message(operation: MessageOperation): Promise<CpimResponse>;
  subscribe(operation: SubscribeOperation): Promise<CpimResponse>;
  notify(operation: NotifyOperation): void;
}

/** A response to an operation. */
export function responseTo(
  { transID }: { readonly transID: string },
  status: CpimStatus,
  reason?: string,
  duration?: number,
): CpimResponse {
  return {
    transID,
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(duration === undefined ? {} : { duration }),
  };
}
