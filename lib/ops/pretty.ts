/** Formats a line of pino's JSON log for people. */

const COLORS: Readonly<Record<string, number>> = { fatal: 31, error: 31, warn: 33, info: 32, debug: 36, trace: 90 };

/** Text from peers must not reach the terminal as control sequences. */
function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}

function valueText(value: unknown): string {
  if (typeof value === 'string' && /^[\w.,:;@/*+=[\]()-]+$/.test(value)) return value;
  return harmless(JSON.stringify(value));
}

/** `12:30:05.123 INFO  attached channel=… subject=…`, and the stack of an error on separate lines. */
export function prettyLine(json: string, color: boolean): string {
  const paint = (code: number, text: string): string => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(json);
  } catch {
    return harmless(json.trimEnd()).concat('\n');
  }
  const { time, level, msg, ...fields } = record;
  const clock = String(time).slice(11, 23);
  const name = String(level);
  const parts = [
    paint(90, clock),
    paint(COLORS[name] ?? 0, harmless(name.toUpperCase().padEnd(5))),
    harmless(String(msg ?? '')),
  ];
  let stack = '';
  for (const [key, value] of Object.entries(fields)) {
    const trace = typeof value === 'object' && value !== null && 'stack' in value ? value.stack : undefined;
    if (typeof trace === 'string') {
      stack += trace
        .split('\n')
        .map((text) => `\n    ${harmless(text)}`)
        .join('');
      continue;
    }
    parts.push(`${paint(90, `${harmless(key)}=`)}${valueText(value)}`);
  }
  return `${parts.join(' ')}${stack}\n`;
}
