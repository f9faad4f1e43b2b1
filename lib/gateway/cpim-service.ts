/**
 * The abstract operations of CPIM and CPP (RFC 3860 §3, RFC 3859 §3) as values, and {@link CpimService}, the interface
 * between a gateway and its peer.
 */
import { randomBytes } from 'node:crypto';
import type { CpimPresence } from '../message/pidf.js';
import type { HeaderField } from '../mime/headers.js';

/** RFC 3860 §3.1: the number of octets that a gateway should be able to handle in a TransID; ours have this many. */
export const CPIM_ID_OCTETS = 40;

/** Makes an unpredictable and globally unique identifier (REQ-CPIM-020). */
export function newCpimId(): string {
  return randomBytes(CPIM_ID_OCTETS / 2).toString('hex');
}

/** Content of a message; never inspected and never changed. */
export interface CpimContent {
  /** The whole Content-Type. */
  readonly type: string;
  /** Further MIME headers. */
  readonly headers: readonly HeaderField[];
  readonly body: Buffer;
}

export interface MessageOperation {
  readonly type: 'message';
  /** `im:` URIs. */
  readonly source: string;
  readonly destination: string;
  readonly transID: string;
  /** Hops left; a receiver of 0 discards the message. */
  readonly maxForwards: number | undefined;
  readonly content: CpimContent;
}

/** `indeterminant`: the result cannot be known. */
export type CpimStatus = 'success' | 'failure' | 'indeterminant';

export interface CpimResponse {
  /** TransID of the operation that it answers. */
  readonly transID: string;
  readonly status: CpimStatus;
  /** Seconds granted, for a subscription. */
  readonly duration?: number;
  /** Reason for logs and display; CPIM itself has no field for it. */
  readonly reason?: string;
  /**
   * Reply code (core-01 §10) that says more than the status, where a side knows one. With `indeterminant` it is what the
   * originator in the mesh is told instead of `ok`.
   */
  readonly code?: number;
}

export interface SubscribeOperation {
  readonly type: 'subscribe';
  /** `pres:` URIs. */
  readonly watcher: string;
  readonly target: string;
  /** Seconds. 0 cancels the subscription with this SubscriptID, or fetches once if there is none. */
  readonly duration: number;
  readonly subscriptID: string;
  readonly transID: string;
}

export interface NotifyOperation {
  readonly type: 'notify';
  readonly watcher: string;
  readonly target: string;
  /** Unique for each notification, which has no response. */
  readonly transID: string;
  readonly presence: CpimPresence;
  /**
   * That the subscription has ended before its duration, as when the target has withdrawn the permission. CPIM itself has
   * nothing for this: a side that does not look at it sees the duration expire.
   */
  readonly ended?: true;
  /**
   * The same information as a PIDF document, as RFC 3859 requires; always present in notifications from the gateway.
   */
  readonly document?: CpimContent;
}

/** Security of the connection to a neighbour, in terms of the minimum of RFC 3860 §4. */
export interface LinkSecurity {
  /** Each side is authenticated to the other. */
  readonly authenticated: boolean;
  /** No third party can read the traffic. */
  readonly confidential: boolean;
}

/**
 * One side of a CPIM connection: offered by a peer to a gateway, and by a gateway to its peer. Implement it to connect
 * another system.
 */
export interface CpimService {
  readonly security: LinkSecurity;
  /** Never rejects because of a fault in the operation; the response carries its TransID. */
  message(operation: MessageOperation): Promise<CpimResponse>;
  subscribe(operation: SubscribeOperation): Promise<CpimResponse>;
  notify(operation: NotifyOperation): void;
}

/** Makes a response to an operation. */
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
