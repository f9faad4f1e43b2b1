/**
 * Debian packages that specs need as independent peers: looked for, and installed where root runs the specs. Specs run
 * in parallel, and apt-get refuses to run twice at once, so that each waits for its turn.
 */
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LOCK = join(tmpdir(), 'imxp-apt-get.lock');
const TURN_SECONDS = 600;
const RUN_MS = 240_000;
/** Timeout of a hook that installs something. */
export const INSTALL_TIMEOUT_MS = TURN_SECONDS * 1000 + 2 * RUN_MS;

function isInstalled(name: string): boolean {
  const { status, stdout } = spawnSync('dpkg', ['-s', name], { encoding: 'utf8' });
  return status === 0 && stdout.includes('Status: install ok installed');
}

/**
 * Installs packages unless they are there.
 *
 * @param isThere whether what the specs need of them is there; default: whether dpkg knows all of them as installed
 * @param answers to the questions of their installation, as debconf-set-selections reads them
 * @returns why they cannot be had; undefined when they are there
 */
export function missingPackages(
  packages: readonly string[],
  isThere: () => boolean = () => packages.every(isInstalled),
  answers: readonly string[] = [],
): string | undefined {
  if (isThere()) return undefined;
  const names = packages.join(', ');
  if (process.getuid?.() !== 0) return `${names} not installed, and only root can install them`;
  console.error(`      installing ${names}`);
  if (answers.length > 0) spawnSync('debconf-set-selections', { input: `${answers.join('\n')}\n` });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const turn = ['-w', String(TURN_SECONDS), LOCK, 'timeout', String(RUN_MS / 1000), 'apt-get', ...args];
    const { status, error, stderr } = spawnSync('flock', turn, { env, encoding: 'utf8' });
    if (status !== 0) return `apt-get ${args[0]} failed: ${error?.message ?? (stderr.trim() || `exit code ${status}`)}`;
  }
  return isThere() ? undefined : `not complete after apt-get install ${names}`;
}

/**
 * For specs with independent peers: as {@link missingPackages}, which `IMXP_INTEROP=off` spares, and says aloud what is skipped.
 *
 * @param otherwise another reason why they cannot be tried
 * @returns whether there is nothing to try
 */
export function lacksPeer(
  peer: string,
  packages: readonly string[],
  otherwise?: string,
  answers?: readonly string[],
): boolean {
  const off = process.env['IMXP_INTEROP'] === 'off' ? 'IMXP_INTEROP=off' : undefined;
  const missing = off ?? otherwise ?? missingPackages(packages, undefined, answers);
  if (missing !== undefined) console.log(`      SKIPPED, nothing was tried with ${peer}: ${missing}`);
  return missing !== undefined;
}
