/**
 * Registry of the options that this relay understands; decides which options apply at this hop and which are forwarded
 * to the next (core-01 §5). The effect of an option is implemented elsewhere.
 */
import type { Reply } from '../errors.js';
import type { Option } from '../imxp/operation.js';

/** The elements that an option may occur in. */
export type OptionPlace = 'attach' | 'bind' | 'data' | 'originator' | 'recipient';

/**
 * When an option is honoured: always, or only on Data operations from or to another domain (REQ-IMXP-045: disabled
 * except at ingress and egress).
 */
export type OptionScope = 'always' | 'border';

interface Understood {
  readonly places: ReadonlySet<OptionPlace>;
  readonly scope: OptionScope;
}

/** The options that this relay understands, by name and place. */
export class OptionRegistry {
  readonly #options = new Map<string, Understood>();

  /** Declares an option, by its registered name or its absolute URI, as understood in the given places. */
  add(name: string, places: Iterable<OptionPlace>, scope: OptionScope = 'always'): void {
    this.#options.set(name, { places: new Set(places), scope });
  }

  /** @param crossing whether the containing element comes from or goes to another domain */
  understands(option: Option, place: OptionPlace, crossing: boolean): boolean {
    const understood = this.#options.get(nameOfOption(option));
    if (understood === undefined || !understood.places.has(place)) return false;
    return crossing || understood.scope === 'always';
  }
}

/**
 * Examines the options of one element.
 *
 * @param direct whether this relay delivers the containing element directly to its recipient, which is when `final`
 *   applies
 * @param crossing whether the containing element comes from or goes to another domain
 * @returns the reply 504 for the first option that applies, must be understood and is not; undefined if there is none
 */
export function examineOptions(
  options: readonly Option[],
  place: OptionPlace,
  direct: boolean,
  registry: OptionRegistry,
  crossing = true,
): Reply | undefined {
  for (const option of options) {
    if (option.seeNoEvil || !applies(option, place, direct)) continue;
    if (!registry.understands(option, place, crossing)) return notUnderstood(option);
  }
  return undefined;
}

/** Whether an option applies at this hop. */
export function applies(option: Option, place: OptionPlace, direct: boolean): boolean {
  // D-CORE-10: in attach and bind the targetHop is ignored, because there is only this hop.
  if (place === 'attach' || place === 'bind') return true;
  return option.targetHop !== 'final' || direct;
}

/**
 * Returns the options that are forwarded to another relay: all but those for `this` hop. The same array if none is
 * removed.
 */
export function onward(options: readonly Option[]): readonly Option[] {
  for (const option of options) {
    if (option.targetHop === 'this') return options.filter((other) => other.targetHop !== 'this');
  }
  return options;
}

function nameOfOption(option: Option): string {
  return option.internal ?? option.external ?? '';
}

/** How the text of the reply 504 begins; the name of the option follows. */
export const NOT_UNDERSTOOD = 'option not understood: ';

/** Longest option name that is repeated to the peer. */
const NAME_SHOWN = 80;

function notUnderstood(option: Option): Reply {
  return { code: 504, text: `${NOT_UNDERSTOOD}${nameOfOption(option).slice(0, NAME_SHOWN)}` };
}
