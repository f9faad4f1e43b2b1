/**
 * The `option` element (core-01 §5), the same in all dialects except for the attribute that says whether it must be
 * understood.
 */
import type { XmlElement } from '../../xml/parse.js';
import { escapeAttribute } from '../../xml/write.js';
import type { Option } from '../operation.js';
import { checkAttributes, invalid, isAbsoluteUri, nmtokenOf, oneOf, transIdOf } from './document.js';

/** Notation of `seeNoEvil` in a dialect. */
export interface OptionSyntax {
  readonly attribute: string;
  /** `true` if the attribute says the opposite of seeNoEvil. Its default follows: seeNoEvil is true by default. */
  readonly inverse: boolean;
}

export const DEFAULT_LOCALIZE = 'i-default';
export const NO_OCTETS: Buffer = Buffer.alloc(0);
export const NO_OPTIONS: readonly Option[] = Object.freeze([]);

/** @throws RemoteProtocolError XML_INVALID, reply 501 */
export function readOption(element: XmlElement, document: Buffer, syntax: OptionSyntax): Option {
  const { attribute, inverse } = syntax;
  checkAttributes(element, ['internal', 'external', 'targetHop', attribute, 'transID', 'localize']);
  // D-CORE-23: empty means absent, and exactly one of the two must be present.
  const internal = element.attributes.get('internal') || undefined;
  const external = element.attributes.get('external') || undefined;
  if ((internal === undefined) === (external === undefined)) {
    throw invalid('element option: exactly one of the attributes internal and external must be given');
  }
  if (internal !== undefined) {
    nmtokenOf(element, 'internal', internal);
  }
  if (external !== undefined && !isAbsoluteUri(external)) {
    throw invalid('element option: attribute external must be an absolute URI');
  }
  return {
    internal,
    external,
    targetHop: oneOf(element, 'targetHop', ['final', 'this', 'all']),
    seeNoEvil: (oneOf(element, attribute, inverse ? ['false', 'true'] : ['true', 'false']) === 'true') !== inverse,
    transID: nameless(element, internal) ? 0 : transIdOf(element),
    localize: localizeOf(element),
    inner: innerOf(element, document),
  };
}

/** RFC 3342 §3 itself has this option without a transID. */
function nameless({ attributes }: XmlElement, internal: string | undefined): boolean {
  return internal === 'hold4Endpoint' && !attributes.has('transID');
}

function localizeOf(element: XmlElement): string {
  const value = element.attributes.get('localize');
  if (value === undefined) {
    return DEFAULT_LOCALIZE;
  }
  for (const tag of value.split(' ')) {
    if (tag !== '') {
      nmtokenOf(element, 'localize', tag);
    }
  }
  return value;
}

/** Returns the octets between the tags of an element, as a view. */
export function innerOf(element: XmlElement, document: Buffer): Buffer {
  return element.innerStart === element.innerEnd ? NO_OCTETS : document.subarray(element.innerStart, element.innerEnd);
}

/** @returns the element; its content is forwarded as received */
export function writeOption(option: Option, syntax: OptionSyntax): string {
  const name =
    option.internal === undefined
      ? `external='${escapeAttribute(option.external ?? '')}'`
      : `internal='${escapeAttribute(option.internal)}'`;
  const flag = `${syntax.attribute}='${option.seeNoEvil !== syntax.inverse}'`;
  const language = option.localize === DEFAULT_LOCALIZE ? '' : ` localize='${escapeAttribute(option.localize)}'`;
  const number = option.transID === 0 ? '' : ` transID='${option.transID}'`;
  const tag = `<option ${name} targetHop='${option.targetHop}' ${flag}${number}${language}`;
  return option.inner.length === 0 ? `${tag} />` : `${tag}>${option.inner.toString('utf8')}</option>`;
}
