/** Titles of the specs in a spec file, read by loading it without running it, so that those made from tables are seen. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import Mocha from 'mocha';
import { idsIn, PROJECT } from './requirement-table.js';

export interface SpecTitle {
  /** Path from the top of the project. */
  readonly file: string;
  /** Of the spec, or of what its title is made from. */
  readonly line: number;
  /** With the titles of the suites around it. */
  readonly title: string;
}

/** Specs that are pending show nothing, so they are left out. */
function titlesIn(suite: Mocha.Suite): { readonly own: string; readonly full: string }[] {
  const own = suite.tests
    .filter((spec) => !spec.isPending())
    .map((spec) => ({ own: spec.title, full: spec.fullTitle() }));
  return [...own, ...suite.suites.flatMap(titlesIn)];
}

/** What was loaded: a spec file can be loaded once in a process. */
const loaded = new Map<string, Promise<SpecTitle[]>>();

/** @throws whatever loading the file throws */
export function titlesOf(path: string): Promise<SpecTitle[]> {
  const titles = loaded.get(path) ?? load(path);
  loaded.set(path, titles);
  return titles;
}

async function load(path: string): Promise<SpecTitle[]> {
  const mocha = new Mocha({ ui: 'bdd' });
  mocha.addFile(path);
  await mocha.loadFilesAsync();
  const lines = readFileSync(path, 'utf8').split('\n');
  const file = relative(PROJECT, path);
  return titlesIn(mocha.suite).map(({ own, full }) => ({ file, line: lineOf(own, full, lines), title: full }));
}

/** Where a title stands: as it is, or else the first of its ids, or else its first words. */
function lineOf(own: string, full: string, lines: readonly string[]): number {
  const clues = [own, ...idsIn(own), ...idsIn(full), own.split(' ').slice(0, 3).join(' ')];
  for (const clue of clues) {
    const at = lines.findIndex((line) => line.includes(clue) || line.includes(clue.replaceAll("'", "\\'")));
    if (at >= 0) return at + 1;
  }
  return 1;
}
