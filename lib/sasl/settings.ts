/**
 * What a node decides about authentication, as plain values. Owns the defaults and their reasons; reads no configuration file.
 */

import type { Qop } from '../config/sasl-names.js';
import type { SessionConditions } from './mechanism.js';
import type { NonceCache } from './nonce-cache.js';
import type { CredentialStore } from './verifier.js';

/** Ciphers of auth-conf (RFC 2831 §2.4), strongest first. */
export const CIPHERS = ['3des', 'rc4', 'rc4-56', 'des', 'rc4-40'] as const;
export type Cipher = (typeof CIPHERS)[number];

/** 40 and 56 bits can be tried out in hours; such ciphers are used only when an operator names them. */
export const DEFAULT_CIPHERS: readonly Cipher[] = ['3des', 'rc4'];

/** Largest packet we take under a security layer; RFC 2831's own default. */
export const DEFAULT_MAXBUF = 65_536;

/** Failed exchanges a session may have; enough for a mistyped password, too few for guessing. */
export const DEFAULT_ATTEMPTS = 3;

/** Decides whether an account may act as another identity. */
export type Authorize = (account: string, authzid: string) => boolean | Promise<boolean>;

/** The server side of a node; one value for all its sessions. */
export interface ServerSettings {
  /** Mechanisms switched on. What is offered on a session also depends on its conditions. */
  readonly mechanisms: readonly string[];
  readonly credentials: CredentialStore;
  /** DIGEST-MD5 realms offered, i.e. the domains of the node; the first completes user names without `@`. */
  readonly realms: readonly string[];
  /** Host names of this node that a digest-uri may name. Absent: any host, only the service type is checked. */
  readonly hosts?: readonly string[];
  /** Decoys for unknown users come from it: at least 16 octets, the same after a restart where possible. */
  readonly secret: Buffer;
  /** Default `auth` only. Security layers need a session that can swap its transport. Never more than `auth` under TLS. */
  readonly qops?: readonly Qop[];
  readonly ciphers?: readonly Cipher[];
  readonly maxbuf?: number;
  /** Default: an account may act as itself only, in any of its spellings. */
  readonly authorize?: Authorize;
  /**
   * Asked after an account was proven. False answers like a wrong password: who guesses too often learns nothing any more,
   * not even that he was right. Default: everybody.
   */
  readonly admits?: (account: string) => boolean;
  /**
   * Asked after an account was proven, by whatever mechanism: why it is not let in, for the log. The answer is that to a
   * wrong password. Default: everybody is.
   */
  readonly suspended?: (account: string) => string | undefined;
  /** Remembers nonces for subsequent authentication; absent: not supported, a fresh challenge is sent. */
  readonly nonces?: NonceCache;
  readonly attempts?: number;
  /** Iterations a decoy pretends; must be what the accounts were made with. */
  readonly scramIterations?: number;
}

/** What this side proves, and to whom. */
export interface ClientSettings extends SessionConditions {
  /** `local@domain`, `imxp=mesh@domain`, or a name in `realm`. Unnecessary for EXTERNAL and ANONYMOUS. */
  readonly username?: string;
  /** Asked for only when a mechanism needs it, and not kept. */
  readonly password?: () => string | Promise<string>;
  readonly realm?: string;
  readonly authzid?: string;
  /** The host name connected to, or the serverName given; it becomes part of the digest-uri. */
  readonly host: string;
  /** The domain the client started from, when SRV led to `host` (RFC 2831 §2.1.2 serv-name). */
  readonly service?: string;
  /** What is acceptable. Default: everything but ANONYMOUS, and EXTERNAL when `useCertificate` is set. */
  readonly mechanisms?: readonly string[];
  /** False: nobody knows whose server it is, so the password itself is not sent. Default: what `privacy` says. */
  readonly verified?: boolean;
  /** True when this side showed a certificate under TLS and wants to be known by it. */
  readonly useCertificate?: boolean;
  /** Acceptable protection; the strongest offered is taken. Default `auth` only. Never more than `auth` under TLS. */
  readonly qops?: readonly Qop[];
  readonly ciphers?: readonly Cipher[];
  readonly maxbuf?: number;
}
