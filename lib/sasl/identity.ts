/**
 * Identity that the peer of a session has proven, as a value. The meaning of the name and what it may do are decided by
 * the user of the session.
 */
import type { Authentication } from './mechanism.js';

export interface PeerIdentity {
  /** The name that counts; also the name under which everything of this peer is counted. */
  readonly name: string;
  /** Whose proof it was, where the peer acts under another name than its own. */
  readonly account?: string;
  /** SASL mechanism name, or how this side came to know whom it dialled. */
  readonly mechanism: string;
  /** True when the session was under TLS when the proof was given. */
  readonly privacy: boolean;
}

/** Whether the identity is unproven: the peer used ANONYMOUS, and the session was given a name for it nevertheless. */
export function isAnonymousPeer(identity: PeerIdentity | undefined): boolean {
  return identity?.mechanism === 'ANONYMOUS';
}

/** The name that counts: the authzid if sent; else the account; else the user name, completed by the realm if need be. */
export function provenName(authentication: Authentication): string {
  const { authzid, account, username, realm } = authentication;
  if (authzid !== undefined && authzid !== '') return authzid;
  if (account !== undefined) return account;
  return username.includes('@') || realm === undefined || realm === '' ? username : `${username}@${realm}`;
}

/**
 * The identity that an authentication proves, its names as they are.
 *
 * @param privacy true when the session was under TLS when the proof was given
 * @returns undefined for ANONYMOUS
 */
export function peerIdentity(authentication: Authentication, privacy: boolean): PeerIdentity | undefined {
  const { mechanism, account } = authentication;
  if (mechanism === 'ANONYMOUS') return undefined;
  const name = provenName(authentication);
  return { name, mechanism, privacy, ...(account === undefined || account === name ? {} : { account }) };
}
