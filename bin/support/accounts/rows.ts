/**
 * What a file says about accounts, line by line: CSV, JSON lines (which `imxp account export` writes), or a file of Apache's
 * htdigest. The text is read piece by piece. Only reads; whether an account may be made of a line is decided elsewhere.
 */
import { ImxpError } from '../../../lib/errors.js';
import { parseInstant } from '../../../lib/imxp/vocabulary/timestamp.js';
import type { DigestSecret, ScramSecret } from '../../../lib/sasl/verifier.js';
import { isScram, readDigest, readScram } from '../../../lib/sasl/verifier-text.js';
import { QUOTA_NAMES, type Quota, type QuotaName } from '../../../lib/store/account-state.js';
import type { AccountRecord } from '../../../lib/store/accounts.js';
import { accountIn } from '../names.js';
import { CsvReader, type CsvRecord, type Separator } from './csv.js';

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

/** A line that is longer belongs to no file of accounts. */
const LINE_CHARACTERS = 1_048_576;

/** Reads the text of a file piece by piece. */
export class RowReader {
  #lines: LineReader | undefined;
  /** Text in which there is not yet the line that tells what kind of file it is. */
  #beginning = '';
  #ended = false;

  /**
   * Reads the next piece of the text.
   *
   * @param last nothing follows
   */
  *read(piece: string, last: boolean): Generator<Row | RowProblem> {
    if (this.#ended) return;
    let text = piece;
    if (this.#lines === undefined) {
      text = (this.#beginning + piece).replace(/^\uFEFF/, '');
      this.#lines = readerOf(text, last || text.length > LINE_CHARACTERS);
      if (this.#lines === undefined) {
        this.#beginning = text;
        return;
      }
      text = withoutHint(text);
    }
    for (const { line, read } of this.#lines.read(text, last)) {
      try {
        yield rowOf(line, read());
      } catch (error) {
        if (!(error instanceof Wrong || error instanceof ImxpError)) throw error;
        yield { line, message: error.message };
      }
    }
    if (this.#lines.kept <= LINE_CHARACTERS) return;
    this.#ended = true;
    yield { line: this.#lines.line, message: 'is longer than any account; what follows was not read' };
  }
}

interface Line {
  readonly line: number;
  /** @throws Wrong */
  read(): Values;
}

interface LineReader {
  /** Characters kept for the next piece, and the line on which they begin. */
  readonly kept: number;
  readonly line: number;
  read(piece: string, last: boolean): Iterable<Line>;
}

/** @returns undefined if that cannot be told yet */
function readerOf(text: string, last: boolean): LineReader | undefined {
  const lines = text.split(LINE_END);
  // The end of the line must be there, too.
  const first = (last ? lines : lines.slice(0, -1)).map((line) => line.trim()).find(isSignificant);
  if (first === undefined && !last) return undefined;
  if (first?.startsWith('{') === true) return new TextLines(jsonValues);
  if (/^[^:,]+:[^:]+:[0-9a-f]{32}$/i.test(first ?? '')) return new TextLines((content) => ({ digestmd5: content }));
  return HTPASSWD.test(first ?? '') ? new TextLines(htpasswdValues) : new CsvLines(separatorOf(text));
}

/** A line of Apache's htpasswd: a name, and a hash from which no verifier can be made. */
const HTPASSWD = /^[^:,;\s]+:(?:\$[\w-]+\$|\{SHA\}|[./0-9A-Za-z]{13}$)\S*$/;

function htpasswdValues(): Values {
  throw new Wrong('is of htpasswd, whose hashes are of no use here: a file of htdigest, or passwords, are needed');
}

const LINE_END = /\r\n|\r|\n/;

function isSignificant(content: string): boolean {
  return content !== '' && !content.startsWith('#');
}

/** Lines each of which is an account. */
class TextLines implements LineReader {
  readonly #values: (content: string) => Values;
  #text = '';
  line = 1;

  constructor(values: (content: string) => Values) {
    this.#values = values;
  }

  get kept(): number {
    return this.#text.length;
  }

  *read(piece: string, last: boolean): Generator<Line> {
    const text = this.#text + piece;
    // A CR at the end may be the first half of a line end.
    const end = last || !text.endsWith('\r') ? text.length : text.length - 1;
    const lines = text.slice(0, end).split(LINE_END);
    const rest = last ? '' : (lines.pop() ?? '');
    this.#text = rest + text.slice(end);
    for (const raw of lines) {
      const content = raw.trim();
      const { line } = this;
      this.line += 1;
      if (isSignificant(content)) yield { line, read: () => this.#values(content) };
    }
  }
}

class CsvLines implements LineReader {
  readonly #records: CsvReader;
  #names: readonly string[] | undefined;

  constructor(separator: Separator) {
    this.#records = new CsvReader(separator);
  }

  get kept(): number {
    return this.#records.kept;
  }

  get line(): number {
    return this.#records.line;
  }

  *read(piece: string, last: boolean): Generator<Line> {
    for (const record of this.#records.read(piece, last)) {
      let names = this.#names;
      if (names === undefined) {
        const header = record.fields.map(canonical);
        const named = header.includes('address');
        names = named ? header : ['address', 'verifier'];
        this.#names = names;
        if (named) continue;
      }
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
function separatorOf(beginning: string): Separator {
  const hinted = HINT.exec(beginning)?.[1];
  if (hinted === ';' || hinted === '\t') return hinted;
  for (const separator of [';', '\t'] as const) {
    for (const { fields } of new CsvReader(separator).read(withoutHint(beginning), true)) {
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
