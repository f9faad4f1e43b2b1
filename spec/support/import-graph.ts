/**
 * The imports between the files of lib/ and bin/, read from the sources. As a script (`tsx
 * spec/support/import-graph.ts`) it prints the graph of the folders. The rules are in spec/architecture.spec.ts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PROJECT } from './requirement-table.js';

export interface Import {
  /** Path of the importing file from the top of the project. */
  readonly from: string;
  /** Path of the imported file likewise (`.ts`), or a package's or builtin's name. */
  readonly to: string;
  /** True when only types cross: nothing is loaded at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface Source {
  readonly path: string;
  readonly text: string;
}

const STATEMENT = /^(?:import|export)\b([^'"`;]*?)\bfrom\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

export function sources(): Source[] {
  return ['lib', 'kit', 'bin'].flatMap((top) =>
    readdirSync(`${PROJECT}${top}`, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => ({ path: `${top}/${path}`, text: readFileSync(`${PROJECT}${top}/${path}`, 'utf8') })),
  );
}

/** The imports of one source, static, dynamic and re-exports. */
export function importsOf({ path, text }: Source): Import[] {
  const found = (at: number, specifier: string, typeOnly: boolean): Import => ({
    from: path,
    to: specifier.startsWith('.') ? target(path, specifier) : specifier,
    typeOnly,
    line: text.slice(0, at).split('\n').length,
  });
  return [
    ...[...text.matchAll(STATEMENT)].map((match) =>
      found(match.index, match[2] ?? match[3] ?? '', /^\s*type\b/.test(match[1] ?? '')),
    ),
    ...[...text.matchAll(DYNAMIC)].map((match) => found(match.index, match[1] ?? '', false)),
  ];
}

function target(from: string, specifier: string): string {
  return relative(PROJECT, resolve(PROJECT, dirname(from), specifier)).replace(/\.js$/, '.ts');
}

/** The part of the architecture a file belongs to: its folder in lib/, its name when it lies in lib/ itself, or `bin`. */
export function areaOfFile(path: string): string {
  const [top, name] = path.split('/');
  return top === 'lib' ? (name ?? '').replace(/\.ts$/, '') : (top ?? '');
}

/** Folder -> the folders it imports, those with types only in brackets. */
export function graph(files: readonly Source[]): Map<string, string[]> {
  const edges = new Map<string, Map<string, boolean>>();
  for (const { from, to, typeOnly } of files.flatMap(importsOf)) {
    if (!/^(lib|bin)\//.test(to) || areaOfFile(from) === areaOfFile(to)) continue;
    const row = edges.get(areaOfFile(from)) ?? new Map<string, boolean>();
    row.set(areaOfFile(to), typeOnly && (row.get(areaOfFile(to)) ?? true));
    edges.set(areaOfFile(from), row);
  }
  return new Map(
    [...edges].sort().map(([area, row]) => [area, [...row].sort().map(([to, types]) => (types ? `(${to})` : to))]),
  );
}

/**
 * The circles of imports: each a group of files that reach one another, whatever crosses, types included. Tarjan's
 * strongly connected components.
 */
export function circles(imports: readonly Pick<Import, 'from' | 'to'>[]): string[][] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of imports) targets.set(from, [...(targets.get(from) ?? []), to]);
  const order = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): number => {
    const index = order.size;
    order.set(file, index);
    let low = index;
    stack.push(file);
    for (const next of targets.get(file) ?? []) {
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (stack.includes(next)) low = Math.min(low, order.get(next) ?? index);
    }
    if (low === index) {
      const group = stack.splice(stack.indexOf(file));
      if (group.length > 1 || targets.get(file)?.includes(file)) found.push(group.sort());
    }
    return low;
  };
  for (const file of targets.keys()) if (!order.has(file)) visit(file);
  return found;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [area, to] of graph(sources())) console.log(`${area.padEnd(10)} -> ${to.join(' ')}`);
  console.log('(in brackets: types only)');
  for (const group of circles(sources().flatMap(importsOf))) console.log(`circle: ${group.join(' <-> ')}`);
}
