/** Reads, checks and prints access entries on the command line. */
import { text } from 'node:stream/consumers';
import { nearest } from '../../lib/config/nearest.js';
import type { AccessInfo } from '../../lib/endpoint/access.js';
import { KNOWN, unreachable } from '../../lib/endpoint/access-list.js';
import { wireAddress } from '../../lib/endpoint/address.js';
import { type AccessEntry, isAction } from '../../lib/imxp/vocabulary/access.js';
import { harmless } from '../../lib/ops/terminal.js';
import { CommandError, EXIT } from './exit.js';
import { readGivenFile } from './files.js';
import { inUnicode, shownName } from './names.js';
import { note, print, printJson, table } from './output.js';

/** For commands that take actions. */
export const FORCE = [
  '--force',
  'accept actions that this program does not know, such as those of other services',
] as const;

const NOTHING = '(nothing)';
const VIEW = /^presence:as-./;
/** The known actions, and those with "all" for one half or both. */
const MEANT: readonly string[] = [
  ...new Set(
    KNOWN.flatMap((action) => {
      const [service = '', operation = ''] = action.split(':');
      return [action, `${service}:all`, `all:${operation}`];
    }),
  ),
  'all:all',
];

/** @throws CommandError USAGE: an action is not known, and --force is not given */
export function checkKnown(actions: readonly string[], { force }: { readonly force?: boolean }): void {
  if (force === true) return;
  // What is no action at all is refused with its grammar.
  const strange = actions.find((action) => isAction(action) && !MEANT.includes(action) && !VIEW.test(action));
  if (strange === undefined) return;
  const near = nearest(strange, MEANT);
  throw new CommandError(
    EXIT.USAGE,
    `unknown action ${harmless(strange)}; ${near === undefined ? '' : `did you mean ${near}? `}Use --force if it is one of another service`,
  );
}

/** Warns of each entry that decides for nobody, with the reason. */
export function warnOfUnreachable(entries: readonly AccessEntry[], owner: string): void {
  for (const { entry, by } of unreachable(entries, owner)) {
    const reason =
      by === undefined
        ? 'the services of the domain may perform every action anyway'
        : `the entry for ${shownName(by.actor)} comes first`;
    note(`warning: the entry for ${shownName(entry.actor)} has no effect: ${reason}`);
  }
}

/** presence-01 §4.3: a publish names the lastUpdate of the entry, which only a subscriber is told. */
export function warnOfPublishing(actor: string): void {
  note(
    `warning: ${shownName(actor)} needs presence:subscribe as well to publish: a publication has to name the time of the previous one`,
  );
}

/** As {@link entriesOf} reads it: one entry a line. */
export function showEntries({ owner, lastUpdate, entries }: AccessInfo, { json }: { readonly json?: boolean }): void {
  if (json === true) {
    printJson({ owner, lastUpdate: lastUpdate.toISOString(), entries });
    return;
  }
  const rows = entries.map(({ actor, actions }) => {
    // Beside it as a comment, so that the list can be read again.
    const unicode = inUnicode(actor);
    const row = [harmless(actor), actions.map(harmless).join(' ') || NOTHING];
    return unicode === undefined ? row : [...row, `# ${unicode}`];
  });
  print(table(rows));
}

/** The entries in a file, or in standard input. @throws CommandError USAGE */
export async function entriesOf(file: string | undefined): Promise<readonly AccessEntry[]> {
  const entries = entriesIn(await contentOf(file));
  return entries.map(({ actor, actions }) => ({ actor: wireAddress(actor), actions }));
}

async function contentOf(file: string | undefined): Promise<string> {
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY) note('Type one entry per line, as ACTOR ACTION ...; end with Ctrl-D:');
    return text(process.stdin);
  }
  return (await readGivenFile(file)).toString('utf8');
}

/** Parses entries as `get` prints them, with or without --json. */
function entriesIn(content: string): readonly AccessEntry[] {
  if (/^\s*[{[]/.test(content)) return entriesInJson(content);
  const lines = content.split('\n').map((line) => line.replace(/#.*/, '').trim());
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [actor = '', ...actions] = line.split(/\s+/);
      return { actor, actions: actions.filter((action) => action !== NOTHING) };
    });
}

function entriesInJson(content: string): readonly AccessEntry[] {
  const wrong = (): CommandError =>
    new CommandError(
      EXIT.USAGE,
      'not a list as "imxp access get --json" prints it: {"entries": [{"actor": …, "actions": […]}]}',
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw wrong();
  }
  const entries: unknown = Array.isArray(parsed) ? parsed : (parsed as { entries?: unknown }).entries;
  if (!Array.isArray(entries) || !entries.every(isEntry)) throw wrong();
  return entries;
}

function isEntry(value: unknown): value is AccessEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { actor, actions } = value as Partial<AccessEntry>;
  return typeof actor === 'string' && Array.isArray(actions) && actions.every((action) => typeof action === 'string');
}
