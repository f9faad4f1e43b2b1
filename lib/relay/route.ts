/**
 * Planner: derives from a Data operation and a view of the relay which target receives which recipients with which
 * options. Pure: reads the view, changes and sends nothing. A recipient that fails at once is planned to a target that
 * refuses.
 */
import { ImxpError, type Reply } from '../errors.js';
import { type Address, addressOf } from '../imxp/address.js';
import { isCommon } from '../imxp/dialect/apex-name.js';
import type { Data, Option, Recipient } from '../imxp/operation.js';
import type { DataHopping, DataTiming } from '../imxp/vocabulary/party.js';
import { REPLIES } from './answer.js';
import {
  type Asked,
  changesOnTheWay,
  DATA_HOPPING,
  type DeliveryOptions,
  deliveryOptionsOf,
  exchanged,
  hopLimit,
  hopped,
} from './delivery-options.js';
import { examineOptions, type OptionRegistry, onward } from './options.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';

/** Whether a recipient accepts Data operations of an originator, and if not, the reply that says why. */
export type AccessDecision = true | Reply;

/** Access decisions that have been looked up, by recipient. */
export type AccessDecisions = ReadonlyMap<string, AccessDecision>;

/** The relay as one sender of Data operations sees it. */
export interface RouteView {
  readonly options: OptionRegistry;
  /** Whether the sender is a relay, which forwards what others originated. */
  readonly relayed: boolean;
  /** Whether the sender is another node of the same domain, which has counted this relay as a hop already. */
  readonly sameHop: boolean;
  /** Whether a domain (in lower case) is served here. */
  local(domain: string): boolean;
  /** Returns the application that is attached as exactly this endpoint, or for all endpoints of its domain. */
  attached(name: Address): DeliveryTarget | undefined;
  /** Returns the co-resident service of a well-known endpoint such as `imxp=report@example.com`. */
  service(name: Address): DeliveryTarget | undefined;
  /** Whether a local recipient accepts Data operations of this originator; a promise if that must be looked up. */
  granted(recipient: Address, originator: string): AccessDecision | Promise<boolean>;
  /** Returns a target for a local endpoint or service that is not attached; it refuses with the reason. */
  absent(name: Address, originator: string): DeliveryTarget;
  /** Returns a target that holds messages for a local endpoint until it attaches; undefined if none are held. */
  offlineQueue(name: Address): DeliveryTarget | undefined;
  /**
   * Relays that a Data operation of this sender may pass if it does not say so itself (dataHopping); 0 for any number.
   */
  readonly hopLimit: number;
  /** Returns the lane to a foreign recipient, or a target that refuses with the reason. */
  toward(name: Address, originator: string): DeliveryTarget;
}

/** A target that answers everything with the same refusal. */
export class RefusingTarget implements DeliveryTarget {
  readonly reply: Reply;

  constructor(reply: Reply) {
    this.reply = reply;
  }

  deliver(_delivery: OutboundDelivery, sink: DeliverySink): void {
    sink.failed(this.reply);
  }
}

const ADDRESS_INVALID = new RefusingTarget(REPLIES.addressInvalid);

/** One outgoing Data operation. */
export interface Leg {
  readonly target: DeliveryTarget;
  /** The received operation itself if nothing changed for this hop. */
  readonly data: Data;
  /** Delivery options of this leg; absent for most. */
  readonly deliveryOptions?: LegOptions;
}

/** What options of RFC 3342 ask for on one leg. */
export interface LegOptions {
  readonly onward: boolean;
  readonly timings: readonly Asked<DataTiming>[];
  /** Hop limits that forbid sending it to another relay. */
  readonly usedUp: readonly Asked<DataHopping>[];
}

export type Plan =
  | { readonly type: 'legs'; readonly legs: readonly Leg[] }
  /** The Data operation fails as a whole. */
  | { readonly type: 'refused'; readonly reply: Reply }
  /** Access decisions are outstanding, by recipient; plan again when they are known. */
  | { readonly type: 'pending'; readonly decisions: ReadonlyMap<string, Promise<boolean>> };

/**
 * Returns the target for the only recipient of a Data operation without options, which is forwarded unchanged: the hot
 * path of {@link plan}.
 *
 * @param hold whether it is to be held for an endpoint that is not attached (RFC 3342 §3)
 * @param decided access decisions that were waited for
 */
export function nextHopTo(
  name: Address,
  originator: string,
  view: RouteView,
  hold = false,
  decided?: AccessDecisions,
): DeliveryTarget | Promise<boolean> {
  if (!view.local(name.domain)) return view.toward(name, originator);
  // A reserved local part is served here, or by an application that attached as that service.
  const target = view.service(name) ?? view.attached(name) ?? (hold ? view.offlineQueue(name) : undefined);
  if (target === undefined) return view.absent(name, originator);
  // core-01 §4.4.4.1 step 3.3: the recipient's access entry must grant core:data.
  const granted = decided?.get(name.key) ?? view.granted(name, originator);
  if (granted === true) return target;
  return granted instanceof Promise ? granted : new RefusingTarget(granted);
}

