/**
 * Resolves the name of this package, as its exports declare it, to the sources: `imxp/message` is `lib/exports/message.ts`
 * and `imxp/browser` is what `web/build.ts` makes of its source. Preloaded before the specs. With `IMXP_DIST=1` (as `npm
 * test` sets it, after building) it does nothing, and Node resolves the name to `dist/` as for everybody else.
 */
import { register } from 'node:module';

if (process.env.IMXP_DIST !== '1') register('./own-package-hooks.mjs', import.meta.url);
