import { expect } from 'chai';
import { areaOfFile, circles, graph, type Import, importsOf, sources } from './support/import-graph.js';

/**
 * The layers, lowest first. A file may import its own folder, any lower row and the leaves. `IMXP_GRAPH=1` prints the
 * graph as it is.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['errors'],
  ['xml', 'mime'],
  ['imxp', 'beep'],
  ['message'],
  ['sasl', 'tls', 'certs'],
  ['relay', 'transport', 'store'],
  ['mesh', 'acme'],
  ['cluster'],
  ['services', 'endpoint', 'gateway'],
  ['admin'],
  ['node'],
  ['exports'],
  ['kit'],
  ['bin'],
];

/** Types, interfaces and channels that anyone may import; they import errors and each other, nothing else. */
const LEAVES = new Set(['config', 'ops']);

/** The seams between neighbours: interfaces that one side declares and the other implements. Types only. */
const SEAMS = new Set(['store -> lib/relay/target.ts', 'store -> lib/relay/offline/spool.ts']);

/** BEEP on connections is usable without anything of IMXP: these areas import none of what IMXP is made of. */
const WITHOUT_IMXP = new Set(['beep', 'sasl', 'tls', 'transport']);
const IMXP = new Set(['imxp', 'message', 'relay']);

const SOCKETS = /^(node:)?(net|tls|dns|dgram|http|https|http2)(\/promises)?$/;
const TIMERS = /\b(setTimeout|setInterval)\s*\(|timers\/promises/;

const rank = new Map(LAYERS.flatMap((row, index) => row.map((area) => [area, index] as const)));

/** What is wrong with an import, or undefined. */
function fault({ from, to, typeOnly }: Import): string | undefined {
  const [source, target] = [areaOfFile(from), areaOfFile(to)];
  if (source === target || (LEAVES.has(target) && source !== 'errors')) return undefined;
  if (LEAVES.has(source)) return target === 'errors' ? undefined : 'a leaf imports nothing but errors and leaves';
  if (typeOnly && SEAMS.has(`${source} -> ${to}`)) return undefined;
  if (WITHOUT_IMXP.has(source) && IMXP.has(target)) return 'knows something of IMXP';
  const [own, other] = [rank.get(source), rank.get(target)];
  if (own === undefined || other === undefined)
    return `${own === undefined ? source : target} has no place in the layers`;
  if (other > own) return 'points up';
  return other === own ? 'points sideways' : undefined;
}

const DECLARATION =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:class|interface|type|const|let|enum|function\*?) ([A-Za-z_$][\w$]*)/gm;

/** The names that a source declares and exports itself; overloads once. */
function declared(text: string): string[] {
  return [...new Set([...text.matchAll(DECLARATION)].map((match) => match[1] ?? ''))];
}

const inside = (path: string): boolean => /^(lib|kit|bin)\//.test(path);

/** Folders and files that open sockets and set timers of their own. */
const OPENS = new Set(['transport', 'mesh', 'acme', 'cluster', 'admin']);
const OPENING_FILES = new Set([
  'lib/store/lock.ts',
  'lib/store/postgres/connection.ts',
  'lib/store/postgres/lease.ts',
  'lib/store/postgres/spool.ts',
  'lib/store/postgres/store.ts',
]);

