/**
 * Citations in the sources, specs and documents: `RFC 3080 §2.3.1.2`, `core-01 §4.4.1 and §4.4.2`, `presence-01 Appendix A`,
 * `D-CORE-19`. Finds them, says where they stand, and whether the document (spec/fixtures/documents.json) has that section
 * and docs/internals/decisions.md that decision. Knows nothing of what the clauses demand.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { PROJECT } from './requirement-table.js';

/** A published document that may be cited. */
export interface PublishedDocument {
  /** The whole name: `RFC 3080`, `draft-mrose-imxp-core-01`. */
  readonly name: string;
  /** What it is cited by where that is shorter. */
  readonly short?: string;
  readonly title: string;
  /** Its sections and appendices, separated by spaces. */
  readonly sections: string;
  /** Whether only those sections are listed that are cited; others have to be looked up and added. */
  readonly partial?: boolean;
}

/** A clause: a document, and a section of it unless the whole document is meant. */
export interface Clause {
  /** As it is cited: the short name where there is one. */
  readonly document: string;
  readonly section: string | undefined;
}

export interface Citation extends Clause {
  /** Path from the top of the project. */
  readonly file: string;
  readonly line: number;
}

/** A reference that resolves to nothing. */
export interface Dangling {
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

const FOLDERS = ['lib', 'bin', 'kit', 'web', 'spec', 'contrib', 'docs', 'examples', 'certs'];
const TEXTS = new Set(['.ts', '.md', '.json', '.c', '.py', '.html', '.service', '']);
/** These speak about citations themselves; the pages of the manual are generated. */
const SKIPPED =
  /^(?:spec\/(?:citations\.spec|clauses\.spec|support\/(?:citations|clause-report|requirements)|fixtures\/documents)|contrib\/man\/)|node_modules/;

const SECTION = String.raw`(?:§§?[0-9]+(?:\.[0-9]+)*|Appendix [A-Z](?:\.[0-9]+)*)`;
const NAME = String.raw`(?:RFC [0-9]+|(?:core|access|presence|rfc822-xml|message-service|cpim)-[0-9]{2}|draft-[a-z0-9-]+-[0-9]{2}|(?:Namespaces in )?XML 1\.0)`;
const TOKEN = new RegExp(String.raw`(?<![\w-])(${NAME})(?![\w-])|(${SECTION})`, 'g');
/** How far from its document a section may stand, in the same sentence. */
const REACH = 60;
const SENTENCE_END = /[.!?]\s/;
/** An appendix stands right behind its document: the word is used otherwise too. */
const JOINED = /^,? (?:and |or |to |in )?$/;
const DECISION = /(?<![\w-])D-[A-Z]+-[0-9]+(?![\w-])/g;
/** Names of notes that nobody outside has, and numbers of lists in them. */
const PRIVATE: readonly RegExp[] = [
  /IMXP (?:core|access|presence|message(?: service)?|CPIM|options) §/g,
  /[Aa]rchitecture §/g,
  /(?<![\w/-])(?:beep|imxp-(?:core|access|presence|message|options)|cpim|srv|sasl-digest-md5)\.md\b/g,
  /(?<![\w-])(?:A|B|ACC|PRES|MSG|OPT)-[0-9]+(?![\w-])/g,
  /(?<![\w-])msg-service-/g,
];

/** The documents by the names they may be cited by, the whole ones included. */
export function publishedDocuments(): ReadonlyMap<string, PublishedDocument> {
  const { documents }: { documents: PublishedDocument[] } = JSON.parse(
    readFileSync(new URL('../fixtures/documents.json', import.meta.url), 'utf8'),
  );
  return new Map(documents.flatMap((one) => [one.name, one.short ?? one.name].map((name) => [name, one] as const)));
}

/** Ids of docs/internals/decisions.md, in their order. */
export function decisionIds(): string[] {
  const text = readFileSync(`${PROJECT}docs/internals/decisions.md`, 'utf8');
  return [...text.matchAll(/^### (D-[A-Z]+-[0-9]{2}) /gm)].map(([, id = '']) => id);
}

/** Paths of everything that may cite, from the top of the project, sorted. */
export function citingFiles(): string[] {
  const top = readdirSync(PROJECT).filter((name) => name.endsWith('.md'));
  const below = FOLDERS.flatMap((folder) => {
    try {
      return readdirSync(`${PROJECT}${folder}`, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && TEXTS.has(extname(entry.name)))
        .map((entry) => `${entry.parentPath.slice(PROJECT.length)}/${entry.name}`);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  });
  return [...top, ...below].filter((path) => !SKIPPED.test(path)).sort();
}

/** A text as one line: comments and paragraphs without their line ends, with the way back to lines. */
class Flat {
  readonly text: string;
  readonly #starts: number[] = [];

  constructor(source: string) {
    let text = '';
    for (const [index, line] of source.split('\n').entries()) {
      this.#starts.push(text.length);
      const content = index === 0 ? line : line.replace(/^[ \t]*(?:\*(?!\/)|\/\/|#|>)?[ \t]*/, '');
      text += `${content.trimEnd()} `;
    }
    this.text = text;
  }

  lineOf(at: number): number {
    let [low, high] = [0, this.#starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] ?? 0) <= at) low = middle;
      else high = middle;
    }
    return low + 1;
  }
}

function plain(section: string): string {
  return section.replace(/^(?:§§?|Appendix )/, '');
}

/** The document that was named last. */
interface Named {
  readonly name: string;
  readonly known: PublishedDocument | undefined;
  readonly document: string;
  readonly at: number;
  /** Of the name or the section that came last. */
  end: number;
  /** Whether a section of it was cited. */
  cited: boolean;
}

/** What a text cites, in order; and what it cites that is not there. */
export function readCitations(
  file: string,
  source: string,
  documents: ReadonlyMap<string, PublishedDocument>,
  decisions: ReadonlySet<string>,
): { readonly citations: readonly Citation[]; readonly dangling: readonly Dangling[] } {
  const flat = new Flat(source);
  const citations: Citation[] = [];
  const dangling: Dangling[] = [];
  const lost = (at: number, what: string): void => void dangling.push({ file, line: flat.lineOf(at), what });
  let current: Named | undefined;
  const whole = (): void => {
    if (current?.cited !== false) return;
    citations.push({ document: current.document, section: undefined, file, line: flat.lineOf(current.at) });
  };
  for (const { 1: name, 2: written = '', index } of flat.text.matchAll(TOKEN)) {
    if (name !== undefined) {
      whole();
      const known = documents.get(name);
      if (known === undefined) lost(index, `${name} is not in spec/fixtures/documents.json`);
      current = {
        name,
        known,
        document: known?.short ?? known?.name ?? name,
        at: index,
        end: index + name.length,
        cited: false,
      };
      continue;
    }
    const between = current === undefined ? '' : flat.text.slice(current.end, index);
    const appendix = written.startsWith('Appendix');
    if (current === undefined || between.length > REACH || SENTENCE_END.test(between)) {
      if (!appendix) lost(index, `no document before ${written}`);
      continue;
    }
    if (appendix && !JOINED.test(between)) continue;
    current.cited = true;
    current.end = index + written.length;
    const section = plain(written);
    citations.push({ document: current.document, section, file, line: flat.lineOf(index) });
    const { known } = current;
    if (known !== undefined && !known.sections.split(' ').includes(section)) {
      lost(
        index,
        `${current.name} has no ${written}${known.partial === true ? ' among those that were looked up' : ''}`,
      );
    }
  }
  whole();
  for (const { 0: id, index } of flat.text.matchAll(DECISION)) {
    citations.push({ document: id, section: undefined, file, line: flat.lineOf(index) });
    if (!decisions.has(id)) lost(index, `${id} is not in docs/internals/decisions.md`);
  }
  for (const form of PRIVATE) {
    for (const { 0: text, index } of flat.text.matchAll(form)) lost(index, `"${text}" is a private name`);
  }
  return { citations, dangling };
}

/** All citations of the project, and all that resolve to nothing. */
export function allCitations(): { readonly citations: readonly Citation[]; readonly dangling: readonly Dangling[] } {
  const documents = publishedDocuments();
  const decisions = new Set(decisionIds());
  const read = citingFiles().map((file) =>
    readCitations(file, readFileSync(`${PROJECT}${file}`, 'utf8'), documents, decisions),
  );
  return { citations: read.flatMap((one) => one.citations), dangling: read.flatMap((one) => one.dangling) };
}

/**
 * A clause as people write it: `RFC 3080 §2.6.3`, `draft-mrose-imxp-core-01 §4.4.1`, `core-01 4.4.1`, `RFC 3080`.
 *
 * @throws Error that says what is wrong with it
 */
export function parseClause(text: string, documents: ReadonlyMap<string, PublishedDocument>): Clause {
  const written = /^\s*(.*?)(?:\s*(?:§|Appendix|App\.)?\s*((?:[0-9]+|[A-Z])(?:\.[0-9]+)*))?\s*$/.exec(text);
  const whole = documents.get(text.trim().replace(/^rfc *(?=[0-9])/i, 'RFC '));
  if (whole !== undefined) return { document: whole.short ?? whole.name, section: undefined };
  const [, name = '', section] = written ?? [];
  const document = documents.get(name.trim().replace(/^rfc *(?=[0-9])/i, 'RFC '));
  if (document === undefined) {
    const names = [...new Set([...documents.values()].map((one) => one.short ?? one.name))];
    throw new Error(`"${name.trim() || text}" is none of the documents that are cited: ${names.join(', ')}`);
  }
  if (section !== undefined && !document.sections.split(' ').includes(section) && document.partial !== true) {
    throw new Error(`${document.name}, "${document.title}", has no section ${section}; it has ${document.sections}`);
  }
  return { document: document.short ?? document.name, section };
}

/** Whether a clause is the one wanted; 'below' when it is a subsection of it. */
export function matchClause(clause: Clause, wanted: Clause): 'same' | 'below' | undefined {
  if (clause.document !== wanted.document) return undefined;
  if (clause.section === wanted.section) return 'same';
  if (wanted.section === undefined) return 'below';
  return clause.section?.startsWith(`${wanted.section}.`) === true ? 'below' : undefined;
}

/** A clause as it is cited. */
export function writeClause({ document, section }: Clause): string {
  if (section === undefined) return document;
  return /^[A-Z]/.test(section) ? `${document} Appendix ${section}` : `${document} §${section}`;
}
