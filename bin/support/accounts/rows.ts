/**
 * What a file says about accounts, line by line: CSV, JSON lines (which `imxp account export` writes), or a file of Apache's
 * htdigest. Only reads; whether an account may be made of a line is decided elsewhere.
 */
import { ImxpError } from '../../../lib/errors.js';
import { parseInstant } from '../../../lib/imxp/vocabulary/timestamp.js';
import type { DigestSecret, ScramSecret } from '../../../lib/sasl/verifier.js';
import { isScram, readDigest, readScram } from '../../../lib/sasl/verifier-text.js';
import { QUOTA_NAMES, type Quota, type QuotaName } from '../../../lib/store/account-state.js';
import type { AccountRecord } from '../../../lib/store/accounts.js';
import { accountIn } from '../names.js';
import { type CsvRecord, csvRecords, type Separator } from './csv.js';

export type Row = Omit<AccountRecord, 'verifier'> & {
  readonly line: number;
  readonly address: string;
  readonly password?: string;
  readonly digests: readonly DigestSecret[];
  readonly scram?: ScramSecret;
};

export interface RowProblem {
  readonly line: number;
  readonly message: string;
}

export interface Rows {
  readonly rows: readonly Row[];
  readonly problems: readonly RowProblem[];
}

/** What is wrong with a line. */
class Wrong extends Error {}

type Values = Readonly<Record<string, unknown>>;

/** Other names of the same. */
const ALIASES: Readonly<Record<string, string>> = {
  account: 'address',
  jid: 'address',
  ha1: 'digestmd5',
  htdigest: 'digestmd5',
  scram: 'scramsha256',
};
/** Fields whose spaces count. */
const EXACT: ReadonlySet<string> = new Set(['password', 'verifier']);
const KNOWN = new Set([
  ...['address', 'password', 'digestmd5', 'scramsha256', 'verifier'],
  ...['created', 'changed', 'disabled', 'quota', 'lastattached', 'kind'],
  ...QUOTA_NAMES.map((name) => name.toLowerCase()),
]);

const canonical = (key: string): string => {
  const plain = key.trim().toLowerCase().replace(/[_ -]/g, '');
  return ALIASES[plain] ?? plain;
};

export function readRows(text: string): Rows {
  const rows: Row[] = [];
  const problems: RowProblem[] = [];
  for (const { line, read } of linesOf(text.replace(/^\uFEFF/, ''))) {
    try {
      rows.push(rowOf(line, read()));
    } catch (error) {
      if (!(error instanceof Wrong || error instanceof ImxpError)) throw error;
      problems.push({ line, message: error.message });
    }
  }
  return { rows, problems };
}

interface Line {
  readonly line: number;
  /** @throws Wrong */
  read(): Values;
}

