/**
 * The tables of the README (and of contrib/log.md) that are derived from the code: `npm run readme` writes them, a spec compares them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { limitsSchema } from '../../lib/config/limits.js';
import { nodeSchema } from '../../lib/config/schema.js';
import { ERROR_CODES } from '../../lib/errors.js';
import { REPLY_CODES } from '../../lib/imxp/reply-code.js';
import { LOG_DOCUMENT, refreshedLogDocument } from './log-fields.js';

export const README = fileURLToPath(new URL('../../README.md', import.meta.url));

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
  ]);
}

/** The README with its tables as they should be. */
export function refreshed(text: string): string {
  let fresh = text;
  for (const [name, content] of tables()) {
    const place = new RegExp(`<!-- ${name} -->[\\s\\S]*?<!-- /${name} -->`);
    fresh = fresh.replace(place, () => `<!-- ${name} -->\n${content}\n<!-- /${name} -->`);
  }
  return fresh;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = readFileSync(README, 'utf8');
  writeFileSync(README, refreshed(text));
  writeFileSync(LOG_DOCUMENT, refreshedLogDocument(readFileSync(LOG_DOCUMENT, 'utf8')));
}
