/**
 * `imxp account import`: reads a file once and reports everything that is wrong with it before anything is written; then
 * reads it again and writes batch by batch, each whole or not at all. What exists already is left alone, so an import that
 * was interrupted is repeated to continue. Neither reading keeps the file in memory.
 */
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
import { AccountFile } from './account-file.js';
import { type AccountFlags, accountOf, loadForAccounts, withAccounts } from './accounts.js';
import { type Row, type RowProblem, RowReader } from './rows.js';
import { SeenAccounts } from './seen-accounts.js';

export interface ImportFlags extends AccountFlags {
  readonly dryRun?: boolean;
  readonly update?: boolean;
}

/** Accounts written at once: few enough that a relay on the same store is not held up. */
const BATCH = 200;
/** Problems that are shown; the others are counted. */
const SHOWN_PROBLEMS = 1000;

/** A row that may become an account. */
interface Candidate {
  readonly row: Row;
  readonly account: string;
}

export async function importAccounts(path: string, flags: ImportFlags): Promise<void> {
  const config = await loadForAccounts(flags);
  const file = await AccountFile.open(path);
  try {
    await withAccounts(config, async ({ accounts }) => {
      const examination = new Examination({ file, config, accounts, flags });
      const writing = await examination.run();
      report(flags.dryRun === true ? writing.planned : await writing.run(), flags);
    });
  } finally {
    await file.close();
  }
}

interface Import {
  readonly file: AccountFile;
  readonly config: NodeConfig;
  readonly accounts: Accounts;
  readonly flags: ImportFlags;
}

/** Accounts by what became, or would become, of them. */
interface Counts {
  added: number;
  updated: number;
  /** They had an account already, which was left as it is. */
  existing: number;
}

// ---- what is wrong

/** First reading of the file: finds everything that is wrong with it, and counts. */
class Examination {
  readonly #import: Import;
  readonly #seen = new SeenAccounts();
  readonly #counts: Counts = { added: 0, updated: 0, existing: 0 };
  readonly #problems: RowProblem[] = [];
  #problemCount = 0;
  readonly #useless = new FirstOf();
  readonly #otherNames = new FirstOf();

  constructor(given: Import) {
    this.#import = given;
  }

