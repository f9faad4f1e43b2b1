import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { Workshop } from '../support/node-process.js';

const [FRED, WILMA, PASSWORD] = ['fred@example.com', 'wilma@example.com', 'gangway-42'];
/** Nearly the largest message; limits.session.messageOctets counts its headers too. */
const OCTETS = 63 * 1024 * 1024;

describe('endpoint: large messages', function () {
  this.timeout(180_000);
  this.slow(60_000);
  let workshop: Workshop;
  let endpoints: Endpoint[];

  async function connected(address: string, port: number): Promise<Endpoint> {
    const relay = `tcp://127.0.0.1:${port}`;
    const endpoint = await Endpoint.connect({ address, relay, password: PASSWORD, tls: 'off', secure: false });
    endpoints.push(endpoint);
    return endpoint;
  }

  beforeEach(async () => {
    endpoints = [];
    workshop = await Workshop.open();
  });

  afterEach(async () => {
    for (const endpoint of endpoints) await endpoint.close();
    await workshop.close();
  });

  it('are neither copied to be sent nor joined to be read as a stream', async () => {
    const { port } = await workshop.relay([FRED, WILMA], PASSWORD);
    const [fred, wilma] = [await connected(FRED, port), await connected(WILMA, port)];
    const content = randomBytes(OCTETS);
    const path = workshop.path('arrived.bin');
    let peak = 0;
    const look = (): void => {
      peak = Math.max(peak, process.memoryUsage().arrayBuffers);
    };
    const timer = setInterval(look, 5);
    const written = new Promise<void>((resolve, reject) => {
      wilma.receive(async (delivery: Delivery) => {
        look();
        const stream = delivery.stream();
        stream.on('data', look);
        await pipeline(stream, createWriteStream(path)).then(resolve, reject);
      });
    });
    const before = process.memoryUsage().arrayBuffers;
    await Promise.all([fred.send({ to: WILMA, content }), written]);
    clearInterval(timer);
    // Beside what is sent, which the application holds, there is what was received, once.
    expect((peak - before) / OCTETS).to.be.within(0.9, 1.4);
    let at = 0;
    for await (const chunk of createReadStream(path)) {
      const octets: Buffer = chunk;
      expect(octets.equals(content.subarray(at, at + octets.length))).to.equal(true);
      at += octets.length;
    }
    expect(at).to.equal(OCTETS);
  });

  it('are refused when their stream cannot be written', async () => {
    const { port } = await workshop.relay([FRED, WILMA], PASSWORD);
    const [fred, wilma] = [await connected(FRED, port), await connected(WILMA, port)];
    wilma.on('error', () => {});
    const failed = once(wilma, 'error');
    wilma.receive((delivery) => pipeline(delivery.stream(), createWriteStream(workshop.path('no/such/directory'))));
    const refusal = await fred.send({ to: WILMA, content: randomBytes(1_000_000) }).catch((error: unknown) => error);
    expect(refusal).to.include({ code: 'REFUSED' });
    expect((await failed)[0]).to.include({ code: 'ENOENT' });
  });

  it('give as a stream what small ones give as text', async () => {
    const { port } = await workshop.relay([FRED, WILMA], PASSWORD);
    const [fred, wilma] = [await connected(FRED, port), await connected(WILMA, port)];
    const read: string[] = [];
    wilma.receive(async (delivery) => {
      let text = '';
      for await (const chunk of delivery.stream().setEncoding('utf8')) text += chunk;
      read.push(text);
      expect(text).to.equal(delivery.text());
    });
    for (const content of ['Yabba é', '', { xml: '<a>x</a>' }, { uri: 'http://example.com/x' }, { json: { a: 1 } }]) {
      await fred.send({ to: WILMA, content });
    }
    expect(read).to.deep.equal(['Yabba é', '', '<a>x</a>', 'http://example.com/x', '{"a":1}']);
  });
});
