/**
 * Which options apply at this hop, which of them this relay understands, and which go on to the next hop (core-01
 * §5). Owns the registry of understood options; refuses to know what an option does.
 */
import type { Reply } from '../errors.js';
import type { Option } from '../imxp/operation.js';

/** The elements an option may stand in. */
export type OptionPlace = 'attach' | 'bind' | 'data' | 'originator' | 'recipient';

/**
 * When an option is honoured: always, or only on Data that come from or go to another domain (REQ-IMXP-045: disabled
 * except at ingress and egress).
 */
export type OptionScope = 'always' | 'border';

interface Understood {
  readonly places: ReadonlySet<OptionPlace>;
  readonly scope: OptionScope;
}

/** The options this relay understands, by name and place. */
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
 * @param direct whether this relay hands the containing element straight to its recipient, which is when `final` applies
 * @param crossing whether the containing element comes from or goes to another domain
 * @returns the reply 504 for the first option that applies, must be understood and is not; undefined when all is well
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

/** Whether an option is for this hop. */
export function applies(option: Option, place: OptionPlace, direct: boolean): boolean {
  // D-CORE-10: in attach and bind the targetHop is ignored, there is only this hop
  if (place === 'attach' || place === 'bind') return true;
  return option.targetHop !== 'final' || direct;
}

/** The options that go on to another relay: all but those for `this` hop. The same array when none is removed. */
export function onward(options: readonly Option[]): readonly Option[] {
  for (const option of options) {
    if (option.targetHop === 'this') return options.filter((other) => other.targetHop !== 'this');
  }
  return options;
}

function nameOfOption(option: Option): string {
  return option.internal ?? option.external ?? '';
}

/** Longest option name repeated to the peer. */
const NAME_SHOWN = 80;

function notUnderstood(option: Option): Reply {
  return { code: 504, text: `option not understood: ${nameOfOption(option).slice(0, NAME_SHOWN)}` };
}
