/**
 * Forms in which services communicate: that of IMXP and that of APEX (D-APEX-01). They differ in the prefix of the
 * services' names, in the notation of names and times, and in some elements.
 */
import { fromApex, toApex } from '../dialect/apex-name.js';
import type { DialectName } from '../dialect/dialect.js';
import { withPrefix } from '../dialect/names.js';

export type Form = DialectName;

const APEX = /^"?apex=/i;

/** Returns the form whose prefix a service's name has. */
export function formOf(name: string): Form {
  return APEX.test(name) ? 'apex' : 'imxp';
}

/** Returns the name of a service, with or without its domain, in a form: `apex=access` for `imxp=access`. */
export function serviceIn(name: string, form: Form): string {
  return withPrefix(name, `${form}=`);
}

/** Returns a name from a document of that form, in the notation of this program. */
export function nameFrom(text: string, form: Form): string {
  return form === 'apex' ? fromApex(text) : text;
}

/** Returns a name for a document of that form; unchanged if the form cannot express it. */
export function nameIn(name: string, form: Form): string {
  return form === 'apex' ? (toApex(name) ?? name) : name;
}
