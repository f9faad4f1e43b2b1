/**
 * Data from the service to endpoints. Counted for each recipient, so that one that answers nothing has a bounded number of
 * them and only those who send to it wait for it; and counted together while they are young, so that a party that sends
 * many goes no faster than recipients answer. One that is not answered soon holds up nobody else. Knows the service's
 * name and nothing of what it says.
 */
import type { Reply } from '../../errors.js';
import { accountOf } from '../../imxp/address.js';
import type { Data, Option } from '../../imxp/operation.js';
import { type Form, serviceIn } from '../../imxp/vocabulary/form.js';
import type { DeliverySink } from '../../relay/target.js';
import { documentData } from '../outgoing.js';

/** The mesh as a service sees it. */
export interface ServiceMesh {
  /** See `Relay.submit`. */
  submit(data: Data, sink: DeliverySink): void;
}

/** Told what became of a Data operation. */
export interface SendListener {
  /** @param reply undefined if it arrived */
  settled(reply: Reply | undefined): void;
}

export interface SenderLimits {
  /** Data without answer, not counting slow ones, before those who send many wait. */
  readonly outstanding: number;
  /** Data to one recipient, subaddresses included, without answer. */
  readonly outstandingPerEndpoint: number;
}

/** Sent in one turn of the event loop by a party that sends many. */
const BATCH = 128;
/** Without answer for so long, a Data counts for its recipient only. */
const SLOW_MS = 1000;

interface Recipient {
  outstanding: number;
  /** Who waits for room to send to it. */
  waiting: (() => void)[];
}

export class OperationSender {
  readonly #mesh: ServiceMesh;
  readonly #services: Readonly<Record<Form, string>>;
  readonly #limits: SenderLimits;
  readonly #now: () => number;
  readonly #recipients = new Map<string, Recipient>();
  /** In the order of sending; those before `#first` are answered or slow. */
  #young: Sent[] = [];
  #first = 0;
  /** Of the young ones, those without answer. */
  #pacing = 0;
  #outstanding = 0;
  #batch = 0;
  #waiting: (() => void)[] = [];

  /**
   * @param service the local part of the service, `imxp=presence`
   * @param now milliseconds on a monotonic clock
   */
  constructor(mesh: ServiceMesh, service: string, limits: SenderLimits, now: () => number) {
    this.#mesh = mesh;
    this.#services = { imxp: serviceIn(service, 'imxp'), apex: serviceIn(service, 'apex') };
    this.#limits = limits;
    this.#now = now;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  /**
   * @param document the element to send, in that form
   * @param option beside it
   */
  send(domain: string, to: string, document: string, form: Form, outcome: SendListener, option?: Option): void {
    const party = accountOf(to);
    let recipient = this.#recipients.get(party);
    if (recipient === undefined) {
      recipient = { outstanding: 0, waiting: [] };
      this.#recipients.set(party, recipient);
    }
    recipient.outstanding += 1;
    this.#outstanding += 1;
    this.#pacing += 1;
    const sent = new Sent(this, outcome, party, this.#now());
    this.#young.push(sent);
    if (this.#young.length - this.#first > 2 * this.#limits.outstanding) this.#age();
    const data = documentData(`${this.#services[form]}@${domain}`, to, document);
    this.#mesh.submit(option === undefined ? data : { ...data, options: [option] }, sent);
  }

  /** Returns undefined if one more may be sent now, else a promise to wait for. Asked before each of many. */
  room(): Promise<void> | undefined {
    if (this.#pacing >= this.#limits.outstanding) {
      this.#age();
      if (this.#pacing >= this.#limits.outstanding) return new Promise((resolve) => this.#waiting.push(resolve));
    }
    this.#batch += 1;
    if (this.#batch < BATCH) return undefined;
    this.#batch = 0;
    // If everything fails at once, nothing is ever outstanding, and no other recipient would get a turn.
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Whether one more may be sent to that recipient now. */
  admits(to: string): boolean {
    return (this.#recipients.get(accountOf(to))?.outstanding ?? 0) < this.#limits.outstandingPerEndpoint;
  }

  /** Calls once when there is room again for one that {@link admits} has no room for. */
  later(to: string, again: () => void): void {
    const recipient = this.#recipients.get(accountOf(to));
    if (recipient === undefined) again();
    else recipient.waiting.push(again);
  }

  /** Stops slow operations from holding up others; to be called several times a second. */
  tick(): void {
    if (this.#waiting.length === 0) return;
    this.#age();
    if (this.#pacing < this.#limits.outstanding) this.#release();
  }

  settled(sent: Sent): void {
    this.#outstanding -= 1;
    if (!sent.slow) this.#pacing -= 1;
    this.#answered(sent.party);
    // Half of the room at a time, so that what waits is sent in batches, not one by one.
    if (this.#waiting.length > 0 && this.#pacing <= this.#limits.outstanding / 2) this.#release();
  }

  #answered(party: string): void {
    const recipient = this.#recipients.get(party);
    if (recipient === undefined) return;
    recipient.outstanding -= 1;
    if (recipient.outstanding === 0) this.#recipients.delete(party);
    const { outstandingPerEndpoint: most } = this.#limits;
    if (recipient.waiting.length === 0 || recipient.outstanding > most / 2) return;
    for (const again of recipient.waiting.splice(0, most - recipient.outstanding)) again();
    if (recipient.waiting.length === 0 || this.#recipients.get(party) === recipient) return;
    // Nobody sent anything: the others have their turn as well.
    for (const again of recipient.waiting.splice(0)) again();
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #age(): void {
    const before = this.#now() - SLOW_MS;
    for (let sent = this.#young[this.#first]; sent !== undefined; sent = this.#young[this.#first]) {
      if (!sent.done) {
        if (sent.at > before) break;
        sent.slow = true;
        this.#pacing -= 1;
      }
      this.#first += 1;
    }
    this.#young = this.#young.slice(this.#first);
    this.#first = 0;
  }
}

class Sent implements DeliverySink {
  readonly party: string;
  readonly at: number;
  slow = false;
  done = false;
  readonly #sender: OperationSender;
  readonly #outcome: SendListener;

  constructor(sender: OperationSender, outcome: SendListener, party: string, at: number) {
    this.#sender = sender;
    this.#outcome = outcome;
    this.party = party;
    this.at = at;
  }

  delivered(): void {
    this.#settle(undefined);
  }

  failed(reply: Reply): void {
    this.#settle(reply);
  }

  #settle(reply: Reply | undefined): void {
    this.done = true;
    this.#sender.settled(this);
    this.#outcome.settled(reply);
  }
}
