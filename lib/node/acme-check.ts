/** Checks what `tls.acme` of a configuration names, and the certificates that were obtained so far. Changes nothing. */
import { access, constants, readFile } from 'node:fs/promises';
import { AcmeFiles } from '../acme/files.js';
import { acmeNames, acmePath } from '../config/acme.js';
import { directoryObstacle } from '../config/directory.js';
import { describeFileError, openToOthers, readPasswordFile } from '../config/password-file.js';
import type { Finding, KeyPath } from '../config/problem.js';
import type { NodeConfig } from '../config/schema.js';
import { certificatesIn } from './pem-certificates.js';

const AT = ['tls', 'acme'];

/** What is known of the certificate of a domain. */
export interface ObtainedState {
  readonly domain: string;
  /** Path of certificate and key. */
  readonly file: string;
  /** End of its validity, milliseconds since 1970; undefined while none has been issued. */
  readonly notAfterMs: number | undefined;
  /** When and why the last order failed; undefined if it did not. */
  readonly failure: string | undefined;
}

/** Looks at the certificate of each domain that has one by ACME; a node need not have run yet. */
export async function obtainedStates(config: NodeConfig): Promise<readonly ObtainedState[]> {
  const path = acmePath(config);
  if (config.tls.acme === undefined || path === undefined) return [];
  const files = new AcmeFiles(path);
  return await Promise.all(
    [...acmeNames(config).keys()].map(async (domain): Promise<ObtainedState> => {
      const file = files.fileOf(domain);
      try {
        const failure = await files.failure(domain);
        const { directory, leaf } = await files.read(domain);
        return { domain, file, notAfterMs: directory === undefined ? undefined : Date.parse(leaf.validTo), failure };
      } catch (error) {
        const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
        return { domain, file, notAfterMs: undefined, failure: missing ? undefined : describeFileError(error) };
      }
    }),
  );
}

/** Finds the problems of `tls.acme`, at a time in milliseconds since 1970. */
export async function inspectAcme(config: NodeConfig, now: number): Promise<readonly Finding[]> {
  const { acme } = config.tls;
  const path = acmePath(config);
  if (acme === undefined || path === undefined) return [];
  const findings: Finding[] = [];
  const add = (severity: Finding['severity'], keys: KeyPath, message: string): void => {
    findings.push({ severity, keys, message });
  };
  const obstacle = await directoryObstacle(path);
  const at = acme.path === undefined ? AT : [...AT, 'path'];
  if (obstacle !== undefined) add(obstacle.transient ? 'warning' : 'error', at, obstacle.text);
  const attempt = async (key: string, file: string | undefined, look: (file: string) => Promise<void>) => {
    if (file === undefined) return;
    try {
      await look(file);
    } catch (error) {
      add('error', [...AT, key], `${file}: ${describeFileError(error)}`);
    }
  };
  await attempt('webroot', acme.webroot, (file) => access(file, constants.W_OK | constants.X_OK));
  await attempt('hook', acme.hook, (file) => access(file, constants.X_OK));
  await attempt('authority', acme.authority, async (file) => {
    if (certificatesIn(await readFile(file)).length === 0) throw new Error('contains no certificate in PEM format');
  });
  await attempt('externalAccount', acme.externalAccount?.keyFile, async (file) => {
    await readPasswordFile(file);
    if (await openToOthers(file))
      add(
        'warning',
        [...AT, 'externalAccount', 'keyFile'],
        `${file}: other users of this machine can read it; chmod 600`,
      );
  });
  for (const { domain, file, notAfterMs, failure } of await obtainedStates(config)) {
    const why = failure === undefined ? '' : `; the last order failed: ${failure}`;
    if (notAfterMs !== undefined && notAfterMs < now)
      add('warning', AT, `${file}: expired on ${new Date(notAfterMs).toISOString()}${why}`);
    else if (failure !== undefined) add('warning', AT, `${domain}: no certificate was issued or renewed: ${failure}`);
  }
  return findings;
}
