/**
 * What an operator has decided about single accounts, as the relay asks for it: on each attach and bind, and at once. The
 * composition root answers from memory.
 */
export interface AccountRules {
  /**
   * Why an account may not be used at present, for the log; undefined when it may.
   *
   * @param account an endpoint without its subaddress, or `imxp=mesh@domain`
   */
  suspended(account: string): string | undefined;
  /** Endpoints that may be attached at a time with an account's address and its subaddresses; 0 for any number. */
  attachments(account: string): number;
  /** What may be held for an account, where that is not what the configuration says. */
  held(account: string): { readonly heldData?: number; readonly heldOctets?: number };
  /** An application has just attached, or a relay has bound, for an account or in its name. @param from its address */
  joined(account: string, from: string): void;
}
