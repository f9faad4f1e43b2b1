/** Sender of the service's Data operations to endpoints: counts them, so that bulk senders can wait for room. */
import type { Reply } from '../../errors.js';
import type { Data } from '../../imxp/operation.js';
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

/** Number that a bulk sender sends in one turn of the event loop. */
const BATCH = 128;

export class OperationSender {
  readonly #mesh: ServiceMesh;
  readonly #services: Readonly<Record<Form, string>>;
  readonly #limit: number;
  #outstanding = 0;
  #batch = 0;
  #waiting: (() => void)[] = [];

  /**
   * @param service the local part of the service, `imxp=presence`
   * @param limit number of unanswered operations beyond which bulk senders wait
   */
  constructor(mesh: ServiceMesh, service: string, limit: number) {
    this.#mesh = mesh;
    this.#services = { imxp: serviceIn(service, 'imxp'), apex: serviceIn(service, 'apex') };
    this.#limit = limit;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  /** @param document the element to send, in that form */
  send(domain: string, to: string, document: string, form: Form, outcome: SendListener): void {
    this.#outstanding += 1;
    const data = documentData(`${this.#services[form]}@${domain}`, to, document);
    this.#mesh.submit(data, new Sent(this, outcome));
  }

  /** Returns undefined if one more may be sent now, else a promise to wait for. Asked before each of many. */
  room(): Promise<void> | undefined {
    if (this.#outstanding >= this.#limit) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#batch += 1;
    if (this.#batch < BATCH) return undefined;
    this.#batch = 0;
    // If everything fails at once, nothing is ever outstanding, and nobody else would get a turn.
    return new Promise((resolve) => setImmediate(resolve));
  }

  settled(): void {
    this.#outstanding -= 1;
    // Waiters resume at half of the limit, so that they send batches and not single operations.
    if (this.#waiting.length === 0 || this.#outstanding > this.#limit / 2) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

class Sent implements DeliverySink {
  readonly #sender: OperationSender;
  readonly #outcome: SendListener;

  constructor(sender: OperationSender, outcome: SendListener) {
    this.#sender = sender;
    this.#outcome = outcome;
  }

  delivered(): void {
    this.#sender.settled();
    this.#outcome.settled(undefined);
  }

  failed(reply: Reply): void {
    this.#sender.settled();
    this.#outcome.settled(reply);
  }
}
