import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { browserModule } from '../../web/build.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { temporaryDirectory } from '../support/temporary.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

/** What the page does, with what the spec tells it. Whatever happens is reported. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>imxp</title><script type="module">
import { Endpoint, RefusedError } from './imxp.js';
const told = await (await fetch('./told')).json();
const report = (result) => fetch('./result', { method: 'POST', body: JSON.stringify(result) });
try {
  const fred = await Endpoint.connect({ ...told.options });
  const large = new Uint8Array(1_500_000).map((_, index) => index % 251);
  await fred.send({ to: told.to, content: 'Grüße aus dem Browser 🎳' });
  await fred.send({ to: told.to, content: large, type: 'application/octet-stream' });
  await fred.send({ to: told.to, content: { message: { subject: 'Bowling', text: 'Tonight?' } } });
  const refusal = await fred.send({ to: told.to, content: 'refuse me' }).catch((error) => error);
  const outcomes = await fred.sendEach({ to: [told.to, 'nobody@rubble.com'], content: 'each' });
  const presence = await fred.presence.publish({
    tuples: [{ destination: 'im:fred@example.com', availableUntil: new Date(Date.now() + 3_600_000) }],
  }).then(() => fred.presence.poll('fred@example.com'));
  const heard = [];
  const ready = fred.send({ to: told.to, content: 'your turn' });
  for await (const delivery of fred) {
    const { content } = delivery;
    heard.push(content.kind === 'part' && content.body.length > 1000 ? content.body.length : delivery.text());
    if (heard.length === 2) break;
  }
  await ready;
  const { relay } = fred;
  await fred.close();
  report({
    relay, heard, open: presence.open,
    refusal: refusal instanceof RefusedError ? refusal.reply : String(refusal),
    outcomes: outcomes.map(({ recipient, code }) => [recipient, code]),
  });
} catch (error) {
  report({ failed: error.code + ' ' + error.message + '\\n' + error.stack });
}
</script>`;

interface Told {
  readonly options: object;
  readonly to: string;
}

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
const INSTALL_MS = 120_000;
/** A browser that has not asked for the page by then cannot run here, for instance in a container that forbids it. */
const START_MS = 60_000;

const installed = (): string | undefined => PROGRAMS.find((name) => spawnSync(name, ['--version']).error === undefined);

/** A browser that is here, or that a Debian installs which lets us; or why there is none. */
function browser(): { readonly program: string } | { readonly missing: string } {
  const found = installed();
  if (found !== undefined) return { program: found };
  if (process.getuid?.() !== 0) return { missing: 'chromium is not installed, and only root can install it' };
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: INSTALL_MS };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    const { status, error } = spawnSync('apt-get', args, options);
    if (status !== 0) return { missing: `apt-get ${args[0]} failed: ${error?.message ?? `exit code ${status}`}` };
  }
  const program = installed();
  return program === undefined ? { missing: 'chromium was installed and does not run' } : { program };
}

/** Serves the page to one browser and waits for its report. */
class Stage {
  readonly #server: Server;
  readonly #module: string;
  readonly #told: Told;
  #browser: ChildProcess | undefined;
  #report: (result: string | undefined) => void = () => {};
  #asked = false;
  /** What the page said; undefined when the browser did not even ask for it. */
  readonly result = new Promise<string | undefined>((resolve) => {
    this.#report = resolve;
  });

  constructor(module: string, told: Told) {
    this.#module = module;
    this.#told = told;
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
    switch (request.url) {
      case '/':
        return send('text/html', PAGE);
      case '/imxp.js':
        return send('text/javascript', this.#module);
      case '/told':
        return send('application/json', JSON.stringify(this.#told));
      case '/result':
        this.#report(await text(request));
        return send('text/plain', '');
      default:
        response.writeHead(404).end();
    }
  }
}

describe('the endpoint library in a browser', function () {
  this.timeout(300_000);
  this.slow(60_000);
  let program: string;
  let module: string;
  const path = temporaryDirectory();

  before(async function () {
    const there = browser();
    if ('missing' in there) {
      console.log(`      SKIPPED, nothing was tried in a browser: ${there.missing}`);
      this.skip();
    }
    program = there.program;
    module = await browserModule();
  });

  for (const transport of ['ws', 'wss'] as const) {
    it(`logs in, sends, receives, publishes and leaves over ${transport}`, async function () {
      const listen = [{ transport, host: '127.0.0.1', port: 0, origins: ['*'] }];
      const mesh = await LocalMesh.start({ transport, tls: transport === 'wss', config: { listen } });
      const options = { address: FRED, relay: mesh.url('example.com'), password: passwordOf(FRED) };
      const stage = new Stage(module, { options, to: BARNEY });
      const heard: unknown[] = [];
      const failures: unknown[] = [];
      try {
        const barney = await mesh.attach(BARNEY);
        barney.receive((delivery) => {
          const { message, content } = delivery;
          const octets = content.kind === 'part' ? content.body : Buffer.alloc(0);
          heard.push(message?.subject ?? (octets.length > 1000 ? octets.length : delivery.text()));
          if (octets.length > 1000 && !octets.every((octet, index) => octet === index % 251)) failures.push('octets');
          if (delivery.text() === 'refuse me') delivery.refuse({ code: 554, text: 'not wanted' });
          if (delivery.text() !== 'your turn') return;
          barney.send({ to: FRED, content: 'Grüße zurück' }).catch((error: unknown) => failures.push(error));
          barney.send({ to: FRED, content: Buffer.alloc(300_000, 7) }).catch((error: unknown) => failures.push(error));
        });
        await stage.open(program, path(transport));
        const result = await within(200_000, stage.result, 'a report of the page');
        if (result === undefined) {
          console.log(`      SKIPPED, nothing was tried in a browser: ${program} does not run here`);
          return this.skip();
        }
        expect(JSON.parse(result)).to.deep.equal({
          relay: mesh.url('example.com'),
          heard: ['Grüße zurück', 300_000],
          open: true,
          refusal: { code: 554, text: 'not wanted' },
          outcomes: [
            [BARNEY, 250],
            ['nobody@rubble.com', 550],
          ],
        });
        expect(heard).to.deep.equal([
          'Grüße aus dem Browser 🎳',
          1_500_000,
          'Bowling',
          'refuse me',
          'each',
          'your turn',
        ]);
        expect(failures).to.deep.equal([]);
      } finally {
        await stage.close();
        await mesh.close();
      }
    });
  }
});
