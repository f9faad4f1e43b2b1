/** The admin port of a node, with the console. Loaded only where it is configured, because it comes with HTTP and metrics. */
import { Admin } from '../admin/admin.js';
import type { Limits } from '../config/limits.js';
import type { NodeConfig } from '../config/schema.js';
import { consolePage } from './built-page.js';

/** @throws LocalError LISTEN_FAILED | CONFIGURATION when the address cannot be had */
export async function startAdmin(
  { api, ...place }: NonNullable<NodeConfig['admin']>,
  limits: Limits['api'],
): Promise<Admin> {
  return await Admin.start({ ...place, files: consolePage(), ...(api === undefined ? {} : { apiLimits: limits }) });
}
