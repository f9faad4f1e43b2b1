/**
 * Budget for incomplete messages of all sessions together. When it is exceeded, the party that occupies most loses a
 * session; the sessions of one account, or of unauthenticated peers of one host, count together.
 */
import { type ImxpError, TransportError } from '../errors.js';
import type { PeerIdentity } from '../sasl/identity.js';
import { hostPrefix } from './network.js';

/** A session that may hold something. */
export interface ReassemblyShare {
  readonly identity: PeerIdentity | undefined;
  readonly remote: { readonly address: string };
  destroy(error: ImxpError): void;
}

/** Somebody's sessions together. */
interface Party {
  octets: number;
  /** The session that holds most of it, and how much. */
  largest: ReassemblyShare;
  most: number;
}

export class ReassemblyBudget {
  readonly #limit: number;
  readonly #held = new Map<ReassemblyShare, number>();
  #octets = 0;

  /** @param limit octets of all sessions together */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get octets(): number {
    return this.#octets;
  }

  /** A session is about to hold so much, all in all; one that has to go may be the same. */
  change(holding: ReassemblyShare, octets: number): void {
    this.#octets += octets - (this.#held.get(holding) ?? 0);
    if (octets === 0) this.#held.delete(holding);
    else this.#held.set(holding, octets);
    while (this.#octets > this.#limit) {
      const heaviest = this.#heaviest();
      if (heaviest === undefined) return;
      this.forget(heaviest);
      heaviest.destroy(
        new TransportError(
          'BUSY',
          'disconnected to free memory: incomplete messages of this peer occupied more than those of any other',
        ),
      );
    }
  }

  /** The session is over. */
  forget(holding: ReassemblyShare): void {
    this.#octets -= this.#held.get(holding) ?? 0;
    this.#held.delete(holding);
  }

  /** The largest session of the party that occupies most. */
  #heaviest(): ReassemblyShare | undefined {
    const parties = new Map<string, Party>();
    let heaviest: Party | undefined;
    for (const [holding, octets] of this.#held) {
      const name = holding.identity?.name ?? `address ${hostPrefix(holding.remote.address)}`;
      let party = parties.get(name);
      if (party === undefined) {
        party = { octets: 0, largest: holding, most: 0 };
        parties.set(name, party);
      }
      party.octets += octets;
      if (octets > party.most) [party.largest, party.most] = [holding, octets];
      if (heaviest === undefined || party.octets > heaviest.octets) heaviest = party;
    }
    return heaviest?.largest;
  }
}
