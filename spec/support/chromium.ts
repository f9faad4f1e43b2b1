/**
 * Finds Chromium for the specs, or installs it where possible, and opens a page in it that reports its results to the
 * spec.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { missingPackages } from './debian.js';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
/** A browser that has not asked for the page by then cannot run here, for instance in a container that forbids it. */
const START_MS = 60_000;

const installed = (): string | undefined => PROGRAMS.find((name) => spawnSync(name, ['--version']).error === undefined);

/** A browser that is here, or that a Debian installs which lets us; or why there is none. */
export function browser(): { readonly program: string } | { readonly missing: string } {
  const found = installed();
  if (found !== undefined) return { program: found };
  const missing = missingPackages(['chromium'], () => installed() !== undefined);
  if (missing !== undefined) return { missing };
  const program = installed();
  return program === undefined ? { missing: 'chromium was installed and does not run' } : { program };
}

/** By path: type and text. The page is `/`; what it posts to `/result` is its report. */
export type Files = Readonly<Record<string, readonly [type: string, body: string]>>;

/** Serves the page to one browser and waits for its report. */
export class Stage {
  readonly #server: Server;
  readonly #files: Files;
  #browser: ChildProcess | undefined;
  #report: (result: string | undefined) => void = () => {};
  #asked = false;
  /** What the page said; undefined when the browser did not even ask for it. */
  readonly result = new Promise<string | undefined>((resolve) => {
    this.#report = resolve;
  });

  constructor(files: Files) {
    this.#files = files;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async open(program: string, profile: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'];
    this.#browser = spawn(
      program,
      [...flags, '--ignore-certificate-errors', `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`],
      { stdio: 'ignore' },
    );
    const absent = (): void => {
      if (!this.#asked) this.#report(undefined);
    };
    this.#browser.once('close', absent);
    setTimeout(absent, START_MS).unref();
  }

  async close(): Promise<void> {
    const browser = this.#browser;
    if (browser !== undefined && browser.exitCode === null) {
      const gone = new Promise((resolve) => browser.once('close', resolve));
      browser.kill('SIGKILL');
      await gone;
    }
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (type: string, body: string): void => {
      response.writeHead(200, { 'Content-Type': type }).end(body);
    };
    this.#asked = true;
    const { url = '/' } = request;
    const file = this.#files[url];
    if (url === '/result') {
      this.#report(await text(request));
      send('text/plain', '');
    } else if (file !== undefined) send(...file);
    else response.writeHead(404).end();
  }
}
