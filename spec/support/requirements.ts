/**
 * `npm run requirements`: which requirement has which specs, and which has none. Loads the spec files without running
 * them, so that titles made from tables are seen as they are.
 *
 *   npm run requirements -- --scope BEEP,IMXP,SASL,TLS --strict
 *   npm run requirements -- --clause "RFC 3080 §2.6.3"
 *
 * `--clause` (several times if wanted) what there is on a clause and its subsections: requirements, specs, decisions, and where code cites it
 * (`core-01 §4.4.1` and `draft-mrose-imxp-core-01 §4.4.1` are one); `--exact` without the subsections.
 * `--scope` areas to look at (default: all); `--json` everything as JSON; `--strict` exit 1 when a MUST in scope has
 * no spec and is not deferred with a reason, when a title carries an unknown id, or when a spec file cannot be loaded.
 */
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { type ClauseReport, clauseReport, writeReport } from './clause-report.js';
import { areaOf, idsIn, PROJECT, type Requirement, requirementTable, specFiles } from './requirement-table.js';
import { titlesOf } from './spec-titles.js';

interface Report {
  readonly requirements: readonly (Requirement & { readonly specs: readonly string[]; readonly deferred?: string })[];
  readonly unknown: readonly string[];
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[];
}

async function report(scope: ReadonlySet<string>): Promise<Report> {
  const table = requirementTable();
  const specs = new Map<string, string[]>();
  const unreadable: { file: string; reason: string }[] = [];
  for (const file of specFiles()) {
    const name = relative(PROJECT, file);
    try {
      for (const { title } of await titlesOf(file)) {
        for (const id of idsIn(title)) specs.set(id, [...(specs.get(id) ?? []), `${name}: ${title}`]);
      }
    } catch (cause) {
      unreadable.push({
        file: name,
        reason: cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : `${cause}`,
      });
    }
  }
  const known = new Set(table.requirements.map(({ id }) => id));
  const reasons = new Map(table.deferred.flatMap(({ ids, reason }) => ids.map((id) => [id, reason] as const)));
  const requirements = table.requirements
    .filter(({ id }) => scope.size === 0 || scope.has(areaOf(id)))
    .map((requirement) => {
      const deferred = reasons.get(requirement.id);
      const row = { ...requirement, specs: specs.get(requirement.id) ?? [] };
      return deferred === undefined ? row : { ...row, deferred };
    });
  return { requirements, unknown: [...specs.keys()].filter((id) => !known.has(id)), unreadable };
}

function missing({ requirements }: Report): Report['requirements'] {
  return requirements.filter(({ specs, deferred }) => specs.length === 0 && deferred === undefined);
}

function isMust({ level }: Requirement): boolean {
  return level === 'MUST' || level === 'MUST NOT';
}

function print(result: Report): void {
  const say = (line = '') => console.log(line);
  for (const { id, level, text, specs } of result.requirements) {
    if (specs.length === 0) continue;
    say(`${id} ${level}: ${text}`);
    for (const title of specs) say(`    ${title}`);
  }
  const deferred = result.requirements.filter((row) => row.deferred !== undefined && row.specs.length === 0);
  say(`\nDeferred (${deferred.length}):`);
  for (const { id, level, text, deferred: reason } of deferred)
    say(`  ${id} ${level}: ${text}\n      because ${reason}`);
  const none = missing(result);
  say(`\nWithout a spec (${none.length}, of them ${none.filter(isMust).length} MUST):`);
  for (const { id, level, text, source } of none) say(`  ${id} ${level}: ${text} [${source}]`);
  const withSpecs = result.requirements.filter(({ specs }) => specs.length > 0).length;
  say(`\n${withSpecs} of ${result.requirements.length} requirements in scope have a spec.`);
  for (const id of result.unknown) say(`Unknown id in a spec title: ${id}`);
  for (const { file, reason } of result.unreadable) say(`Could not load ${file}: ${reason}`);
}

const { values } = parseArgs({
  options: {
    scope: { type: 'string', default: '' },
    clause: { type: 'string', multiple: true },
    exact: { type: 'boolean' },
    json: { type: 'boolean' },
    strict: { type: 'boolean' },
  },
});

async function clauses(texts: readonly string[]): Promise<void> {
  try {
    const found: ClauseReport[] = [];
    for (const text of texts) found.push(await clauseReport(text, values.exact));
    const json = found.length === 1 ? found[0] : found;
    console.log(values.json ? JSON.stringify(json, null, 2) : found.map(writeReport).join('\n'));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 64;
  }
}

async function all(): Promise<void> {
  const result = await report(new Set(values.scope.split(',').filter((area) => area !== '')));
  if (values.json) console.log(JSON.stringify(result, null, 2));
  else print(result);
  const wrong = missing(result).some(isMust) || result.unknown.length > 0 || result.unreadable.length > 0;
  process.exitCode = values.strict && wrong ? 1 : 0;
}

await (values.clause === undefined ? all() : clauses(values.clause));
// Spec files may hold handles open merely by being loaded; everything asked for has been printed.
process.stdout.write('', () => process.exit());
