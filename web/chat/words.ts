/** Times, sizes and names as people read them. */
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const SHORT_DAY = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });
const DAY_MS = 86_400_000;

export function clock(at: number): string {
  return CLOCK.format(at);
}

export function sameDay(one: number, other: number): boolean {
  return new Date(one).toDateString() === new Date(other).toDateString();
}

export function day(at: number): string {
  if (sameDay(at, Date.now())) return 'Today';
  if (sameDay(at, Date.now() - DAY_MS)) return 'Yesterday';
  return DAY.format(at);
}

/** For lists: the time of today, the day otherwise. */
export function briefly(at: number): string {
  return sameDay(at, Date.now()) ? CLOCK.format(at) : SHORT_DAY.format(at);
}

/** With the year. */
export function date(at: number): string {
  return DATE.format(at);
}

export function sizeOf(octets: number): string {
  const units = ['B', 'KB', 'MB', 'GB'];
  const step = octets === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(octets) / 3));
  const value = octets / 1000 ** step;
  return `${step === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}

/** What stands for a picture of somebody. */
export function initialsOf(address: string): string {
  const [local = ''] = address.split('@');
  const words = local.split(/[._+-]+/).filter((word) => word !== '');
  const letters = words.length > 1 ? words.slice(0, 2).map((word) => [...word][0]) : [...local].slice(0, 1);
  return letters.join('').toUpperCase();
}

/** One of so many, always the same for an address. */
export function hueOf(address: string, many: number): number {
  let sum = 0;
  for (const letter of address) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973;
  return sum % many;
}
