/**
 * The parts of docs/reference/ that are derived from the code, and the manual pages: `npm run docs` writes them, specs compare
 * them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { allCommands } from '../../bin/commands.js';
import { exitsOf, manualOf, pathOf } from '../../bin/support/manual.js';
import { below, makeProgram } from '../../bin/support/program.js';
import { limitsSchema } from '../../lib/config/limits-schema.js';
import { nodeSchema } from '../../lib/config/schema.js';
import { ERROR_CODES } from '../../lib/errors.js';
import { REPLY_CODES } from '../../lib/imxp/reply-code.js';
import { Metrics } from '../../lib/ops/metrics.js';
import { logTables } from './log-fields.js';
import { writeManualPages } from './man-pages.js';

const COMMANDS = await allCommands();

export const REFERENCE = fileURLToPath(new URL('../../docs/reference/', import.meta.url));

/** As much of JSON Schema as the tables need. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function written(value: unknown): string {
  return value === undefined ? '' : `\`${JSON.stringify(value)}\``;
}

function meaning(schema: Schema): string {
  const values = schema.enum?.map((value) => `\`${String(value)}\``).join(', ');
  return [schema.description, values].filter((text) => text !== undefined).join(': ');
}

/** Every key below a schema, with its path as it is written in the tables. */
function rows(schema: Schema, path: string): string[][] {
  const below = [schema, ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])];
  const found: string[][] = [];
  for (const { properties } of below) {
    for (const [name, child] of Object.entries(properties ?? {})) {
      if (name === '$schema' || path.endsWith('limits.')) continue;
      const key = `${path}${name}`;
      const nested = [...rows(child, `${key}.`), ...rows(child.items ?? {}, `${key}[].`)];
      const { additionalProperties } = child;
      if (typeof additionalProperties === 'object') nested.push(...rows(additionalProperties, `${key}.*.`));
      if (found.some(([known]) => known === `\`${key}\``)) continue;
      if (nested.length === 0 || child.description !== undefined || child.items !== undefined) {
        found.push([`\`${key}\``, nested.length > 0 ? '' : written(child.default), meaning(child)]);
      }
      found.push(...nested);
    }
  }
  return found;
}

/** The generated tables by the name of their place. */
export function tables(): ReadonlyMap<string, string> {
  const config = z.toJSONSchema(nodeSchema('/'), { io: 'input' }) as Schema;
  const limits = z.toJSONSchema(limitsSchema, { io: 'input' }) as Schema;
  return new Map([
    ['config', table(['key', 'default', 'meaning'], rows(config, ''))],
    [
      'limits',
      table(
        ['limit', 'default', 'why'],
        Object.entries(limits.properties ?? {}).flatMap(([group, { description = '', properties = {} }]) => [
          [`**\`${group}\`**`, '', `**${description}**`],
          ...Object.entries(properties).map(([name, limit]) => [
            `\`${group}.${name}\``,
            String(limit.default),
            limit.description ?? '',
          ]),
        ]),
      ),
    ],
    [
      'replies',
      table(
        ['code', 'meaning'],
        [...REPLY_CODES].map(([code, text]) => [String(code), text]),
      ),
    ],
    [
      'errors',
      table(
        ['code', 'meaning'],
        Object.entries(ERROR_CODES).map(([code, text]) => [`\`${code}\``, text]),
      ),
    ],
    ['log', logTables()],
    ['metrics', table(['metric', 'type', 'labels', 'meaning'], metricRows())],
    ['commands', commandSections()],
  ]);
}

const METRIC_SOURCES = {
  status: () => Promise.reject(new Error('not asked')),
  failing: () => false,
  engine: () => undefined,
  store: () => new Map(),
};

function metricRows(): string[][] {
  const metrics = new Metrics(METRIC_SOURCES);
  metrics.stop();
  return metrics.descriptions.map(({ name, type, labels, help }) => {
    return [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(' '), help];
  });
}

/** The definitions of the commands: usage, arguments and options, exit codes, examples. */
function commandSections(): string {
  const sections = below(makeProgram(COMMANDS)).map((command) => {
    const [path, help, manual] = [pathOf(command), command.createHelp(), manualOf(command)];
    if (manual === undefined) throw new Error(`${path} has no manual: call explain() on it`);
    const code = (lines: readonly string[]): string => `\`\`\`text\n${lines.join('\n')}\n\`\`\``;
    const terms = [
      ...help.visibleArguments(command).map((it) => [help.argumentTerm(it), help.argumentDescription(it)]),
      ...help.visibleOptions(command).map((it) => [help.optionTerm(it), help.optionDescription(it)]),
    ].map(([term = '', meaning = '']) => [`\`${term}\``, plain(meaning)]);
    const exits = exitsOf(manual).map(([number, meaning]) => [number, plain(meaning)]);
    return [
      `## ${path}`,
      plain(command.description()),
      code([`${path} ${command.usage()}`]),
      ...(manual.about === undefined ? [] : [plain(manual.about)]),
      ...(terms.length === 0 ? [] : [table(['argument or option', 'meaning'], terms)]),
      table(['exit code', 'meaning'], exits),
      code(manual.examples),
    ].join('\n\n');
  });
  return sections.join('\n\n');
}

/** Text of a help as Markdown: nothing in it is markup. */
function plain(text: string): string {
  return text.replace(/[<>*_]/g, (mark) => `\\${mark}`);
}

/** A document of docs/reference/ with its generated parts as they should be. */
export function refreshed(text: string): string {
  let fresh = text;
  for (const [name, content] of tables()) {
    const place = new RegExp(`<!-- ${name} -->[\\s\\S]*?<!-- /${name} -->`);
    fresh = fresh.replace(place, () => `<!-- ${name} -->\n${content}\n<!-- /${name} -->`);
  }
  return fresh;
}

/** Where each generated part stands. */
export const PLACES: ReadonlyMap<string, string> = new Map([
  ['config', 'configuration.md'],
  ['limits', 'limits.md'],
  ['replies', 'reply-codes.md'],
  ['errors', 'errors.md'],
  ['log', 'log.md'],
  ['metrics', 'metrics.md'],
  ['commands', 'command-line.md'],
]);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of PLACES.values()) {
    const path = `${REFERENCE}${name}`;
    writeFileSync(path, refreshed(readFileSync(path, 'utf8')));
  }
  writeManualPages();
}
