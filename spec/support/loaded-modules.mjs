/** For `--import`: writes the URL of every module that the process loads to the file named by IMXP_LOADED, a line each. */
import { appendFileSync } from 'node:fs';
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

// The hooks run in a thread of their own, in which this file is loaded again.
if (isMainThread) register(import.meta.url);

export async function load(url, context, next) {
  appendFileSync(process.env.IMXP_LOADED, `${url}\n`);
  return await next(url, context);
}
