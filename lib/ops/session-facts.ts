/** One session of a running node, as an operator sees it. */
export interface SessionFacts {
  /** The id that all its log lines have. */
  readonly session: string;
  /** Address and port of the peer. */
  readonly remote: string;
  /** Whether the peer opened it or this node. */
  readonly role: 'listener' | 'initiator';
  /** The endpoint, `imxp=mesh@domain` for a relay, or nothing while the peer has not authenticated. */
  readonly identity?: string;
  /** How that was proven. */
  readonly mechanism?: string;
  /** Version of TLS, if it protects the session. */
  readonly tls?: string;
  readonly channels: number;
  /** What applications are attached as over it. */
  readonly attached: readonly string[];
}
