/**
 * Keeps what V8 has compiled for the next start, where Node can (22.1 and later): `imxp/compiled` in the user's cache directory, which is
 * `XDG_CACHE_HOME` or `~/.cache`. Never in the directory for temporary files, where another user may have put code.
 * `NODE_DISABLE_COMPILE_CACHE=1` switches it off.
 */
import module from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Where there is no such directory, or it cannot be written, Node does without. */
export function keepCompiled(): void {
  // Types of Node 20 do not have it.
  const enable: unknown = Reflect.get(module, 'enableCompileCache');
  const directory = cacheDirectory();
  if (typeof enable === 'function' && directory !== undefined) enable(join(directory, 'imxp', 'compiled'));
}

function cacheDirectory(): string | undefined {
  const given = process.env['XDG_CACHE_HOME'] ?? '';
  // XDG Base Directory Specification: paths that are not absolute are ignored.
  if (isAbsolute(given)) return given;
  try {
    const home = homedir();
    return isAbsolute(home) ? join(home, '.cache') : undefined;
  } catch {
    return undefined;
  }
}
