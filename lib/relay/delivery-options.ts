/**
 * Delivery options of RFC 3342 on one element: which of them count at this hop, and how they are forwarded to the next
 * relay.
 */
import { ImxpError, type Reply } from '../errors.js';
import type { Option } from '../imxp/operation.js';
import { newTransId } from '../imxp/trans-id.js';
import { type DataHopping, type DataTiming, readHopping, readTiming, writeHopping } from '../imxp/vocabulary/party.js';
import { applies, type OptionPlace, type OptionRegistry } from './options.js';

export const ATTACH_OVERRIDE = 'attachOverride';
export const DATA_TIMING = 'dataTiming';
export const DATA_HOPPING = 'dataHopping';
export const HOLD_FOR_ENDPOINT = 'hold4Endpoint';

/** An option with its parsed content. */
export interface Asked<Content> {
  readonly option: Option;
  readonly content: Content;
}

export interface DeliveryOptions {
  readonly timing: Asked<DataTiming> | undefined;
  readonly hopping: Asked<DataHopping> | undefined;
  readonly hold: boolean;
}

/**
 * Returns the delivery options of an element at this hop. Only the first option of each name counts, so that a Data
 * operation full of them does not cause a flood of reports.
 *
 * @returns undefined if there are none
 * @throws RemoteProtocolError for an option with invalid content, reply 500 or 501
 */
export function deliveryOptionsOf(
  options: readonly Option[],
  place: OptionPlace,
  direct: boolean,
  crossing: boolean,
  registry: OptionRegistry,
): DeliveryOptions | undefined {
  if (options.length === 0) return undefined;
  const find = (name: string): Option | undefined =>
    options.find(
      (option) =>
        option.internal === name && applies(option, place, direct) && registry.understands(option, place, crossing),
    );
  const [timing, hopping, hold] = [find(DATA_TIMING), find(DATA_HOPPING), find(HOLD_FOR_ENDPOINT)];
  if (timing === undefined && hopping === undefined && hold === undefined) return undefined;
  return {
    timing: timing && { option: timing, content: readTiming(timing.inner) },
    hopping: hopping && { option: hopping, content: readHopping(hopping.inner) },
    hold: hold !== undefined,
  };
}

/**
 * Returns the reply if the options of a Data operation are invalid, for callers that must know before anything is done.
 */
export function nonsense(options: readonly Option[], registry: OptionRegistry): Reply | undefined {
  try {
    deliveryOptionsOf(options, 'data', true, true, registry);
    return undefined;
  } catch (error) {
    if (error instanceof ImxpError && error.reply !== undefined) return error.reply;
    throw error;
  }
}

/** Whether any option of an element has content that each hop changes. */
export function changesOnTheWay(options: readonly Option[]): boolean {
  return options.some(({ internal }) => internal === DATA_TIMING || internal === DATA_HOPPING);
}

/** Returns the option with one hop less, as before each relay (RFC 3342 §4); undefined if no hop is left. */
export function hopped({ option, content }: Asked<DataHopping>): Option | undefined {
  const { noMoreThan } = content;
  if (noMoreThan === 0) return option;
  if (noMoreThan === 1) return undefined;
  return { ...option, inner: writeHopping({ ...content, noMoreThan: noMoreThan - 1 }) };
}

/**
 * Returns the option that a relay adds if its administrator wants loops to end. Relays that do not know it ignore it.
 */
export function hopLimit(noMoreThan: number): Option {
  return {
    internal: DATA_HOPPING,
    external: undefined,
    targetHop: 'all',
    seeNoEvil: true,
    transID: newTransId(),
    localize: 'i-default',
    inner: writeHopping({ noMoreThan, reportErrors: false }),
  };
}

/** Returns options with some of them replaced; the same array if none is. */
export function exchanged(options: readonly Option[], by: ReadonlyMap<Option, Option>): readonly Option[] {
  return options.some((option) => by.has(option)) ? options.map((option) => by.get(option) ?? option) : options;
}
