/** `imxp store`: works on the store of a node as a whole. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { StoreConfig } from '../lib/config/schema.js';
import { loadForCommand, withConfig } from './support/configuration.js';
import { CommandError, EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
import { note, print, printJson } from './support/output.js';
import { Progress } from './support/progress.js';
import { asUser, foreignOwner } from './support/store-owner.js';
import { octets } from './support/units.js';

interface BackupOptions {
  readonly config: string;
  readonly json?: boolean;
}

async function backup(directory: string, { config, json }: BackupOptions): Promise<void> {
  const { store } = await loadForCommand(config, { files: false });
  if (store.type === 'memory')
    throw new CommandError(EXIT.CONFIGURATION, 'store.type is "memory": there is nothing to copy');
  if (store.type === 'postgres') {
    throw new CommandError(
      EXIT.CONFIGURATION,
      'store.type is "postgres": copy the database with its own tools, such as pg_dump or pg_basebackup',
    );
  }
  const { backUpStore } = await import('../lib/store/backup.js');
  const owner = await foreignOwner(store);
  const target = resolve(directory);
  const progress = new Progress({ what: 'copying' });
  const made = await asUser(owner, () =>
    progress.during(
      () => sizeOf(target),
      () => backUpStore(store.path, target),
    ),
  );
  if (json === true) printJson(made);
  else print(`${made.directory}: ${octets(made.octets)}`);
}

/** Octets of the files in a directory and in those below, as far as they are there. */
function sizeOf(directory: string): number {
  const entries = existsSync(directory) ? readdirSync(directory, { recursive: true, encoding: 'utf8' }) : [];
  return entries.reduce(
    (sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** Progress is written at most so often. */
const PROGRESS_MS = 1000;

interface CopyOptions {
  readonly from: string;
  readonly to: string;
  readonly json?: boolean;
}

/** @throws CommandError USAGE | CONFIGURATION */
async function storeOf(text: string): Promise<StoreConfig> {
  const [, type, path] = /^(lmdb|postgres):(.+)$/.exec(text) ?? [];
  if (type === undefined || path === undefined) {
    throw new CommandError(EXIT.USAGE, `${text}: write lmdb:DIRECTORY, or postgres:CONFIGURATION-FILE`);
  }
  if (type === 'lmdb') return { type, path: resolve(path) };
  const { store } = await loadForCommand(path, { files: 'store' });
  if (store.type === 'postgres') return store;
  throw new CommandError(EXIT.CONFIGURATION, `${path}: store.type is "${store.type}", not "postgres"`);
}

async function move({ from, to, json }: CopyOptions): Promise<void> {
  const [source, target] = [await storeOf(from), await storeOf(to)];
  const { copyStore } = await import('../lib/store/copy.js');
  let shownAt = Number.NEGATIVE_INFINITY;
  const { entries, held } = await copyStore(source, target, ({ entries, allEntries, held, allHeld }) => {
    const last = entries === allEntries && held === allHeld;
    if (!last && performance.now() - shownAt < PROGRESS_MS) return;
    shownAt = performance.now();
    note(`${entries} of ${allEntries} entries, ${held} of ${allHeld} held messages`);
  });
  if (json === true) printJson({ entries, held });
  else print(`${to}: ${entries} entries and ${held} held messages, the same as in ${from}`);
}

export function register(command: Command): void {
  const copying = command
    .command('backup')
    .argument('<directory>', 'to make, or empty')
    .description('copy the store into a new directory, while the node runs')
    .option('--json', 'print the directory and its octets as JSON');
  withConfig(copying).action(backup);
  const moving = command
    .command('copy')
    .description('move a store to another engine, while the node is stopped')
    .requiredOption('--from <store>', 'lmdb:DIRECTORY, or postgres:FILE for the store of a configuration')
    .requiredOption('--to <store>', 'likewise; it must be empty')
    .option('--json', 'print the counts as JSON')
    .action(move);
  explain(command, {
    exits: { 0: 'done' },
    examples: ['imxp store backup /var/backups/imxp --config mesh.json'],
    see: ['imxp store backup --help', 'imxp account', 'docs/guide/operations.md'],
  });
  explain(copying, {
    about: `Copies accounts, access, presence and held messages, each database as it is at one moment. The copy holds verifiers, which are
as good as passwords: it is made for its owner only, and is to be kept like the store. To go back, stop the node and name the copy
as store.path, or put it in the place of the store.`,
    exits: {
      0: 'copied',
      69: 'the store cannot be read, or the directory is not empty or cannot be written',
      78: 'the configuration is not valid, or the node keeps its store in memory',
    },
    examples: ['imxp store backup /var/backups/imxp-$(date +%F) --config /etc/imxp/mesh.json'],
    see: ['imxp account', 'docs/guide/operations.md'],
  });
  explain(moving, {
    about: `Copies accounts, access, presence and held messages from a directory into a PostgreSQL database, or back, and compares all of it
with what the copy then has. Both stores are locked meanwhile, so that no node can run on them. Only then name the new store in the
configuration of the node; the old one is unchanged.`,
    exits: {
      0: 'copied, and the same',
      69: 'a store cannot be read or written, or a node runs on it, or the one to copy to is not empty, or the copy is not the same',
      78: 'the configuration or the directory is not usable',
    },
    examples: [
      'imxp store copy --from lmdb:/var/lib/imxp --to postgres:/etc/imxp/new.json',
      'imxp store copy --from postgres:/etc/imxp/mesh.json --to lmdb:/var/lib/new',
    ],
    see: ['imxp store backup', 'docs/guide/operations.md'],
  });
}
