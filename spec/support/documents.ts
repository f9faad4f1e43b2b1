/** The documents of the project, and the code blocks in them. */
import { readdirSync, readFileSync } from 'node:fs';
import { PROJECT } from './requirement-table.js';

/** A fenced block of a document. */
export interface CodeBlock {
  /** Path of the document from the top of the project. */
  readonly document: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** Why nobody can run it here, as a comment right before the block says: `<!-- not run: needs root -->`. */
  readonly notRun?: string;
}

/** Documents that people read, by their paths; fixtures and what is installed are none. */
export function documentPaths(): string[] {
  const below = ['docs', 'examples', 'contrib', 'certs'].flatMap((folder) =>
    readdirSync(`${PROJECT}${folder}`, { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path}`),
  );
  return [...readdirSync(PROJECT), ...below].filter((path) => path.endsWith('.md')).sort();
}

export function readDocument(path: string): string {
  return readFileSync(`${PROJECT}${path}`, 'utf8');
}

/** The fenced blocks of a document, in their order. */
export function codeBlocks(document: string, text: string = readDocument(document)): CodeBlock[] {
  return [...text.matchAll(/(?:^<!-- not run:([^\n]*)-->\n)?^```([^\n`]*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [, reason, language = '', block = ''] = match;
    const line = text.slice(0, match.index).split('\n').length + (reason === undefined ? 0 : 1);
    return { document, line, language, text: block, ...(reason === undefined ? {} : { notRun: reason.trim() }) };
  });
}
