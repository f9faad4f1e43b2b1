/**
 * `imxp account import`: reports everything that is wrong with a file before anything is written; then writes batch by
 * batch, each whole or not at all.
 */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { describeFileError, textOfFile } from '../../../lib/config/password-file.js';
import type { NodeConfig } from '../../../lib/config/schema.js';
import { ImxpError } from '../../../lib/errors.js';
import { nameObstacle, realmsOf, verifierOf } from '../../../lib/node/new-account.js';
import { harmless } from '../../../lib/ops/terminal.js';
import { accountNames, canonicalAccount } from '../../../lib/sasl/name.js';
import { prepared } from '../../../lib/sasl/scram/saslprep.js';
import type { Verifier } from '../../../lib/sasl/verifier.js';
import type { AccountRecord, Accounts } from '../../../lib/store/accounts.js';
import { CommandError, EXIT } from '../exit.js';
import { complain, print, printJson } from '../output.js';
import { Progress } from '../progress.js';
import { type AccountFlags, accountOf, loadForAccounts, withAccounts } from './accounts.js';
import { type Row, type RowProblem, readRows } from './rows.js';

export interface ImportFlags extends AccountFlags {
  readonly dryRun?: boolean;
  readonly update?: boolean;
}

/** Accounts written at once: few enough that a relay on the same store is not held up. */
const BATCH = 200;

/** A row that may become an account. */
interface Candidate {
  readonly row: Row;
  readonly account: string;
  readonly exists: boolean;
}

export async function importAccounts(file: string, flags: ImportFlags): Promise<void> {
  const config = await loadForAccounts(flags);
  const { rows, problems } = readRows(await contentOf(file));
  await withAccounts(config, async ({ accounts }) => {
    const examined = examine(rows, config, accounts, flags.update === true);
    const all = [...problems, ...examined.problems].sort((a, b) => a.line - b.line);
    if (all.length > 0) throw refused(file, all, flags);
    warn(examined.candidates, config);
    warnOfNames(examined.candidates);
    if (flags.dryRun !== true) await write(examined.candidates, config, accounts, flags.update === true);
    report(examined.candidates, flags);
  });
}

async function contentOf(file: string): Promise<string> {
  try {
    return textOfFile(file === '-' ? await buffer(process.stdin) : await readFile(file));
  } catch (error) {
    throw new CommandError(EXIT.FAILED, `${file}: ${describeFileError(error)}`);
  }
}

// ---- what is wrong

function examine(
  rows: readonly Row[],
  config: NodeConfig,
  accounts: Accounts,
  update: boolean,
): { readonly candidates: readonly Candidate[]; readonly problems: readonly RowProblem[] } {
  const candidates: Candidate[] = [];
  const problems: RowProblem[] = [];
  const lines = new Map<string, number>();
  for (const row of rows) {
    const { line, address } = row;
    const obstacle = addressObstacle(address, config) ?? proofObstacle(row, config);
    if (obstacle !== undefined) {
      problems.push({ line, message: obstacle });
      continue;
    }
    const account = accountOf(address, config);
    const exists = accounts.exists(account);
    const earlier = lines.get(account);
    if (earlier !== undefined) problems.push({ line, message: `${account} is on line ${earlier} already` });
    else if (exists && !update)
      problems.push({ line, message: `${account} has an account already; --update changes it` });
    else candidates.push({ row, account, exists });
    lines.set(account, earlier ?? line);
  }
  return { candidates, problems };
}

function addressObstacle(address: string, config: NodeConfig): string | undefined {
  try {
    const obstacle = nameObstacle(address, config);
    return obstacle === undefined ? undefined : `${JSON.stringify(address)} ${obstacle}`;
  } catch (error) {
    if (error instanceof ImxpError) return error.message;
    throw error;
  }
}

function proofObstacle({ address, password, digests }: Row, config: NodeConfig): string | undefined {
  if (password !== undefined && prepared(password) === undefined) return 'has a password with control characters';
  const account = accountOf(address, config);
  const realms = new Set([...realmsOf(config), account.slice(account.lastIndexOf('@') + 1)]);
  for (const { username, realm } of digests) {
    if (!realms.has(realm)) {
      return `has a verifier for the realm ${JSON.stringify(realm)}, which is not used here (${[...realms].join(', ')})`;
    }
    if (!accountNames(username, realm, config.domains).includes(account)) {
      return `has a verifier for ${JSON.stringify(username)} in ${realm}, which is not ${account}`;
    }
  }
  return undefined;
}