/**
 * Plans any Data operation.
 *
 * Recipients share an outgoing operation only toward a relay and only on one lane: there the answer of a group equals
 * the combination of separate answers, and the order per recipient is kept. An application or a service receives each
 * recipient by itself, as core-01 §4.4.4.1 step 3.3 has it, because its `ok` must mean that recipient.
 *
 * A recipient named twice is served once, with the options of its first place.
 */
export function plan(data: Data, view: RouteView, decided?: AccessDecisions): Plan {
  // core-01 §4.4.4.1 step 2; `final` options of the operation are examined below, for the recipients served here.
  const crossing = data.options.length > 0 && crosses(data, view);
  const refusal =
    examineOptions(data.options, 'data', false, view.options, crossing) ?? examineSender(data, false, view);
  if (refusal !== undefined) return { type: 'refused', reply: refusal };
  const draft = new Draft(data, crossing, view, decided);
  const final = examineOptions(data.options, 'data', true, view.options, crossing) ?? examineSender(data, true, view);
  try {
    for (const recipient of data.recipients) draft.place(recipient, final, view);
  } catch (error) {
    // The operation has an invalid option, which cannot be obeyed for any recipient.
    if (error instanceof ImxpError && error.reply !== undefined) return { type: 'refused', reply: error.reply };
    throw error;
  }
  return draft.finish();
}

/** Examines the per-originator options (RFC 3340 §4.4.4.1 step 4). */
function examineSender(data: Data, direct: boolean, view: RouteView): Reply | undefined {
  if (data.originatorOptions === undefined) return undefined;
  return examineOptions(data.originatorOptions, 'originator', direct, view.options, crosses(data, view));
}

/** Whether a Data operation comes from another domain, or goes to one for at least one recipient. */
export function crosses(data: Data, view: RouteView): boolean {
  return view.relayed || data.recipients.some(({ identity }) => !isDirect(identity, view));
}

/** Whether a recipient is served here. An invalid address goes nowhere, so it counts as served here. */
export function isDirect(identity: string, view: RouteView): boolean {
  const name = addressOf(identity);
  return name === undefined || view.local(name.domain);
}

/** Recipients with the same target, from which one Data operation is made. */
interface Group {
  readonly target: DeliveryTarget;
  readonly recipients: Recipient[];
  readonly onward: boolean;
  /** Options of the operation, and of the recipient if it is alone. */
  readonly deliveryOptions: readonly DeliveryOptions[];
}

