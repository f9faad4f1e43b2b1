/** The admin port of a node, with the console. Loaded only where it is configured, because it comes with HTTP and metrics. */
import { Admin } from '../admin/admin.js';
import type { Limits } from '../config/limits.js';
import type { NodeConfig } from '../config/schema.js';
import { consolePage } from './built-page.js';

/** What the console alone needs beside the pages. */
const CONSOLE_LIMITS = { outstanding: 16, streams: 16, requestTimeoutMs: 0 };

/** @throws LocalError LISTEN_FAILED | CONFIGURATION when the address cannot be had */
export async function startAdmin(
  { api, ...place }: NonNullable<NodeConfig['admin']>,
  limits: Limits['api'],
): Promise<Admin> {
  // The console has tokens even where none are configured.
  const apiLimits = api === undefined ? CONSOLE_LIMITS : limits;
  return await Admin.start({ ...place, files: consolePage(place.nodes), apiLimits });
}
