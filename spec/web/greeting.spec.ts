/**
 * BEEP libraries of browsers that others wrote listen to their WebSocket only some time after it has opened, and what came
 * before is lost to them. Tried in a real Chromium, which delivers a message that came with the answer to the request.
 */
import { expect } from 'chai';
import { browserOrSkip, Stage } from '../support/chromium.js';
import { INSTALL_TIMEOUT_MS } from '../support/debian.js';
import { LocalMesh } from '../support/local-mesh.js';
import { within } from '../support/within.js';

const SESSIONS = 100;
/** How long after the opening a page listens: at once in a later task, or after a while. */
const LATE_MS = [0, 1, 5, 20, 50];

/** Longer than by default: where other work goes on, the timers of the page are late as well. */
const LIMITS = { websocket: { greetingDelayMs: 500 } };
/** Sessions that a page has open at the same time. */
const ROWS = 4;

/** Opens the sessions and counts those that hear a greeting. */
const page = (url: string, speaksFirst: boolean): string => `<!doctype html><meta charset="utf-8"><script>
const greeting = 'RPY 0 0 . 0 52\\r\\nContent-Type: application/beep+xml\\r\\n\\r\\n<greeting />\\r\\nEND\\r\\n';
const late = ${JSON.stringify(LATE_MS)};
const session = (at) => new Promise((resolve) => {
  const socket = new WebSocket(${JSON.stringify(url)});
  const end = (heard) => { clearTimeout(timer); socket.onclose = null; socket.close(); resolve(heard); };
  const timer = setTimeout(() => end('nothing'), 10_000);
  socket.onclose = () => end('closed');
  socket.onopen = () => setTimeout(() => {
    socket.onmessage = ({ data }) => end(String(data).startsWith('RPY 0 0 . 0 ') ? 'greeting' : String(data));
    if (${speaksFirst}) socket.send(greeting);
  }, late[Math.floor(at / ${ROWS}) % late.length]);
});
(async () => {
  const counts = {};
  const row = async (from) => {
    for (let at = from; at < ${SESSIONS}; at += ${ROWS}) {
      const heard = await session(at);
      counts[heard] = (counts[heard] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: ${ROWS} }, (_, from) => row(from)));
  await fetch('./result', { method: 'POST', body: JSON.stringify(counts) });
})();
</script>`;

describe('the greeting to a page that listens late', function () {
  this.timeout(300_000);
  this.slow(60_000);
  let program: string;

  before(function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    program = browserOrSkip(this);
  });

  for (const transport of ['ws', 'wss'] as const) {
    for (const speaksFirst of [true, false]) {
      const how = speaksFirst ? 'greets when it listens' : 'says nothing';
      it(`arrives ${SESSIONS} of ${SESSIONS} times over ${transport} where the page ${how}`, async function () {
        const listen = [{ transport, host: '127.0.0.1', port: 0, origins: ['*'] }];
        const mesh = await LocalMesh.start({ transport, tls: transport === 'wss', config: { listen }, limits: LIMITS });
        const stage = new Stage({ '/': ['text/html', page(mesh.url('example.com'), speaksFirst)] });
        try {
          await stage.open(program);
          const result = await within(250_000, stage.result, 'a report of the page');
          if (result === undefined) {
            console.log(`      SKIPPED, nothing was tried in a browser: ${program} does not run here`);
            return this.skip();
          }
          expect(JSON.parse(result)).to.deep.equal({ greeting: SESSIONS });
        } finally {
          await stage.close();
          await mesh.close();
        }
      });
    }
  }
});
