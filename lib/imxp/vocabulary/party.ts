/** Contents of the options `dataTiming` and `dataHopping` (RFC 3342 §2, §4). */
import { parseXml, type XmlElement } from '../../xml/parse.js';
import { checkAttributes, checkEmpty, invalid, oneOf } from '../dialect/document.js';

/** RFC 3342, HOPS. */
export const HOPS_MAX = 255;
/** RFC 3342, MILLISECS. */
export const MILLISECONDS_MAX = 2_147_483_647;

/** Milliseconds; 0 means that nothing is requested. */
export interface DataTiming {
  /** Deliver within this time or not at all. */
  readonly noLaterThan: number;
  /** Confirm the delivery, by a report that has this time limit itself. */
  readonly returnTrip: number;
  /** Tell the originator if delivery takes longer, and continue. */
  readonly reportAfter: number;
  /** Tell the originator if `noLaterThan` has passed. */
  readonly reportErrors: boolean;
}

export interface DataHopping {
  /** Number of relays that it may be sent to, plus one; 0 for any number. */
  readonly noMoreThan: number;
  /** Tell the originator if the limit is reached. */
  readonly reportErrors: boolean;
}

/**
 * @param inner the octets between the tags of the option
 * @throws RemoteProtocolError XML_INVALID | XML_NOT_WELL_FORMED, reply 501 or 500
 */
export function readTiming(inner: Buffer): DataTiming {
  const element = onlyElement(inner, 'dataTiming', ['noLaterThan', 'returnTrip', 'reportAfter', 'reportErrors']);
  return {
    noLaterThan: numberOf(element, 'noLaterThan', MILLISECONDS_MAX),
    returnTrip: numberOf(element, 'returnTrip', MILLISECONDS_MAX),
    reportAfter: numberOf(element, 'reportAfter', MILLISECONDS_MAX),
    reportErrors: oneOf(element, 'reportErrors', ['false', 'true']) === 'true',
  };
}

/** Reads like {@link readTiming}. */
export function readHopping(inner: Buffer): DataHopping {
  const element = onlyElement(inner, 'dataHopping', ['noMoreThan', 'reportErrors']);
  return {
    noMoreThan: numberOf(element, 'noMoreThan', HOPS_MAX),
    reportErrors: oneOf(element, 'reportErrors', ['false', 'true']) === 'true',
  };
}

/** Attributes that request nothing are not written. */
export function writeTiming({ noLaterThan, returnTrip, reportAfter, reportErrors }: DataTiming): Buffer {
  const attributes = [
    numbered('noLaterThan', noLaterThan),
    numbered('returnTrip', returnTrip),
    numbered('reportAfter', reportAfter),
    flagged(reportErrors),
  ];
  return Buffer.from(`<dataTiming${attributes.join('')} />`);
}

export function writeHopping({ noMoreThan, reportErrors }: DataHopping): Buffer {
  return Buffer.from(`<dataHopping${numbered('noMoreThan', noMoreThan)}${flagged(reportErrors)} />`);
}

function onlyElement(inner: Buffer, name: string, attributes: readonly string[]): XmlElement {
  if (inner.length === 0) throw invalid(`option ${name}: element ${name} is missing in it`);
  const element = parseXml(inner);
  if (element.name !== name) throw invalid(`option ${name}: element ${name} must be in it, and nothing else`);
  checkAttributes(element, attributes);
  checkEmpty(element);
  return element;
}

function numberOf(element: XmlElement, name: string, most: number): number {
  const value = element.attributes.get(name);
  if (value === undefined) return 0;
  const number = /^[0-9]{1,10}$/.test(value) ? Number(value) : most + 1;
  if (number > most) {
    throw invalid(`element ${element.name}: attribute ${name} must be a number from 0 to ${most}`);
  }
  return number;
}

function numbered(name: string, value: number): string {
  return value === 0 ? '' : ` ${name}='${value}'`;
}

function flagged(reportErrors: boolean): string {
  return reportErrors ? " reportErrors='true'" : '';
}
