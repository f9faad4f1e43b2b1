/** Formats numbers for display. */

const STEPS = ['', 'k', 'M', 'G', 'T'];

/** Formats three digits and a letter: 950, 12.3k, 4.56M. */
export function short(value: number): string {
  let rest = Math.abs(value);
  let step = 0;
  while (rest >= 999.5 && step < STEPS.length - 1) {
    rest /= 1000;
    step += 1;
  }
  const digits = rest >= 99.5 || Number.isInteger(rest) ? 0 : rest >= 9.95 ? 1 : 2;
  return `${value < 0 ? '-' : ''}${rest.toFixed(digits)}${STEPS[step]}`;
}

export function octets(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let rest = value;
  let step = 0;
  while (rest >= 1024 && step < units.length - 1) {
    rest /= 1024;
    step += 1;
  }
  return `${rest.toFixed(step === 0 || rest >= 100 ? 0 : 1)} ${units[step]}`;
}

export function milliseconds(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)} ms`;
}

/** 3 d 04:05:06 */
export function duration(seconds: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const clock = `${two((seconds % 86_400) / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
  return seconds < 86_400 ? clock : `${Math.floor(seconds / 86_400)} d ${clock}`;
}
