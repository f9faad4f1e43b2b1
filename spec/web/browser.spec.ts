import { expect } from 'chai';
import { browserModule } from '../../web/build.js';
import { browserOrSkip, Stage } from '../support/chromium.js';
import { INSTALL_TIMEOUT_MS } from '../support/debian.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
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

describe('the endpoint library in a browser', function () {
  this.timeout(300_000);
  this.slow(60_000);
  let program: string;
  let module: string;

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    program = browserOrSkip(this);
    module = await browserModule();
  });

  for (const transport of ['ws', 'wss'] as const) {
    it(`logs in, sends, receives, publishes and leaves over ${transport}`, async function () {
      const listen = [{ transport, host: '127.0.0.1', port: 0, origins: ['*'] }];
      const mesh = await LocalMesh.start({ transport, tls: transport === 'wss', config: { listen } });
      const options = { address: FRED, relay: mesh.url('example.com'), password: passwordOf(FRED) };
      const stage = new Stage({
        '/': ['text/html', PAGE],
        '/imxp.js': ['text/javascript', module],
        '/told': ['application/json', JSON.stringify({ options, to: BARNEY })],
      });
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
        await stage.open(program);
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
