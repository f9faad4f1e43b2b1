/**
 * Parses and writes TIMESTAMP: in IMXP the date-time of RFC 822 with the four-digit year of RFC 1123 and a numeric
 * zone, `21 Oct 2000 09:05:00 +0200` (D-CORE-32), in APEX that of RFC 3339, `2000-10-21T09:05:00+02:00`. Both are
 * accepted everywhere. Two timestamps are equal if they name the same second.
 */
import type { XmlElement } from '../../xml/parse.js';
import { invalid, required } from '../dialect/document.js';
import type { Form } from './form.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ?';
const RFC_1123 = new RegExp(
  `^(?:${DAY})?(\\d{1,2}) (${MONTHS.join('|')}) (\\d{4}) (\\d{2}):(\\d{2})(?::(\\d{2}))? ([+-]\\d{4}|GMT|UTC?|Z)$`,
  'i',
);
const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?([Zz]|[+-]\d{2}:\d{2})$/;

/** The largest timestamp: 31 Dec 9999 23:59:59 +0000, in milliseconds. */
export const LATEST_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

/** 1 Jan 0000 00:00:00 +0000. */
const EARLIEST_MS = Date.parse('0000-01-01T00:00:00Z');

/** @returns the instant in milliseconds since 1970, at whole seconds; undefined if the text is no timestamp */
export function parseTimestamp(text: string): number | undefined {
  const old = RFC_1123.exec(text);
  if (old !== null) {
    const [, day, name = '', year, hour, minute, second = '0', zone = ''] = old;
    const month = MONTHS.findIndex((one) => one.toLowerCase() === name.toLowerCase());
    return instant([year, month, day, hour, minute, second].map(Number), zone);
  }
  const recent = RFC_3339.exec(text);
  if (recent === null) return undefined;
  const [, year, month, day, hour, minute, second, , zone = ''] = recent;
  return instant([year, Number(month) - 1, day, hour, minute, second].map(Number), zone);
}

/** Parses like {@link parseTimestamp}, with the milliseconds that RFC 3339 allows. */
export function parseInstant(text: string): number | undefined {
  const ms = parseTimestamp(text);
  const [, fraction = ''] = /[.,](\d+)(?:[Zz]|[+-]\d{2}:\d{2})$/.exec(text) ?? [];
  return ms === undefined ? undefined : ms + Number(fraction.slice(0, 3).padEnd(3, '0'));
}

/**
 * @param ms since 1970; fractions of a second are dropped. The text is always in UTC, which does not tell where this
 *   is.
 */
export function formatTimestamp(ms: number, form: Form = 'imxp'): string {
  if (form === 'apex') return formatRecent(ms);
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  const year = String(date.getUTCFullYear()).padStart(4, '0');
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()] ?? ''} ${year} ${time} +0000`;
}

function formatRecent(ms: number): string {
  // RFC 3339 §1: the years are 0000 to 9999, whatever the offset.
  const within = Math.min(Math.max(ms, EARLIEST_MS), LATEST_MS);
  // RFC 3341 §7, RFC 3339 §4.3: the offset -00:00 leaves the location of the clock open.
  return `${new Date(within).toISOString().slice(0, 19)}-00:00`;
}

/** Returns a timestamp in another form; unchanged if it has that form already, or none. */
export function timestampIn(text: string, form: Form): string {
  if ((form === 'apex' ? RFC_3339 : RFC_1123).test(text)) return text;
  const ms = parseTimestamp(text);
  return ms === undefined ? text : formatTimestamp(ms, form);
}

/**
 * Returns the instant in a required attribute.
 *
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function timestampOf(element: XmlElement, name: string): number {
  const ms = parseTimestamp(required(element, name));
  if (ms !== undefined) return ms;
  throw invalid(
    `element ${element.name}: attribute ${name} must be a date and time such as 21 Oct 2000 09:05:00 +0200`,
  );
}

function instant(parts: readonly number[], zone: string): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  // A day that the month does not have would be taken for one of the next month.
  if (date.getUTCMonth() !== month || date.getUTCDate() !== day) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const offset = minutesOf(zone);
  if (offset === undefined) return undefined;
  const minutes = date.getTime() + (hour * 60 + minute - offset) * 60_000;
  // RFC 3339 §5.7: a leap second is the 60th, only at the end of a month of UTC. It counts as the first of the next.
  if (second === 60 && !isEndOfMonth(minutes)) return undefined;
  return minutes + second * 1000;
}

/** Whether a minute is the last one of a month of UTC. */
function isEndOfMonth(ms: number): boolean {
  return new Date(ms).getUTCMonth() !== new Date(ms + 60_000).getUTCMonth();
}

function minutesOf(zone: string): number | undefined {
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(zone);
  if (match === null) return 0;
  const [, sign, hours, minutes] = match;
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}
