/**
 * Exchanges: a message that asks, and the message that answers it, matched by an option of each. Peers that do not know the
 * options ignore them, and their answers arrive as ordinary deliveries.
 */
import { addressOf } from '../imxp/address.js';
import type { Data } from '../imxp/operation.js';
import { newTransId } from '../imxp/trans-id.js';
import { givenAddress } from './address.js';
import type { OptionInit } from './option.js';

const REQUEST = 'urn:x-imxp:request';
const REPLY = 'urn:x-imxp:reply';

/** Returns the option that marks a message as the answer to another; undefined where that does not ask for one. */
export function replyOption({ options }: Data): OptionInit | undefined {
  const asked = options.find(({ external }) => external === REQUEST);
  return asked === undefined ? undefined : { external: REPLY, transID: asked.transID };
}

/** What arrives: a delivery. */
interface Arrived {
  readonly raw: Data;
}

interface Exchange<Answer extends Arrived> {
  /** Normalised address of the endpoint that was asked, without its subaddress. */
  readonly asked: string;
  answered(answer: Answer): void;
}

/** The exchanges of one endpoint that are not answered yet. */
export class Exchanges<Answer extends Arrived> {
  readonly #open = new Map<number, Exchange<Answer>>();

  /**
   * Begins an exchange.
   *
   * @param recipient the endpoint that is asked; programs under its subaddresses may answer as well
   * @param answered called with each answer until {@link end}
   * @returns the option to send with the message
   */
  begin(recipient: string, answered: (answer: Answer) => void): Required<Pick<OptionInit, 'external' | 'transID'>> {
    const transID = newTransId(this.#open);
    this.#open.set(transID, { asked: givenAddress(recipient).base, answered });
    return { external: REQUEST, transID };
  }

  end(transID: number): void {
    this.#open.delete(transID);
  }

  /** Whether a Data operation answers an open exchange; nobody but the endpoint that was asked can. */
  awaits(data: Data): boolean {
    return this.#of(data) !== undefined;
  }

  /** Hands an answer over. @returns false when it answers no open exchange */
  take(delivery: Answer): boolean {
    const exchange = this.#of(delivery.raw);
    exchange?.answered(delivery);
    return exchange !== undefined;
  }

  #of({ options, originator }: Data): Exchange<Answer> | undefined {
    if (this.#open.size === 0 || options.length === 0) return undefined;
    const reply = options.find(({ external }) => external === REPLY);
    const exchange = reply === undefined ? undefined : this.#open.get(reply.transID);
    return exchange?.asked === addressOf(originator)?.base ? exchange : undefined;
  }
}