  /** @throws CommandError FAILED if something is wrong, which has been reported */
  async run(): Promise<Writing> {
    const { file } = this.#import;
    const progress = new Progress({ what: `checking ${file.name}`, total: file.octets });
    const reader = new RowReader();
    for await (const { text, octets, last } of file.pieces()) {
      for (const read of reader.read(text, last)) this.#look(read);
      progress.update(octets);
    }
    progress.end();
    if (this.#problemCount > 0) throw this.#refused();
    warn(this.#useless);
    warnOfNames(this.#otherNames);
    return new Writing(this.#import, this.#counts);
  }

  #look(read: Row | RowProblem): void {
    const { config, accounts, flags } = this.#import;
    const candidate = candidateOf(read, config);
    if ('message' in candidate) {
      this.#problem(candidate);
      return;
    }
    const { row, account } = candidate;
    const earlier = this.#seen.note(account, row.line);
    if (earlier !== undefined) {
      this.#problem({ line: row.line, message: `${account} is on line ${earlier} already` });
      return;
    }
    if (!accounts.exists(account)) this.#counts.added += 1;
    else if (flags.update === true) this.#counts.updated += 1;
    else {
      this.#counts.existing += 1;
      return;
    }
    if (!isUsable(candidate, config)) this.#useless.count(candidate);
    if (hasOtherName(candidate)) this.#otherNames.count(candidate);
  }

  #problem(problem: RowProblem): void {
    this.#problemCount += 1;
    if (this.#problems.length < SHOWN_PROBLEMS) this.#problems.push(problem);
  }

  #refused(): CommandError {
    const { file, flags } = this.#import;
    const [problems, count] = [this.#problems, this.#problemCount];
    if (flags.json !== true) {
      for (const { line, message } of problems) complain(`${file.name}:${line}: ${harmless(message)}`);
    }
    const shown = count > problems.length ? ` (the first ${problems.length} are shown)` : '';
    const counted = count === 1 ? 'a problem' : `${count} problems${shown}`;
    return new CommandError(EXIT.FAILED, `${file.name}: ${counted}; nothing was written`, { details: { problems } });
  }
}

/** How many there are of a kind, and the first of them. */
class FirstOf {
  first: Candidate | undefined;
  #count = 0;

  count(candidate: Candidate): void {
    this.first ??= candidate;
    this.#count += 1;
  }

  get others(): string {
    return this.#count < 2 ? '' : ` and ${this.#count - 1} others`;
  }
}

function candidateOf(read: Row | RowProblem, config: NodeConfig): Candidate | RowProblem {
  if ('message' in read) return read;
  const obstacle = addressObstacle(read.address, config) ?? proofObstacle(read, config);
  if (obstacle !== undefined) return { line: read.line, message: obstacle };
  return { row: read, account: accountOf(read.address, config) };
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

/** Whether somebody can log in to an account. */
function isUsable({ row: { password, digests, scram } }: Candidate, { sasl: { mechanisms } }: NodeConfig): boolean {
  return (
    password !== undefined ||
    (digests.length > 0 && mechanisms.includes('DIGEST-MD5')) ||
    (scram !== undefined && mechanisms.some((name) => name.startsWith('SCRAM') || name === 'PLAIN'))
  );
}

function warn({ first, others }: FirstOf): void {
  if (first === undefined) return;
  const wanted = first.row.scram === undefined ? 'DIGEST-MD5' : 'SCRAM-SHA-256';
  complain(
    `nobody can log in as ${first.account}${others} with these verifiers: sasl.mechanisms has no ${wanted}`,
    'warning',
  );
}

/** Whether the only verifiers of an account are for a name that programs do not log in with by themselves. */
function hasOtherName({ account, row: { password, digests, scram } }: Candidate): boolean {
  const known = digests.some(({ username }) => canonicalAccount(username) === account);
  return password === undefined && scram === undefined && digests.length > 0 && !known;
}

function warnOfNames({ first, others }: FirstOf): void {
  if (first === undefined) return;
  const { username = '' } = first.row.digests[0] ?? {};
  complain(
    `the verifier of ${first.account}${others} is for the name ${harmless(username)}: programs log in with the whole address unless they are told the name (--login-name ${harmless(username)}, loginName)`,
    'warning',
  );
}

// ---- writing

/** Second reading of the file: writes what it says, batch by batch, each whole or not at all. */
class Writing {
  /** What was found to be done. */
  readonly planned: Counts;
  readonly #import: Import;
  readonly #done: Counts = { added: 0, updated: 0, existing: 0 };
  #batch: Candidate[] = [];

  constructor(given: Import, planned: Counts) {
    this.#import = given;
    this.planned = planned;
  }

  /** @throws CommandError UNAVAILABLE | FAILED */
  async run(): Promise<Counts> {
    const { file, config } = this.#import;
    const { added, updated, existing } = this.planned;
    const progress = new Progress({ what: 'importing', total: added + updated + existing, unit: 'accounts' });
    const reader = new RowReader();
    try {
      for await (const { text, last } of file.pieces()) {
        for (const read of reader.read(text, last)) {
          const candidate = candidateOf(read, config);
          // It was examined before.
          if ('message' in candidate)
            throw new Error(`the file has changed in the meantime, on line ${candidate.line}`);
          this.#batch.push(candidate);
          if (this.#batch.length < BATCH) continue;
          await this.#write();
          progress.update(this.#total);
        }
      }
      await this.#write();
    } catch (error) {
      throw this.#interrupted(error);
    } finally {
      progress.end();
    }
    return this.#done;
  }

  get #total(): number {
    const { added, updated, existing } = this.#done;
    return added + updated + existing;
  }

  async #write(): Promise<void> {
    const { config, accounts, flags } = this.#import;
    const batch = this.#batch;
    this.#batch = [];
    const present = new Set(batch.filter(({ account }) => accounts.exists(account)).map(({ account }) => account));
    const written = flags.update === true ? batch : batch.filter(({ account }) => !present.has(account));
    let records = await Promise.all(written.map((candidate) => recordOf(candidate, config)));
    while (records.length > 0) {
      // Accounts that were added in the meantime are like those that were there before.
      const taken = new Set(await accounts.write(records, flags.update));
      if (taken.size === 0) break;
      records = records.filter(({ verifier: { account } }) => !taken.has(account));
    }
    const updated = flags.update === true ? present.size : 0;
    this.#done.updated += updated;
    this.#done.added += records.length - updated;
    this.#done.existing += batch.length - records.length;
  }

  #interrupted(error: unknown): CommandError {
    const { added, updated } = this.#done;
    const why = error instanceof Error ? error.message : String(error);
    const code = error instanceof ImxpError ? EXIT.UNAVAILABLE : EXIT.FAILED;
    return new CommandError(
      code,
      `${added + updated} accounts were written, the others were not: ${why}; repeat the import to continue`,
    );
  }
}

async function recordOf({ row, account }: Candidate, config: NodeConfig): Promise<AccountRecord> {
  const { line: _, address: __, password, digests, scram, ...rest } = row;
  if (password !== undefined) return { ...rest, verifier: await verifierOf(account, password, config) };
  const verifier: Verifier = { account, digestMd5: digests, ...(scram === undefined ? {} : { scramSha256: scram }) };
  return { ...rest, verifier };
}

function report({ added, updated, existing }: Counts, { json, dryRun = false }: ImportFlags): void {
  const left = existing === 0 ? '' : `; ${existing} existed already (--update changes them)`;
  if (json === true) printJson({ added, updated, existing, dryRun });
  else if (dryRun) print(`would add ${added} and update ${updated}; nothing was written${left}`);
  else print(`${added} added, ${updated} updated${left}`);
}