function linesOf(text: string): Iterable<Line> {
  const first = /^\s*(?:#.*\s+)*(\S.*)/.exec(text)?.[1] ?? '';
  if (first.startsWith('{')) return jsonLines(text);
  if (/^[^:,]+:[^:]+:[0-9a-f]{32}\s*$/i.test(first)) return digestLines(text);
  return HTPASSWD.test(first) ? htpasswdLines(text) : csvLines(text);
}

/** A line of Apache's htpasswd: a name, and a hash from which no verifier can be made. */
const HTPASSWD = /^[^:,;\s]+:(?:\$[\w-]+\$|\{SHA\}|[./0-9A-Za-z]{13}$)\S*$/;

function* htpasswdLines(text: string): Generator<Line> {
  for (const { line } of numbered(text)) {
    const read = (): Values => {
      throw new Wrong('is of htpasswd, whose hashes are of no use here: a file of htdigest, or passwords, are needed');
    };
    yield { line, read };
  }
}

const LINE_END = /\r\n|\r|\n/;

function* numbered(text: string): Generator<{ line: number; content: string }> {
  for (const [index, raw] of text.split(LINE_END).entries()) {
    const content = raw.trim();
    if (content !== '' && !content.startsWith('#')) yield { line: index + 1, content };
  }
}

function* jsonLines(text: string): Generator<Line> {
  for (const { line, content } of numbered(text)) yield { line, read: () => jsonValues(content) };
}

function* digestLines(text: string): Generator<Line> {
  for (const { line, content } of numbered(text)) yield { line, read: () => ({ digestmd5: content }) };
}

function* csvLines(text: string): Generator<Line> {
  let names: readonly string[] | undefined;
  for (const record of csvRecords(withoutHint(text), separatorOf(text))) {
    const header = record.fields.map(canonical);
    if (names === undefined && header.includes('address')) names = header;
    else {
      names ??= ['address', 'verifier'];
      const columns = names;
      yield { line: record.line, read: () => csvValues(columns, record) };
    }
  }
}

/** "sep=;" on the first line tells spreadsheets what the separator is. */
const HINT = /^sep=([,;\t])(?=\r|\n|$)/i;

/** The line stays, so that the others keep their numbers. */
function withoutHint(text: string): string {
  return text.replace(HINT, '#');
}

/** Says what stands between values: what the file says, or what the names in its first line are separated by. */
function separatorOf(text: string): Separator {
  const hinted = HINT.exec(text)?.[1];
  if (hinted === ';' || hinted === '\t') return hinted;
  for (const separator of [';', '\t'] as const) {
    for (const { fields } of csvRecords(withoutHint(text), separator)) {
      const names = fields.map(canonical);
      if (names.length > 1 && names.includes('address') && names.every((name) => KNOWN.has(name))) return separator;
      break;
    }
  }
  return ',';
}

function csvValues(names: readonly string[], { fields, broken }: CsvRecord): Values {
  if (broken) throw new Wrong('a quote is missing or too many; a field with a quote is written "say ""hello"""');
  if (fields.length > names.length) {
    throw new Wrong(`has ${fields.length} fields instead of ${names.length}; quote values that contain a comma`);
  }
  // RFC 4180 §2 rule 4: spaces are part of a field. Those around a password are meant; those around anything else are not.
  const given = names.map((name, at) => [name, EXACT.has(name) ? fields[at] : fields[at]?.trim()] as const);
  return Object.fromEntries(given.flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

function jsonValues(content: string): Values {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw new Wrong('is not JSON; each line is an object of its own');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Wrong('is not an object');
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [canonical(key), each]));
}

/** @throws Wrong, LocalError ARGUMENT */
function rowOf(line: number, values: Values): Row {
  const strange = Object.keys(values).find((key) => !KNOWN.has(key));
  if (strange !== undefined) throw new Wrong(`has an unknown field ${JSON.stringify(strange)}`);
  const { digests, scram, password } = proofsOf(values);
  const own = textOf(values, 'address');
  const named = own ?? addressIn(digests);
  if (named === undefined) throw new Wrong('has no address');
  const address = accountIn(named);
  if (password === undefined && digests.length === 0 && scram === undefined) {
    throw new Wrong('has neither password nor verifier');
  }
  if (password !== undefined && (digests.length > 0 || scram !== undefined)) {
    throw new Wrong('has a password and a verifier; one of them is enough');
  }
  return {
    line,
    address,
    digests,
    ...optional({ password, scram }),
    ...optional({ created: timeOf(values, 'created'), changed: timeOf(values, 'changed') }),
    ...optional({ disabled: disabledOf(values), quota: quotaOf(values), lastAttached: lastOf(values) }),
  };
}

function proofsOf(values: Values): { digests: DigestSecret[]; scram?: ScramSecret; password?: string } {
  const texts = listOf(values, 'digestmd5');
  let [password, scram] = [textOf(values, 'password'), textOf(values, 'scramsha256')];
  if (password !== undefined && (isScram(password) || isDigest(password))) {
    throw new Wrong('has a verifier where a password belongs: call the column, or the field, "verifier"');
  }
  const either = textOf(values, 'verifier');
  if (either !== undefined) {
    if (isScram(either)) scram = either;
    else if (isDigest(either)) texts.push(either);
    else password = either;
  }
  const digests = new Map<string, DigestSecret>();
  for (const { username, realm, hashes } of texts.map(readDigest)) {
    const key = `${username}:${realm}`;
    digests.set(key, { username, realm, hashes: [...(digests.get(key)?.hashes ?? []), ...hashes] });
  }
  return {
    digests: [...digests.values()],
    ...optional({ password, scram: scram === undefined ? undefined : readScram(scram) }),
  };
}

function isDigest(text: string): boolean {
  return /^[^:]+:[^:]*:[0-9a-f]{32}$/i.test(text);
}

/** Whom a line of htdigest is for. */
function addressIn(digests: readonly DigestSecret[]): string | undefined {
  const [first] = digests;
  if (first === undefined) return undefined;
  return first.username.includes('@') ? first.username : `${first.username}@${first.realm}`;
}

function disabledOf({ disabled }: Values): AccountRecord['disabled'] {
  const since = new Date().toISOString();
  if (disabled === undefined || disabled === null) return undefined;
  if (typeof disabled === 'boolean') return disabled ? { since, reason: '' } : null;
  if (typeof disabled === 'string') {
    if (/^(?:no|false|0)$/i.test(disabled)) return null;
    return { since, reason: /^(?:yes|true|1)$/i.test(disabled) ? '' : disabled };
  }
  const given = objectOf(disabled, 'disabled');
  return { since: timeOf(given, 'since') ?? since, reason: textOf(given, 'reason') ?? '' };
}

function quotaOf(values: Values): Quota | undefined {
  const given: Values = values['quota'] === undefined ? {} : objectOf(values['quota'], 'quota');
  const quota: { [Name in QuotaName]?: number } = {};
  const strange = Object.keys(given).find((key) => !QUOTA_NAMES.some((name) => name === key));
  if (strange !== undefined) throw new Wrong(`has an unknown quota ${JSON.stringify(strange)}`);
  for (const name of QUOTA_NAMES) {
    const value = given[name] ?? values[name.toLowerCase()];
    if (value === undefined) continue;
    const number = typeof value === 'string' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) {
      throw new Wrong(`has a quota ${name} that is not a whole number`);
    }
    quota[name] = number;
  }
  return Object.keys(quota).length === 0 ? undefined : quota;
}

function lastOf({ lastattached: last }: Values): AccountRecord['lastAttached'] {
  if (last === undefined || last === null) return undefined;
  const given = objectOf(last, 'lastAttached');
  return { at: timeOf(given, 'at') ?? new Date(0).toISOString(), from: textOf(given, 'from') ?? '' };
}

function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw new Wrong(`has a ${name} that is not text`);
  return value;
}

function listOf(values: Values, name: string): string[] {
  const value = values[name];
  const list: readonly unknown[] = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
  return list.map((each) => {
    if (typeof each !== 'string') throw new Wrong(`has a ${name} that is not text`);
    return each;
  });
}

function timeOf(values: Values, name: string): string | undefined {
  const text = textOf(values, name);
  if (text === undefined) return undefined;
  const ms = parseInstant(text);
  if (ms === undefined) throw new Wrong(`has a ${name} that is not a time such as 2001-02-03T04:05:06Z`);
  return new Date(ms).toISOString();
}

function objectOf(value: unknown, name: string): Values {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new Wrong(`has a ${name} that is not an object`);
}

/** Without what is undefined. */
function optional<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}
