/**
 * What the project has on a clause: its requirements with their specs, the code, the decisions and the documents that cite
 * it. For `npm run requirements -- --clause`.
 */
import { readFileSync } from 'node:fs';
import {
  allCitations,
  type Citation,
  type Clause,
  matchClause,
  parseClause,
  publishedDocuments,
  readCitations,
  writeClause,
} from './citations.js';
import { idsIn, PROJECT, type Requirement, requirementTable, specFiles } from './requirement-table.js';
import { type SpecTitle, titlesOf } from './spec-titles.js';

export interface Place {
  readonly file: string;
  readonly line: number;
  /** The line itself. */
  readonly text: string;
}

export interface ClauseReport {
  readonly clause: string;
  readonly document: string;
  readonly title: string;
  /** Subsections of the clause that are part of the report. */
  readonly subsections: readonly string[];
  readonly requirements: readonly (Requirement & { readonly specs: readonly SpecTitle[] })[];
  readonly decisions: readonly (Place & { readonly id: string; readonly title: string })[];
  readonly code: readonly Place[];
  /** Specs and helpers of specs that cite the clause. */
  readonly specs: readonly Place[];
  readonly documents: readonly Place[];
}

/**
 * @param exact without the subsections
 * @throws Error for what is no clause of any document
 */
export async function clauseReport(text: string, exact = false): Promise<ClauseReport> {
  const documents = publishedDocuments();
  const wanted = parseClause(text, documents);
  const published = documents.get(wanted.document);
  const meant = (clause: Clause): boolean => {
    const match = matchClause(clause, wanted);
    return match === 'same' || (match === 'below' && !exact);
  };
  const rows = requirementTable().requirements.filter(({ source }) =>
    readCitations('', source, documents, new Set()).citations.some(meant),
  );
  const found = allCitations().citations.filter(meant);
  const cited = found.filter(({ file }) => file !== 'spec/fixtures/requirements.json');
  const titles = await titlesWith(new Set(rows.map(({ id }) => id)));
  const places = onePerLine(cited);
  const decisions = places.filter(({ file }) => file === 'docs/internals/decisions.md').map(decisionAt);
  return {
    clause: writeClause(wanted),
    document: published?.name ?? wanted.document,
    title: published?.title ?? '',
    subsections: subsectionsOf(wanted, found),
    requirements: rows.map((row) => ({ ...row, specs: titles.filter(({ title }) => idsIn(title).includes(row.id)) })),
    decisions: decisions.filter((one, index) => decisions.findIndex(({ id }) => id === one.id) === index),
    code: places.filter(({ file }) => /^(?:lib|bin|kit|web|examples)\//.test(file)),
    specs: places.filter(({ file }) => file.startsWith('spec/')),
    documents: places.filter(({ file }) => file.endsWith('.md') && file !== 'docs/internals/decisions.md'),
  };
}

function subsectionsOf(wanted: Clause, citations: readonly Citation[]): string[] {
  const below = citations.filter((one) => matchClause(one, wanted) === 'below').map(({ section = '' }) => section);
  return [...new Set(below)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** Loads only the spec files that can have those ids: they, or what they import from spec/support, name one. */
async function titlesWith(ids: ReadonlySet<string>): Promise<SpecTitle[]> {
  if (ids.size === 0) return [];
  const titles: SpecTitle[] = [];
  for (const path of specFiles()) {
    if (!mentions(path, ids)) continue;
    for (const title of await titlesOf(path)) if (idsIn(title.title).some((id) => ids.has(id))) titles.push(title);
  }
  return titles;
}

function mentions(path: string, ids: ReadonlySet<string>): boolean {
  const text = readFileSync(path, 'utf8');
  if (idsIn(text).some((id) => ids.has(id))) return true;
  return [...text.matchAll(/from '((?:\.\.?\/)+[^']*support\/[^']+)\.js'/g)].some(([, imported = '']) =>
    idsIn(readFileSync(new URL(`${imported}.ts`, `file://${path}`), 'utf8')).some((id) => ids.has(id)),
  );
}

function onePerLine(citations: readonly Citation[]): Place[] {
  const texts = new Map<string, readonly string[]>();
  const places = new Map<string, Place>();
  for (const { file, line } of citations) {
    const lines = texts.get(file) ?? readFileSync(`${PROJECT}${file}`, 'utf8').split('\n');
    texts.set(file, lines);
    places.set(`${file}:${line}`, { file, line, text: (lines[line - 1] ?? '').trim() });
  }
  return [...places.values()];
}

function decisionAt(place: Place): ClauseReport['decisions'][number] {
  const before = readFileSync(`${PROJECT}${place.file}`, 'utf8').split('\n').slice(0, place.line);
  const [, id = '', title = ''] = before.join('\n').match(/^### (D-\S+) (.*)$(?![\s\S]*^### )/m) ?? [];
  return { ...place, id, title };
}

/** The report as text. */
export function writeReport(report: ClauseReport): string {
  const { clause, document, title, subsections, requirements, decisions, code, specs, documents } = report;
  const name = clause.startsWith(document) ? clause : `${clause} (${document})`;
  const lines = [`${name}: ${title}`];
  if (subsections.length > 0) {
    lines.push(`With its subsections ${subsections.join(', ')}; --exact leaves them out.`);
  }
  const part = (heading: string, entries: readonly string[]): void => {
    if (entries.length > 0) lines.push('', `${heading} (${entries.length})`, ...entries);
  };
  const place = (one: Place): string => `  ${one.file}:${one.line}: ${one.text}`;
  part(
    'Requirements',
    requirements.map(({ id, level, text, source, specs: shown }) =>
      [
        `  ${id} ${level}: ${text} [${source}]`,
        ...(shown.length === 0 ? ['      no spec'] : shown.map((one) => `      ${one.file}:${one.line}: ${one.title}`)),
      ].join('\n'),
    ),
  );
  part(
    'Decisions',
    decisions
      .filter(({ id }) => id !== '')
      .map(({ id, title: what, file, line }) => `  ${file}:${line}: ${id} ${what}`),
  );
  part('Code', code.map(place));
  part('Specs that cite it', specs.map(place));
  part('Documents', documents.map(place));
  if (requirements.length + decisions.length + code.length + specs.length + documents.length === 0) {
    lines.push('', 'Nothing cites it.');
  }
  return lines.join('\n');
}
