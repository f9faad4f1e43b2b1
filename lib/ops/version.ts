/** Version of the program, read from its package, whether it runs from its sources or from dist/. */
import { readFileSync } from 'node:fs';

function found(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const manifest: { name?: string; version?: string } = JSON.parse(
        readFileSync(new URL(up, import.meta.url), 'utf8'),
      );
      if (manifest.name === 'imxp' && manifest.version !== undefined) return manifest.version;
    } catch {
      // Not at this level.
    }
  }
  return 'unknown';
}

export const VERSION = found();
