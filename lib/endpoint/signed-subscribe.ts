/**
 * Subscriptions that the subscriber signed (RFC 2779 §5.1.12): makes the statement that goes with a `subscribe`, and
 * verifies the one that comes with a `notify` (D-PRES-21). Knows nothing of how they are carried.
 */
import { RemoteProtocolError } from '../errors.js';
import { parseAddress } from '../imxp/address.js';
import type { Form } from '../imxp/vocabulary/form.js';
import type { Notify, Subscribe } from '../imxp/vocabulary/presence.js';
import { nothingSigned, type Signature } from '../message/smime/signature.js';
import { decodedBody, parseEntity } from '../mime/entity.js';
import { parseXml } from '../xml/parse.js';
import { escapeAttribute } from '../xml/write.js';
import { givenAddress } from './address.js';
import type { ContentSecurity } from './secure.js';

const NAMESPACE = 'urn:x-imxp:subscriber-proof';
/** How far the clocks of a subscriber and a watcher may differ. */
const TOLERANCE_MS = 300_000;
/** Subscribers whose newest statement is remembered. */
const REMEMBERED = 10_000;

/** What a subscriber states. */
interface Statement {
  readonly publisher: string;
  readonly subscriber: string;
  readonly duration: number;
}

/** Where a notification came from. */
export interface NotifyContext {
  /** Normalised address of the publisher that is watched. */
  readonly publisher: string;
  readonly form: Form;
}

/** A proof that cannot be read, or in which nothing is signed. */
const UNREADABLE = nothingSigned('altered');

export class SignedSubscribes {
  readonly #secure: ContentSecurity;
  /** When the newest statement was signed, by publisher and subscriber. */
  readonly #newest = new Map<string, number>();

  constructor(secure: ContentSecurity) {
    this.#secure = secure;
  }

  /**
   * Signs a subscribe.
   *
   * @param subscriber normalised address
   * @returns the proof, in base64
   * @throws LocalError ARGUMENT as {@link Secure.seal}
   */
  proofOf({ publisher, transID, duration }: Omit<Subscribe, 'type'>, subscriber: string): string {
    const whom = escapeAttribute(givenAddress(publisher).key);
    const who = escapeAttribute(subscriber);
    const statement = `<subscribe xmlns='${NAMESPACE}' publisher='${whom}' subscriber='${who}' duration='${duration}' transID='${transID}' />`;
    const entity = { type: 'text/xml; charset=UTF-8', body: Buffer.from(statement) };
    const { type, body } = this.#secure.seal(entity, { sign: true, from: subscriber, to: [] });
    return Buffer.concat([Buffer.from(`Content-Type: ${type}\r\n\r\n`), body]).toString('base64');
  }

  /**
   * Verifies the proof that came with a notification. Nothing is refused because of it; the result reports it.
   *
   * @throws LocalError CONFIGURATION | ARGUMENT when certificates on this side cannot be read
   */
  verified(proof: string, notify: Notify, context: NotifyContext): Signature {
    try {
      const received = parseEntity(Buffer.from(proof, 'base64'));
      const opened = this.#secure.read(
        { headers: received.headers, body: decodedBody(received) },
        parseAddress(notify.subscriber).key,
      );
      const { signed, entity } = opened;
      if (signed === undefined) return UNREADABLE;
      if (!signed.valid) return signed;
      const reason = this.#faultOf(statementIn(entity.body), notify, context, signed.at);
      return reason === undefined ? signed : { ...signed, valid: false, reason, trust: undefined };
    } catch (error) {
      if (!(error instanceof RemoteProtocolError)) throw error;
      return UNREADABLE;
    }
  }

  /** A signature counts for this publisher and subscriber alone, for the time that was asked for, and once replaced no more. */
  #faultOf(
    statement: Statement | undefined,
    notify: Notify,
    { publisher, form }: NotifyContext,
    at: Date | undefined,
  ): Signature['reason'] {
    if (statement === undefined) return 'altered';
    const subscriber = parseAddress(notify.subscriber).key;
    if (statement.subscriber !== subscriber) return 'other sender';
    if (statement.publisher !== publisher) return 'other publisher';
    // IMXP does not say for how long.
    if (form === 'apex' && notify.duration !== statement.duration) return 'altered';
    const [signed, now] = [at?.getTime() ?? Number.NaN, Date.now()];
    const lasts = signed - TOLERANCE_MS <= now && now <= signed + statement.duration * 1000 + TOLERANCE_MS;
    if (!lasts) return 'stale';
    return this.#replaced(`${publisher} ${subscriber}`, signed) ? 'repeated' : undefined;
  }

  /** Whether the subscriber signed a later one, which the service put in the place of this. */
  #replaced(key: string, signed: number): boolean {
    const newest = this.#newest.get(key);
    if (newest !== undefined && signed < newest) return true;
    this.#newest.delete(key);
    this.#newest.set(key, signed);
    const [oldest] = this.#newest.keys();
    if (this.#newest.size > REMEMBERED && oldest !== undefined) this.#newest.delete(oldest);
    return false;
  }
}

/** @throws RemoteProtocolError XML_NOT_WELL_FORMED */
function statementIn(octets: Buffer): Statement | undefined {
  const { name, attributes } = parseXml(octets);
  if (name !== 'subscribe' || attributes.get('xmlns') !== NAMESPACE) return undefined;
  const [publisher, subscriber] = [attributes.get('publisher'), attributes.get('subscriber')];
  const duration = attributes.get('duration') ?? '';
  if (publisher === undefined || subscriber === undefined || !/^[0-9]{1,10}$/.test(duration)) return undefined;
  return { publisher, subscriber, duration: Number(duration) };
}
