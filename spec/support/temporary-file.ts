/** Files for what only takes paths; gone when the process ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let directory: string | undefined;
let count = 0;

export async function temporaryFile(content: string | Buffer): Promise<string> {
  if (directory === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'imxp-files-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    directory = made;
  }
  count += 1;
  const path = join(directory, `${count}`);
  await writeFile(path, content, { mode: 0o600 });
  return path;
}
