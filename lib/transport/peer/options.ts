/** Options that listening and connecting peers have in common: limits, frame size and TLS. */
import { DEFAULT_LIMITS, type Limits } from '../../config/limits.js';
import type { TlsMaterial } from '../tls/native.js';
import { TlsService } from '../tls/service.js';

/** Limits to change, by group; the others keep their defaults. */
export type PeerLimits = {
  readonly [Group in 'node' | 'session' | 'unauthenticated' | 'data' | 'authentication' | 'websocket']?: Partial<
    Limits[Group]
  >;
};

export interface PeerOptions {
  /** Window, message sizes and time limits; see docs/reference for names and defaults. */
  readonly limits?: PeerLimits;
  /** Largest payload of one frame in octets; 2/3 of the segment size of the network unless given (RFC 3081 §3.1.4). */
  readonly frameOctets?: number;
}

export function limitsOf(changes: PeerLimits = {}): Limits {
  const { node, session, unauthenticated, data, authentication, websocket } = DEFAULT_LIMITS;
  return {
    ...DEFAULT_LIMITS,
    node: { ...node, ...changes.node },
    session: { ...session, ...changes.session },
    unauthenticated: { ...unauthenticated, ...changes.unauthenticated },
    data: { ...data, ...changes.data },
    authentication: { ...authentication, ...changes.authentication },
    websocket: { ...websocket, ...changes.websocket },
  };
}

/** TLS with one certificate, or with none of this side's own. */
export function tlsOf(material: TlsMaterial, limits: Limits): TlsService {
  const { tuningTimeoutMs } = limits.session;
  return new TlsService({ common: material, domains: new Map(), revocations: [], timeoutMs: tuningTimeoutMs });
}
