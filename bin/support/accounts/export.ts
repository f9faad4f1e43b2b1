/**
 * `imxp account export`: accounts as JSON lines that `imxp account import` takes, with verifiers and never a password.
 * The verifiers are secrets nevertheless.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { describeFileError } from '../../../lib/config/password-file.js';
import { writeDigest, writeScram } from '../../../lib/sasl/verifier-text.js';
import type { AccountProfile, Accounts } from '../../../lib/store/accounts.js';
import { CommandError, EXIT } from '../exit.js';
import { note, printJson } from '../output.js';
import { Progress } from '../progress.js';
import { type AccountFlags, loadForAccounts, withAccounts } from './accounts.js';

export async function exportAccounts(file: string | undefined, flags: AccountFlags): Promise<void> {
  const config = await loadForAccounts(flags);
  const toFile = file !== undefined && file !== '-';
  const count = await withAccounts(config, ({ accounts }) =>
    toFile ? writeFile(file, accounts) : writeAll(process.stdout, accounts),
  );
  if (toFile && flags.json === true) printJson({ file, accounts: count });
  else
    note(
      `${count} accounts${toFile ? ` in ${file}` : ''}; anyone who can read the verifiers can try passwords against them`,
    );
}

/** All of it or nothing, for the owner only from the first octet on. */
async function writeFile(file: string, accounts: Accounts): Promise<number> {
  const draft = `${file}.${process.pid}.part`;
  try {
    const stream = createWriteStream(draft, { flags: 'wx', mode: 0o600, flush: true });
    const written = finished(stream);
    written.catch(() => {}); // told again by whoever waits for it
    await Promise.race([once(stream, 'open'), written]);
    const count = await writeAll(stream, accounts);
    stream.end();
    await written;
    await rename(draft, file);
    return count;
  } catch (error) {
    await rm(draft, { force: true });
    if (error instanceof Error && 'syscall' in error) {
      throw new CommandError(EXIT.FAILED, `${file}: ${describeFileError(error)}`);
    }
    throw error;
  }
}

async function writeAll(stream: NodeJS.WritableStream, accounts: Accounts): Promise<number> {
  let count = 0;
  const progress = new Progress({ what: 'exporting', unit: 'accounts' });
  for await (const profile of accounts.profiles()) {
    count += 1;
    if (!stream.write(`${JSON.stringify(lineOf(profile))}\n`)) await once(stream, 'drain');
    progress.update(count);
  }
  progress.end();
  return count;
}

function lineOf({ address, verifier, created, changed, state, lastAttached }: AccountProfile) {
  const { digestMd5, scramSha256 } = verifier;
  return {
    account: address,
    ...(digestMd5.length === 0 ? {} : { digestMd5: digestMd5.flatMap(writeDigest) }),
    ...(scramSha256 === undefined ? {} : { scramSha256: writeScram(scramSha256) }),
    created,
    changed,
    ...(state.disabled === undefined ? {} : { disabled: state.disabled }),
    ...(state.quota === undefined ? {} : { quota: state.quota }),
    ...(lastAttached === undefined ? {} : { lastAttached }),
  };
}
