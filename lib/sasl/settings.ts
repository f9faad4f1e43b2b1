/** Authentication settings of a node, with defaults and reasons. */

import type { Qop } from '../config/sasl-names.js';
import type { SessionConditions } from './mechanism.js';
import type { NonceCache } from './nonce-cache.js';
import type { CredentialStore } from './verifier.js';

/** Ciphers of auth-conf (RFC 2831 §2.4), strongest first. */
export const CIPHERS = ['3des', 'rc4', 'rc4-56', 'des', 'rc4-40'] as const;
export type Cipher = (typeof CIPHERS)[number];

/** Keys of 40 and 56 bits can be found in hours; such ciphers are used only when the operator names them. */
export const DEFAULT_CIPHERS: readonly Cipher[] = ['3des', 'rc4'];

/** Largest packet accepted under a security layer; the default of RFC 2831. */
export const DEFAULT_MAXBUF = 65_536;

/** Failed exchanges allowed in a session: enough for typing errors, too few for guessing. */
export const DEFAULT_ATTEMPTS = 3;

/** Decides whether an account may act as another identity. */
export type Authorize = (account: string, authzid: string) => boolean | Promise<boolean>;

/** The server side of a node; one value for all its sessions. */
export interface ServerSettings {
  /** Enabled mechanisms. Which are offered also depends on the session. */
  readonly mechanisms: readonly string[];
  readonly credentials: CredentialStore;
  /** DIGEST-MD5 realms offered, i.e. the domains of the node; the first completes user names without `@`. */
  readonly realms: readonly string[];
  /** Host names of this node that a digest-uri may name. Absent: any host, only the service type is checked. */
  readonly hosts?: readonly string[];
  /** Secret for decoys of unknown users: at least 16 octets, the same after a restart if possible. */
  readonly secret: Buffer;
  /** Default `auth` only. Security layers need a session that can swap its transport. Never more than `auth` under TLS. */
  readonly qops?: readonly Qop[];
  readonly ciphers?: readonly Cipher[];
  readonly maxbuf?: number;
  /** Default: an account may act as itself only, in any of its spellings. */
  readonly authorize?: Authorize;
  /**
   * Asked after an account was proven. False is answered like a wrong password, so that throttled peers learn nothing,
   * not even that a guess was right. Default: always true.
   */
  readonly admits?: (account: string) => boolean;
  /**
   * Called after an account was proven by any mechanism. @returns why it is not admitted, for the log; the peer sees
   * the answer to a wrong password. Default: all are admitted.
   */
  readonly suspended?: (account: string) => string | undefined;
  /** Remembers nonces for subsequent authentication; absent: not supported, a fresh challenge is sent. */
  readonly nonces?: NonceCache;
  readonly attempts?: number;
  /** Iteration count of decoys; must be that of real accounts. */
  readonly scramIterations?: number;
}

/** Credentials of this side, and the server they are for. */
export interface ClientSettings extends SessionConditions {
  /** `local@domain`, `imxp=mesh@domain`, or a name in `realm`. Unnecessary for EXTERNAL and ANONYMOUS. */
  readonly username?: string;
  /** Called only when a mechanism needs it; the result is not kept. */
  readonly password?: () => string | Promise<string>;
  readonly realm?: string;
  readonly authzid?: string;
  /** The host name connected to, or the serverName given; it becomes part of the digest-uri. */
  readonly host: string;
  /** The domain the client started from, when SRV led to `host` (RFC 2831 §2.1.2 serv-name). */
  readonly service?: string;
  /** What is acceptable. Default: everything but ANONYMOUS, and EXTERNAL when `useCertificate` is set. */
  readonly mechanisms?: readonly string[];
  /** False: the server is not authenticated, so the password itself is not sent. Default: what `privacy` says. */
  readonly verified?: boolean;
  /** True when this side showed a certificate under TLS and wants to be known by it. */
  readonly useCertificate?: boolean;
  /**
   * Acceptable protection; the strongest one offered is chosen. Default `auth` only. Never more than `auth` under TLS.
   */
  readonly qops?: readonly Qop[];
  readonly ciphers?: readonly Cipher[];
  readonly maxbuf?: number;
}