describe('the architecture', () => {
  const files = sources();
  const imports = files.flatMap(importsOf);

  before(() => {
    if (process.env['IMXP_GRAPH'] === undefined) return;
    for (const [area, to] of graph(files)) console.log(`      ${area.padEnd(10)} -> ${to.join(' ')}`);
  });

  it('reads imports in every form', () => {
    const text = [
      "import { a } from './a.js';",
      "import type { B } from '../xml/b.js';",
      "export {\n  c,\n  d,\n} from '../../bin/c.js';",
      "import 'node:net';",
      "const e = await import('../errors.js');",
    ].join('\n');
    expect(importsOf({ path: 'lib/beep/x.ts', text })).to.deep.equal([
      { from: 'lib/beep/x.ts', to: 'lib/beep/a.ts', typeOnly: false, line: 1 },
      { from: 'lib/beep/x.ts', to: 'lib/xml/b.ts', typeOnly: true, line: 2 },
      { from: 'lib/beep/x.ts', to: 'bin/c.ts', typeOnly: false, line: 3 },
      { from: 'lib/beep/x.ts', to: 'node:net', typeOnly: false, line: 7 },
      { from: 'lib/beep/x.ts', to: 'lib/errors.ts', typeOnly: false, line: 8 },
    ]);
  });

  it('recognises imports that point up, sideways and out of a leaf', () => {
    const arrow = (from: string, to: string, typeOnly = false) => fault({ from, to, typeOnly, line: 1 });
    expect(arrow('lib/xml/a.ts', 'lib/beep/b.ts')).to.equal('points up');
    expect(arrow('lib/imxp/a.ts', 'lib/beep/b.ts')).to.equal('points sideways');
    expect(arrow('lib/config/a.ts', 'lib/beep/b.ts')).to.equal('a leaf imports nothing but errors and leaves');
    expect(arrow('lib/store/a.ts', 'lib/relay/target.ts')).to.equal('points sideways');
    expect(arrow('lib/store/a.ts', 'lib/relay/target.ts', true)).to.equal(undefined);
    expect(arrow('lib/transport/a.ts', 'lib/imxp/b.ts', true)).to.equal('knows something of IMXP');
    expect(arrow('lib/odd/a.ts', 'lib/beep/b.ts')).to.equal('odd has no place in the layers');
    expect(arrow('lib/relay/a.ts', 'lib/beep/b.ts')).to.equal(undefined);
  });

  it('has imports that only point down', () => {
    const wrong = imports
      .filter(({ to }) => inside(to))
      .map((arrow) => [arrow, fault(arrow)] as const)
      .filter(([, reason]) => reason !== undefined)
      .map(([{ from, to, line }, reason]) => `${from}:${line} -> ${to} ${reason}`);
    expect(wrong, wrong.join('\n')).to.deep.equal([]);
  });

  it('finds circles, whatever crosses', () => {
    const arrows = (...pairs: string[]) => pairs.map((pair) => ({ from: pair.slice(0, 1), to: pair.slice(1) }));
    expect(circles(arrows('ab', 'bc', 'ac'))).to.deep.equal([]);
    expect(circles(arrows('ab', 'bc', 'ca', 'cd', 'de', 'ed'))).to.deep.equal([
      ['d', 'e'],
      ['a', 'b', 'c'],
    ]);
    expect(circles(arrows('aa'))).to.deep.equal([['a']]);
  });

  it('has no circle of imports, types included', () => {
    const found = circles(imports.filter(({ to }) => inside(to))).map((group) => group.join(' <-> '));
    expect(found, found.join('\n')).to.deep.equal([]);
  });

  /** What is loaded with these files, as far as nothing is imported later. */
  function loadedWith(...starts: readonly string[]): readonly string[] {
    const lines = new Map(files.map(({ path, text }) => [path, text.split('\n')]));
    const atOnce = imports.filter(
      ({ from, line, typeOnly }) => !typeOnly && !/\bimport\(/.test(lines.get(from)?.[line - 1] ?? ''),
    );
    const loaded = new Set(starts);
    for (const path of loaded) {
      for (const { from, to } of atOnce) if (from === path) loaded.add(to);
    }
    return [...loaded];
  }

  const packagesOf = (loaded: readonly string[]): readonly string[] =>
    loaded.filter((path) => !inside(path) && !/^node:/.test(path)).sort();

  it('loads into a relay only the packages that every relay needs', () => {
    // What a relay with a store on disk and a plain listener imports on its way to being ready.
    const store = ['lib/store/lmdb.ts', 'lib/store/lmdb-spool.ts'];
    const loaded = loadedWith('bin/imxp.ts', 'bin/relay.ts', 'lib/node/node.ts', ...store);
    expect(packagesOf(loaded)).to.deep.equal(['commander', 'dns-packet', 'lmdb', 'pino', 'sax', 'zod']);
    expect(loaded.filter((path) => /^lib\/(?:endpoint|message|admin\/api)/.test(path))).to.deep.equal([]);
    // What several processes or machines need, only where they are configured.
    expect(loaded.filter((path) => /^lib\/(?:cluster|store\/postgres)\//.test(path))).to.deep.equal([]);
  });

  it('loads into the commands of an endpoint no package that only S/MIME or old TLS needs', () => {
    for (const command of ['send', 'ping', 'trace', 'presence', 'access']) {
      const packages = packagesOf(loadedWith('bin/imxp.ts', `bin/${command}.ts`));
      expect(packages, command).to.include('commander');
      const heavy = ['pkijs', 'asn1js', 'node-forge', 'lmdb', 'pino', 'ws', 'acme-client', 'prom-client'];
      expect(
        packages.filter((name) => heavy.includes(name)),
        command,
      ).to.deep.equal([]);
    }
  });

  it('confines sockets, names and clocks to transport, mesh and admin', () => {
    const guarded = files.filter(
      ({ path }) => path.startsWith('lib/') && !OPENS.has(areaOfFile(path)) && !OPENING_FILES.has(path),
    );
    const sockets = guarded
      .flatMap(importsOf)
      .filter(({ to, typeOnly }) => SOCKETS.test(to) && !typeOnly)
      .map(({ from, to, line }) => `${from}:${line} -> ${to}`);
    const timers = guarded.flatMap(({ path, text }) =>
      text
        .split('\n')
        .map((line, index) => [`${path}:${index + 1}`, line] as const)
        .filter(([, line]) => TIMERS.test(line) && !/^\s*(\*|\/\/)/.test(line))
        .map(([place]) => `${place} sets a timer`),
    );
    expect([...sockets, ...timers], [...sockets, ...timers].join('\n')).to.deep.equal([]);
  });

  it('finds the names that a file declares and exports', () => {
    const text = [
      'export class A {}',
      'export abstract class B {}',
      'export async function* c() {}',
      'export const D = 1;',
      'export interface E {}',
      'export type F<T> = T;',
      "export { G } from './g.js';",
      "export type { H } from './h.js';",
      'class I {}',
      '  export const J = 1;',
    ].join('\n');
    expect(declared(text)).to.deep.equal(['A', 'B', 'c', 'D', 'E', 'F']);
  });

  it('exports each name from one file of lib, so that one name means one thing', () => {
    const places = new Map<string, string[]>();
    for (const { path, text } of files.filter((file) => file.path.startsWith('lib/'))) {
      for (const name of declared(text)) places.set(name, [...(places.get(name) ?? []), path]);
    }
    const shared = [...places]
      .filter(([, paths]) => paths.length > 1)
      .map(([name, paths]) => `${name}: ${paths.join(', ')}`);
    expect(shared, shared.join('\n')).to.deep.equal([]);
  });

  it('begins every file with a description of what it contains', () => {
    const silent = files.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path);
    expect(silent, silent.join('\n')).to.deep.equal([]);
  });
});
