/** Login throttle of a node that several processes make up: what one of them notes counts in all of them. */
import { LoginThrottle, type LoginThrottleLimits } from '../transport/login-throttle.js';

/** The end of a login at one of the nodes. */
export interface LoginNote {
  readonly address: string;
  /** Whom the peer claimed to be, if it got so far. */
  readonly account: string | undefined;
  readonly succeeded: boolean;
}

export class SharedLoginThrottle extends LoginThrottle {
  readonly #tell: (note: LoginNote) => void;

  /** @param tell called with what was noted here, for the others */
  constructor(limits: LoginThrottleLimits, tell: (note: LoginNote) => void, now?: () => number) {
    super(limits, now);
    this.#tell = tell;
  }

  override failed(address: string, account: string | undefined): number {
    this.#tell({ address, account, succeeded: false });
    return super.failed(address, account);
  }

  override succeeded(address: string, account: string): number {
    this.#tell({ address, account, succeeded: true });
    return super.succeeded(address, account);
  }

  /** Notes what happened at another node. */
  note({ address, account, succeeded }: LoginNote): void {
    if (!succeeded) super.failed(address, account);
    else if (account !== undefined) super.succeeded(address, account);
  }
}
