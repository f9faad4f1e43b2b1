/**
 * Subject of a request to the access service, and whether the originator may ask about it (access-01 §4, RFC 3341 §4).
 */
import { type Address, addressOf } from '../imxp/address.js';
import type { AccessPolicy, Directory } from '../relay/target.js';
import { Refusal } from './refusal.js';
import type { ServiceRequest } from './request.js';

export interface SubjectOptions {
  readonly access: AccessPolicy;
  readonly directory: Directory;
  /** Whether a well-known local part, such as `imxp=presence`, is served here. */
  serves(local: string): boolean;
}

/**
 * Processes the steps that all operations have in common.
 *
 * @throws Refusal 553, 550, 537
 */
export async function subjectOf(
  owner: string,
  { domain, originator }: ServiceRequest,
  action: string,
  { access, directory, serves }: SubjectOptions,
): Promise<Address> {
  const name = addressOf(owner);
  if (name?.domain !== domain) throw new Refusal(553, `the owner is not an endpoint of ${domain}`);
  const valid = name.wellKnown === undefined ? await directory.known(name.base) : serves(name.wellKnown);
  if (!valid) throw new Refusal(550, 'unknown endpoint identity');
  if (!(await access.allowed(name.key, originator.key, action))) throw new Refusal(537, `${action} is not granted`);
  return name;
}
