/**
 * The lines of the log with their fields, read from the sources of the events and of the log: the table in docs/reference/log.md
 * is made of them. Knows how these two files are written, and nothing else.
 */
import { readFileSync } from 'node:fs';

const source = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

export interface LogField {
  readonly name: string;
  readonly optional: boolean;
  readonly description: string;
}

export interface LogLineKind {
  readonly message: string;
  readonly level: string;
  readonly event: string;
  readonly description: string;
  readonly fields: readonly LogField[];
}

interface Shape {
  readonly description: string;
  readonly fields: readonly LogField[];
}

/** The interfaces of the messages, by name. */
function shapes(text: string): ReadonlyMap<string, Shape> {
  const found = new Map<string, Shape>();
  for (const [, description = '', name = '', body = ''] of text.matchAll(
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport interface (\w+) \{\n([\s\S]*?)\n\}/g,
  )) {
    const fields = [...body.matchAll(/(?: {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)? {2}readonly (\[fact|\w+)(\??)/g)];
    found.set(name, {
      description: flowed(description),
      fields: fields.map(([, text = '', field = '', mark]) => ({
        name: field === '[fact' ? '…' : field,
        optional: mark === '?',
        description: flowed(text),
      })),
    });
  }
  return found;
}

/** The text of a comment, whatever lines it is on. */
function flowed(comment: string): string {
  return comment.replace(/\n +\* ?/g, ' ').trim();
}

/** The words of a line as a reader sees them; what varies in capitals. */
function wordsOf(argument: string): string[] {
  const strings = [...argument.matchAll(/'([^']+)'|`([^`]+)`/g)].map(([, plain, template]) => plain ?? template ?? '');
  const words = strings
    .filter((text) => text !== 'peer')
    .map((text) => text.replace(/\$\{(\w+)\}/g, (_, name) => name.toUpperCase()));
  return words.length > 0 ? words : ['STATE'];
}

/** Every kind of line, in the order of the log's table. */
export function logLines(): LogLineKind[] {
  const known = shapes(source('lib/ops/events.ts'));
  const events = new Map(
    [...source('lib/ops/events.ts').matchAll(/^ {2}(\w+): new Event<(\w+)>\('([^']+)'\)/gm)].map(
      ([, key = '', type = '', name = '']) => [key, { type, name }],
    ),
  );
  const table = /const LINES[^=]*= \[\n([\s\S]*?)\n\];/.exec(source('lib/ops/log.ts'))?.[1] ?? '';
  return table
    .split(/\n(?= {2}line)/)
    .map((one) => one.replace(/^\s*\/\/.*$/gm, ''))
    .flatMap((one) => {
      const [, key = '', level = '', rest = ''] = /events\.(\w+),\s*'(\w+)',\s*([\s\S]*)$/.exec(one) ?? [];
      const { type, name: event } = events.get(key) ?? { type: '', name: '' };
      const shape = known.get(type);
      if (shape === undefined) throw new Error(`lib/ops/log.ts has a line that cannot be read: ${one}`);
      const words = /^(?:'[^']*'|\(.*?\) => (?:\([^\n]*\)|`[^`]*`|\w+))/.exec(rest)?.[0] ?? '';
      const dropped = /without\(it, '(\w+)'\)/.exec(rest)?.[1];
      const fields = shape.fields.filter(({ name }) => name !== dropped);
      return wordsOf(words).map((message) => ({ message, level, event, description: shape.description, fields }));
    });
}

/** The generated part of docs/reference/log.md. */
export function logTables(): string {
  const kinds = logLines();
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const rows = kinds.map(({ message, level, event, fields }) => {
    const names = fields.map(({ name, optional }) => `${name === '…' ? '…' : `\`${name}\``}${optional ? '?' : ''}`);
    return `| \`${message}\` | ${level} | \`${event}\` | ${names.join(' ')} |`;
  });
  const seen = new Set<string>();
  const sections = kinds.flatMap(({ event, description, fields }) => {
    if (seen.has(event)) return [];
    seen.add(event);
    const list = fields.map(
      ({ name, optional, description: text }) => `| \`${name}\` | ${optional ? 'sometimes' : ''} | ${cell(text)} |`,
    );
    return [`### \`${event}\`\n\n${description}\n\n| field | | meaning |\n| --- | --- | --- |\n${list.join('\n')}`];
  });
  return `| \`msg\` | \`level\` | event | fields |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n\n${sections.join('\n\n')}`;
}