class Draft {
  readonly #data: Data;
  /** The operation with the hop limit that the administrator wants. */
  readonly #onwardData: Data;
  readonly #crossing: boolean;
  readonly #view: RouteView;
  readonly #decided: AccessDecisions | undefined;
  /** Delivery options of the operation, for recipients served here and for others; null until computed. */
  readonly #common: { direct: DeliveryOptions | undefined | null; onward: DeliveryOptions | undefined | null } = {
    direct: null,
    onward: null,
  };
  readonly #groups: Group[] = [];
  readonly #onward = new Map<DeliveryTarget, Group>();
  readonly #seen = new Set<string>();
  #pending: Map<string, Promise<boolean>> | undefined;

  constructor(data: Data, crossing: boolean, view: RouteView, decided: AccessDecisions | undefined) {
    this.#data = data;
    this.#onwardData = limited(data, view);
    this.#crossing = crossing;
    this.#view = view;
    this.#decided = decided;
  }

  place(recipient: Recipient, final: Reply | undefined, view: RouteView): void {
    const name = addressOf(recipient.identity);
    const key = name?.key ?? recipient.identity;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (name === undefined) this.#alone(ADDRESS_INVALID, recipient, false, []);
    else this.#placeNamed(name, recipient, final, view);
  }

  #placeNamed(name: Address, recipient: Recipient, final: Reply | undefined, view: RouteView): void {
    const direct = view.local(name.domain);
    const crossing = view.relayed || !direct;
    const refusal =
      (direct ? final : undefined) ?? examineOptions(recipient.options, 'recipient', direct, view.options, crossing);
    const own = refusal ?? ownOptions(recipient, direct, crossing, view.options);
    if (own !== undefined && 'code' in own) {
      this.#alone(new RefusingTarget(own), recipient, false, []);
      return;
    }
    const common = this.#commonOptions(direct);
    const deliveryOptions = [common, own].filter((some) => some !== undefined);
    const hold = direct && deliveryOptions.some((asked) => asked.hold);
    const way = nextHopTo(name, this.#data.originator, view, hold, this.#decided);
    if (way instanceof Promise) {
      this.#pending ??= new Map();
      this.#pending.set(name.key, way);
    } else if (way instanceof RefusingTarget) {
      this.#alone(way, recipient, false, []);
    } else if (direct || changesOnTheWay(recipient.options) || !isCommon(name)) {
      // RFC 3342 §2, §4: what each hop changes for one recipient must not affect the others (D-OPT-03). A name that the
      // other dialect does not have must fail no other recipient (D-APEX-06).
      this.#alone(way, recipient, !direct, deliveryOptions);
    } else {
      this.#together(way, recipient, deliveryOptions);
    }
  }

  /** @throws RemoteProtocolError if an option of the operation is invalid */
  #commonOptions(direct: boolean): DeliveryOptions | undefined {
    const common = this.#common;
    const { options } = this.#view;
    if (direct) {
      if (common.direct === null)
        common.direct = deliveryOptionsOf(this.#data.options, 'data', true, this.#crossing, options);
      return common.direct;
    }
    if (common.onward === null)
      common.onward = deliveryOptionsOf(this.#onwardData.options, 'data', false, true, options);
    return common.onward;
  }

  #alone(
    target: DeliveryTarget,
    recipient: Recipient,
    relayed: boolean,
    deliveryOptions: readonly DeliveryOptions[],
  ): void {
    this.#groups.push({ target, recipients: [recipient], onward: relayed, deliveryOptions });
  }

  #together(target: DeliveryTarget, recipient: Recipient, deliveryOptions: readonly DeliveryOptions[]): void {
    const group = this.#onward.get(target);
    if (group !== undefined) {
      group.recipients.push(recipient);
      return;
    }
    const opened: Group = { target, recipients: [recipient], onward: true, deliveryOptions };
    this.#onward.set(target, opened);
    this.#groups.push(opened);
  }

  finish(): Plan {
    if (this.#pending !== undefined) return { type: 'pending', decisions: this.#pending };
    return { type: 'legs', legs: this.#groups.map((group) => this.#legFor(group)) };
  }

  #legFor(group: Group): Leg {
    const { target, deliveryOptions, onward: relayed } = group;
    if (deliveryOptions.length === 0) return { target, data: this.#dataFor(group, UNCHANGED) };
    const timings = deliveryOptions.flatMap(({ timing }) => timing ?? []);
    const usedUp: Asked<DataHopping>[] = [];
    const changed = new Map<Option, Option>();
    for (const { hopping } of relayed && !this.#view.sameHop ? deliveryOptions : []) {
      if (hopping === undefined) continue;
      const next = hopped(hopping);
      if (next === undefined) usedUp.push(hopping);
      else if (next !== hopping.option) changed.set(hopping.option, next);
    }
    const data = this.#dataFor(group, changed);
    if (timings.length === 0 && usedUp.length === 0) return { target, data };
    return { target, data, deliveryOptions: { onward: relayed, timings, usedUp } };
  }

  #dataFor({ recipients, onward: relayed }: Group, changed: ReadonlyMap<Option, Option>): Data {
    const data = this.#data;
    // core-01 §5: options for `this` hop are removed toward relays; an endpoint sees all of them.
    const options = relayed ? exchanged(onward(this.#onwardData.options), changed) : data.options;
    const narrowed = relayed ? recipients.map((recipient) => withOnwardOptions(recipient, changed)) : recipients;
    const sender = data.originatorOptions === undefined || !relayed ? undefined : onward(data.originatorOptions);
    const same =
      options === data.options &&
      (sender === undefined || sender === data.originatorOptions) &&
      narrowed.length === data.recipients.length &&
      narrowed.every((recipient, at) => recipient === data.recipients[at]);
    if (same) return data;
    return sender === undefined
      ? { ...data, recipients: narrowed, options }
      : { ...data, recipients: narrowed, options, originatorOptions: sender };
  }
}

const UNCHANGED: ReadonlyMap<Option, Option> = new Map();

/** RFC 3340 §4.4.4.1: a relay may add options to the operations of its endpoints. */
function limited(data: Data, { hopLimit: most, relayed }: RouteView): Data {
  if (most === 0 || relayed || data.options.some(({ internal }) => internal === DATA_HOPPING)) return data;
  return { ...data, options: [...data.options, hopLimit(most)] };
}

/** @returns a reply if the recipient fails because of one of its own options */
function ownOptions(
  { options }: Recipient,
  direct: boolean,
  crossing: boolean,
  registry: OptionRegistry,
): DeliveryOptions | Reply | undefined {
  try {
    return deliveryOptionsOf(options, 'recipient', direct, crossing, registry);
  } catch (error) {
    if (error instanceof ImxpError && error.reply !== undefined) return error.reply;
    throw error;
  }
}

function withOnwardOptions(recipient: Recipient, changed: ReadonlyMap<Option, Option>): Recipient {
  const options = exchanged(onward(recipient.options), changed);
  return options === recipient.options ? recipient : { ...recipient, options };
}
