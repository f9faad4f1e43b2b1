/**
 * Finds Chromium for the specs, or installs it where possible, starts it, and opens a page in it that reports its results
 * to the spec.
 */
import { spawnSync } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Context } from 'mocha';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core';
import { missingPackages } from './debian.js';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
/** A browser that has not started by then cannot run here. */
const START_MS = 60_000;

/** The path of the first of the programs that runs. */
function installed(): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  return PROGRAMS.flatMap((name) => directories.map((directory) => join(directory, name))).find(
    (path) => spawnSync(path, ['--version']).error === undefined,
  );
}

/** A browser that is here, or that a Debian installs which lets us; or why there is none. */
export function browser(): { readonly program: string } | { readonly missing: string } {
  const found = installed();
  if (found !== undefined) return { program: found };
  const missing = missingPackages(['chromium'], () => installed() !== undefined);
  if (missing !== undefined) return { missing };
  const program = installed();
  return program === undefined ? { missing: 'chromium was installed and does not run' } : { program };
}

// Certificates are not checked: those of the specs are of no known authority. Workers obey only the flag.
const FLAGS = [
  '--ignore-certificate-errors',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
];

/** Starts a browser without a window. @throws Error where it cannot run, for instance in a container that forbids it */
export function startBrowser(program: string): Promise<Browser> {
  return chromium.launch({ executablePath: program, args: FLAGS, timeout: START_MS });
}

/** The program of a browser; without one the specs are skipped, with the reason. */
export function browserOrSkip(specs: Context): string {
  const there = browser();
  return 'missing' in there ? skipped(specs, there.missing) : there.program;
}

/** A browser that runs; where none does the specs are skipped, with the reason. */
export async function startBrowserOrSkip(specs: Context): Promise<Browser> {
  const program = browserOrSkip(specs);
  return startBrowser(program).catch((error: unknown) => skipped(specs, String(error).split('\n', 1)[0]));
}

function skipped(specs: Context, reason: string | undefined): never {
  console.log(`      SKIPPED, nothing was tried in a browser: ${reason}`);
  return specs.skip();
}

/** A profile of its own in a browser, for one person. */
export function profile(own: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  return own.newContext({ ignoreHTTPSErrors: true, ...options });
}

/** By path: type and text. The page is `/`; what it posts to `/result` is its report. */
export type Files = Readonly<Record<string, readonly [type: string, body: string]>>;

/** Serves the page to one browser and waits for its report. */
export class Stage {
  readonly #server: Server;
  readonly #files: Files;
  #browser: Browser | undefined;
  #report: (result: string | undefined) => void = () => {};
  /** What the page said; undefined when the browser does not run here. */
  readonly result = new Promise<string | undefined>((resolve) => {
    this.#report = resolve;
  });

  constructor(files: Files) {
    this.#files = files;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async open(program: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    try {
      this.#browser = await startBrowser(program);
    } catch (error) {
      console.log(`      ${String(error).split('\n', 1)[0]}`);
      this.#report(undefined);
      return;
    }
    const page = await (await profile(this.#browser)).newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
  }

  async close(): Promise<void> {
    await this.#browser?.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (type: string, body: string): void => {
      response.writeHead(200, { 'Content-Type': type }).end(body);
    };
    const { url = '/' } = request;
    const file = this.#files[url];
    if (url === '/result') {
      this.#report(await text(request));
      send('text/plain', '');
    } else if (file !== undefined) send(...file);
    else response.writeHead(404).end();
  }
}
