/** A directory of its own for each spec of a suite, and gone after it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Call within `describe`; the result gives paths in the directory of the spec that runs. */
export function temporaryDirectory(): (...parts: string[]) => string {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'imxp-spec-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));
  return (...parts) => join(directory, ...parts);
}
