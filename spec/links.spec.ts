import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { expect } from 'chai';
import { PROJECT } from './support/requirement-table.js';

/** Folders that hold documents; below the top everything else is code, or not ours. */
const FOLDERS = ['docs', 'contrib', 'certs', 'examples', 'lib', 'spec', 'kit', 'bin', 'web'];

interface Link {
  readonly line: number;
  readonly target: string;
}

function documents(): string[] {
  const top = readdirSync(PROJECT).filter((name) => name.endsWith('.md'));
  const below = FOLDERS.filter((folder) => existsSync(`${PROJECT}${folder}`)).flatMap((folder) =>
    readdirSync(`${PROJECT}${folder}`, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
      .map((path) => `${folder}/${path}`),
  );
  return [...top, ...below].sort();
}

/** A document without what stands in code, lines kept. */
function prose(text: string): string {
  const blank = (code: string): string => code.replace(/[^\n]/g, ' ');
  return text.replace(/^(`{3,}|~{3,})[\s\S]*?^\1.*$/gm, blank).replace(/`[^`\n]*`/g, blank);
}

/** Inline links, images, and definitions of reference links. */
function linksOf(text: string): Link[] {
  const plain = prose(text);
  const found = [
    ...plain.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g),
    ...plain.matchAll(/^\[[^\]]+\]:\s*<?(\S+?)>?$/gm),
  ];
  return found.map((match) => ({
    line: plain.slice(0, match.index).split('\n').length,
    target: match[1] ?? '',
  }));
}

/** The anchors of a document, as GitHub makes them from its headings. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  const headings = text.replace(/^(`{3,}|~{3,})[\s\S]*?^\1.*$/gm, '').matchAll(/^#{1,6} +(.+?)(?: +#+)?$/gm);
  for (const [, heading = ''] of headings) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n += 1) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  for (const [, id = ''] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id);
  return anchors;
}

/** What is wrong with a link of a document; undefined when it leads somewhere. */
function fault(document: string, target: string, read: (path: string) => string): string | undefined {
  if (/^(?:https?|mailto|im):/.test(target)) return undefined;
  const [path = '', anchor] = target.split('#', 2);
  if (path.startsWith('/')) return 'begins at the top of a file system';
  const file = path === '' ? `${PROJECT}${document}` : resolve(PROJECT, dirname(document), decodeURIComponent(path));
  if (relative(PROJECT, file).startsWith('..')) return 'leads out of the project';
  if (!existsSync(file)) return 'there is no such file';
  if (anchor === undefined) return undefined;
  if (!file.endsWith('.md')) return /^L\d+(?:-L\d+)?$/.test(anchor) ? undefined : 'only documents have anchors';
  return anchorsOf(read(file)).has(anchor) ? undefined : 'there is no such heading';
}

describe('links in documents', () => {
  const read = (path: string): string => readFileSync(path, 'utf8');
  const all = documents();

  it('lead to files and headings that exist', () => {
    expect(all).to.include.members(['README.md', 'SECURITY.md', 'contrib/README.md', 'docs/internals/decisions.md']);
    const dead = all.flatMap((document) =>
      linksOf(read(`${PROJECT}${document}`)).flatMap(({ line, target }) => {
        const why = fault(document, target, read);
        return why === undefined ? [] : [`${document}:${line}: ${target}: ${why}`];
      }),
    );
    expect(dead).to.deep.equal([]);
  });

  it('are joined by the names of sources in code, which exist too', () => {
    const missing = all
      // What a release had stays as it was said.
      .filter((document) => document !== 'CHANGELOG.md')
      .flatMap((document) => {
        const text = read(`${PROJECT}${document}`);
        return [...text.matchAll(/`((?:lib|spec|bin|kit|web|docs|contrib|examples)\/[A-Za-z0-9/._-]*[A-Za-z0-9])\/?`/g)]
          .filter(([, path = '']) => !existsSync(`${PROJECT}${path}`))
          .map(([, path]) => `${document}: ${path}`);
      });
    expect(missing).to.deep.equal([]);
  });

  describe('are found dead when they are', () => {
    const page = ['# One & two', '', '## A `code` heading', '', '## D-CORE-01 It, them', '## Same', '## Same'].join(
      '\n',
    );
    const reads = (): string => page;
    for (const [target, why] of [
      ['README.md', undefined],
      ['../README.md', 'leads out of the project'],
      ['none.md', 'there is no such file'],
      ['/etc/hosts', 'begins at the top of a file system'],
      ['package.json#scripts', 'only documents have anchors'],
      ['README.md#one--two', undefined],
      ['README.md#a-code-heading', undefined],
      ['README.md#d-core-01-it-them', undefined],
      ['README.md#same-1', undefined],
      ['README.md#same-2', 'there is no such heading'],
      ['#a-code-heading', undefined],
      ['https://example.com/none', undefined],
    ] as const) {
      it(`${target}: ${why ?? 'alive'}`, () => {
        expect(fault('README.md', target, reads)).to.equal(why);
      });
    }

    it('but not in code', () => {
      expect(linksOf('`[a](b)`\n```\n[c](d)\n```\n[e](f "title") and ![g](h)\n[i]: j')).to.deep.equal([
        { line: 5, target: 'f' },
        { line: 5, target: 'h' },
        { line: 6, target: 'j' },
      ]);
    });
  });
});
