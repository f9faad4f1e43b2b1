/**
 * Part of `npm run check`: prints what is cited and does not exist, with where it is cited, and fails then. What has to be
 * added is a section in spec/fixtures/documents.json or a decision in docs/internals/decisions.md.
 */
import { allCitations } from './citations.js';

const { dangling } = allCitations();
for (const { file, line, what } of dangling) console.error(`${file}:${line}: ${what}`);
process.exitCode = dangling.length === 0 ? 0 : 1;
