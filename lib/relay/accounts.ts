/**
 * Decisions of the operator about single accounts, as the relay asks for them on each attach and bind. Implementations
 * answer from memory.
 */
export interface AccountRules {
  /**
   * Returns the reason, for the log, why an account may not be used at present; undefined if it may.
   *
   * @param account an endpoint without its subaddress, or `imxp=mesh@domain`
   */
  suspended(account: string): string | undefined;
  /** Number of endpoints that may be attached at the same time as an account and its subaddresses; 0 for any number. */
  attachments(account: string): number;
  /** Returns the offline limits of an account that differ from the configuration. */
  heldQuota(account: string): { readonly heldData?: number; readonly heldOctets?: number };
  /**
   * Called when an application has attached, or a relay has bound, for an account or on its behalf.
   *
   * @param from the network address of the peer
   */
  joined(account: string, from: string): void;
}
