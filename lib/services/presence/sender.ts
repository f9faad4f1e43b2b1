/**
 * Data from the service to endpoints: counted, so that whoever sends many can wait until there is room again. Knows the
 * service's name and nothing of what it says.
 */
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

/** Told what became of a Data. */
export interface SendListener {
  /** @param reply undefined when it arrived */
  settled(reply: Reply | undefined): void;
}

/** Sent in one turn of the event loop by whoever sends many. */
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
   * @param limit how many Data may be without answer before those who send many wait
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

  /** Undefined when one more may be sent now, else what to wait for. Asked before each of many. */
  room(): Promise<void> | undefined {
    if (this.#outstanding >= this.#limit) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#batch += 1;
    if (this.#batch < BATCH) return undefined;
    this.#batch = 0;
    // Where everything fails at once nothing would ever be outstanding, and nobody else would get a turn.
    return new Promise((resolve) => setImmediate(resolve));
  }

  settled(): void {
    this.#outstanding -= 1;
    // Half of the room at a time: whoever waits sends a batch then, not one by one.
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
