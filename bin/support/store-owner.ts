/**
 * Work of root on the store of another user. Files that root makes there could not be opened by the node, and what root
 * may read or write says nothing about what the node may; so such work is done as the owner of the store.
 */
import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { StoreConfig } from '../../lib/config/schema.js';
import { type Checked, checkConfig } from '../../lib/node/configuration.js';
import { CommandError, EXIT } from './exit.js';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Finds the owner of a store: of its directory, or of the nearest existing one above it, in which it would be made.
 *
 * @returns undefined where it makes no difference: this is not root, or the store is root's
 */
export async function foreignOwner(store: StoreConfig): Promise<Owner | undefined> {
  if (store.type === 'memory' || process.geteuid?.() !== 0) return undefined;
  for (let path = store.path; ; path = dirname(path)) {
    try {
      const { uid, gid } = await stat(path);
      return uid === 0 ? undefined : { uid, gid };
    } catch (error) {
      const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!missing || path === dirname(path)) return undefined;
    }
  }
}

/** Refuses to run a node as root on what is in the store of another user: that user could not open what it leaves there. */
export async function requireOwnStore(store: StoreConfig): Promise<void> {
  const owner = await foreignOwner(store);
  if (owner === undefined || store.type === 'memory' || !(await holdsSomething(store.path))) return;
  const user = await userName(owner);
  throw new CommandError(
    EXIT.CONFIGURATION,
    `store.path: ${store.path}: belongs to user ${user}, who could not use what root writes there`,
    { hint: `Run the node as that user (sudo -u ${user}), or give the store to root: chown -R 0 ${store.path}` },
  );
}

async function holdsSomething(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length > 0;
  } catch {
    // It does not exist yet, or the store will say what is wrong with it.
    return false;
  }
}

/** Returns the name of a user, or the number of one without a name. */
export async function userName({ uid }: Owner): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('id', ['-nu', `${uid}`]);
    return stdout.trim();
  } catch {
    return `${uid}`;
  }
}

/** Runs an action as another user; root again afterwards. Only for processes that do nothing else meanwhile. */
export async function asUser<T>(owner: Owner | undefined, action: () => Promise<T>): Promise<T> {
  const { getgroups, setgroups, setegid, seteuid } = process;
  if (owner === undefined || getgroups === undefined || setgroups === undefined) return await action();
  if (setegid === undefined || seteuid === undefined) return await action();
  const groups = getgroups();
  setgroups([...(await groupsOf(owner))]);
  setegid(owner.gid);
  seteuid(owner.uid);
  try {
    return await action();
  } finally {
    seteuid(0);
    setegid(0);
    setgroups(groups);
  }
}

/** A user without a name, as in containers, has no further groups. */
async function groupsOf({ uid, gid }: Owner): Promise<readonly number[]> {
  try {
    const { stdout } = await promisify(execFile)('id', ['-G', `${uid}`]);
    return stdout.trim().split(' ').map(Number);
  } catch {
    return [gid];
  }
}

/**
 * Checks a configuration as the user of the node will find it.
 *
 * @returns also who that is, if not this user
 */
export async function checkAsOwner(path: string): Promise<Checked & { readonly owner: Owner | undefined }> {
  const { config } = await checkConfig(path, { files: false });
  const owner = config === undefined ? undefined : await foreignOwner(config.store);
  return { owner, ...(await asUser(owner, () => checkConfig(path))) };
}