function refused(file: string, problems: readonly RowProblem[], { json }: ImportFlags): CommandError {
  const where = file === '-' ? 'standard input' : file;
  if (json !== true) for (const { line, message } of problems) complain(`${where}:${line}: ${harmless(message)}`);
  const counted = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  return new CommandError(EXIT.FAILED, `${where}: ${counted}; nothing was written`, { details: { problems } });
}

/** Accounts nobody can log in to. */
function warn(candidates: readonly Candidate[], { sasl: { mechanisms } }: NodeConfig): void {
  const usable = ({ row: { password, digests, scram } }: Candidate): boolean =>
    password !== undefined ||
    (digests.length > 0 && mechanisms.includes('DIGEST-MD5')) ||
    (scram !== undefined && mechanisms.some((name) => name.startsWith('SCRAM') || name === 'PLAIN'));
  const useless = candidates.filter((candidate) => !usable(candidate));
  const [first] = useless;
  if (first === undefined) return;
  const others = useless.length === 1 ? '' : ` and ${useless.length - 1} others`;
  const wanted = first.row.scram === undefined ? 'DIGEST-MD5' : 'SCRAM-SHA-256';
  complain(
    `nobody can log in as ${first.account}${others} with these verifiers: sasl.mechanisms has no ${wanted}`,
    'warning',
  );
}

/** Accounts whose only verifiers are for a name that programs do not log in with by themselves. */
function warnOfNames(candidates: readonly Candidate[]): void {
  const named = candidates.filter(({ account, row: { password, digests, scram } }) => {
    const known = digests.some(({ username }) => canonicalAccount(username) === account);
    return password === undefined && scram === undefined && digests.length > 0 && !known;
  });
  const [first] = named;
  if (first === undefined) return;
  const others = named.length === 1 ? '' : ` and ${named.length - 1} others`;
  const { username = '' } = first.row.digests[0] ?? {};
  complain(
    `the verifier of ${first.account}${others} is for the name ${harmless(username)}: programs log in with the whole address unless they are told the name (--login-name ${harmless(username)}, loginName)`,
    'warning',
  );
}

// ---- writing

async function write(
  candidates: readonly Candidate[],
  config: NodeConfig,
  accounts: Accounts,
  update: boolean,
): Promise<void> {
  const progress = new Progress({ what: 'importing', total: candidates.length, unit: 'accounts' });
  for (let at = 0; at < candidates.length; at += BATCH) {
    const batch = candidates.slice(at, at + BATCH);
    try {
      const records = await Promise.all(batch.map((candidate) => recordOf(candidate, config)));
      const taken = await accounts.write(records, update);
      if (taken.length > 0) throw new Error(`${taken.join(', ')} got an account in the meantime`);
    } catch (error) {
      progress.end();
      const why = error instanceof Error ? error.message : String(error);
      const code = error instanceof ImxpError ? EXIT.UNAVAILABLE : EXIT.FAILED;
      throw new CommandError(
        code,
        `${at} accounts were written, the others were not: ${why}; repeat the import with --update to continue`,
      );
    }
    progress.update(at + batch.length);
  }
  progress.end();
}

async function recordOf({ row, account }: Candidate, config: NodeConfig): Promise<AccountRecord> {
  const { line: _, address: __, password, digests, scram, ...rest } = row;
  if (password !== undefined) return { ...rest, verifier: await verifierOf(account, password, config) };
  const verifier: Verifier = { account, digestMd5: digests, ...(scram === undefined ? {} : { scramSha256: scram }) };
  return { ...rest, verifier };
}

function report(candidates: readonly Candidate[], { json, dryRun = false }: ImportFlags): void {
  const updated = candidates.filter(({ exists }) => exists).length;
  const added = candidates.length - updated;
  if (json === true) printJson({ added, updated, dryRun });
  else if (dryRun) print(`would add ${added} and update ${updated}; nothing was written`);
  else print(`${added} added, ${updated} updated`);
}
