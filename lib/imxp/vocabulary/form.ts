/**
 * The two forms in which services speak: that of IMXP and that of APEX (D-APEX-01). They differ in the prefix of the
 * services' names, in how names and times are written, and in some elements. Knows no service.
 */
import { fromApex, toApex } from '../dialect/apex-name.js';
import type { DialectName } from '../dialect/dialect.js';
import { withPrefix } from '../dialect/names.js';

export type Form = DialectName;

const APEX = /^"?apex=/i;

/** The form whose prefix a service's name has. */
export function formOf(name: string): Form {
  return APEX.test(name) ? 'apex' : 'imxp';
}

/** The name of a service, with its domain or without, in a form: `apex=access` for `imxp=access`. */
export function serviceIn(name: string, form: Form): string {
  return withPrefix(name, `${form}=`);
}

/** A name that came in a document of that form, in the notation of this program. */
export function nameFrom(text: string, form: Form): string {
  return form === 'apex' ? fromApex(text) : text;
}

/** A name for a document of that form; as it is where it cannot be said there. */
export function nameIn(name: string, form: Form): string {
  return form === 'apex' ? (toApex(name) ?? name) : name;
}
