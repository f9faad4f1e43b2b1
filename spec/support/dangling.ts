/**
 * Part of `npm run check`: prints every citation of something that does not exist, with its location, and fails if
 * there is one. To fix it, add the section to spec/fixtures/documents.json or the decision to
 * docs/internals/decisions.md.
 */
import { allCitations } from './citations.js';

const { dangling } = allCitations();
for (const { file, line, what } of dangling) console.error(`${file}:${line}: ${what}`);
process.exitCode = dangling.length === 0 ? 0 : 1;
