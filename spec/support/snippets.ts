/** Compiles TypeScript blocks of documents as a user of this package would, in strict mode. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CodeBlock } from './documents.js';
import { PROJECT } from './requirement-table.js';

interface Exports {
  readonly [path: string]: string | { readonly types: string };
}

/** The names that a block may use without declaring them. */
const GIVEN = ['fred', 'barney'];

/** A block as a module: an endpoint is there that it neither imports nor makes. */
function moduleOf({ text }: CodeBlock): string {
  const given = GIVEN.filter((name) => !new RegExp(`(?:const|let) ${name}\\b`).test(text));
  const declared = given.map((name) => `declare const ${name}: import('imxp').Endpoint;`);
  return `${declared.join(' ')} export {};\n${text}`;
}

/** The sources behind the exports of the package, by the names people import. */
function paths(): Record<string, readonly string[]> {
  const { name, exports }: { name: string; exports: Exports } = JSON.parse(
    readFileSync(`${PROJECT}package.json`, 'utf8'),
  );
  return Object.fromEntries(
    Object.entries(exports).flatMap(([path, entry]) => {
      if (typeof entry === 'string') return [];
      const source = entry.types.replace('./dist/', '').replace(/\.d\.ts$/, '.ts');
      return [[`${name}${path.slice(1)}`, [`${PROJECT}${source}`]]];
    }),
  );
}

/** @returns what the compiler says, each with the document and the line of the block; empty when all compile */
export function compilerMessages(blocks: readonly CodeBlock[]): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'imxp-snippets-'));
  try {
    blocks.forEach((block, index) => {
      writeFileSync(join(directory, `block-${index}.ts`), moduleOf(block));
    });
    const { compilerOptions } = JSON.parse(readFileSync(`${PROJECT}tsconfig.json`, 'utf8'));
    const options = {
      ...compilerOptions,
      noEmit: true,
      rootDir: '/',
      paths: paths(),
      typeRoots: [`${PROJECT}node_modules/@types`],
      noUnusedLocals: false,
    };
    writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }));
    const { status, stdout, error } = spawnSync(`${PROJECT}node_modules/.bin/tsc`, ['-p', directory], {
      cwd: directory,
      encoding: 'utf8',
    });
    if (error !== undefined) throw error;
    if (status === 0) return [];
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) =>
        line.replace(/^block-(\d+)\.ts\((\d+),/, (_, index: string, at: string) => {
          const block = blocks[Number(index)];
          return `${block?.document}:${(block?.line ?? 0) + Number(at) - 1} (column `;
        }),
      );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
