import { expect } from 'chai';
import { DigestMd5Client } from '../../lib/sasl/digest-md5/client.js';
import { formatResponse, parseChallenge, parseResponse } from '../../lib/sasl/digest-md5/message.js';
import { DigestMd5Server } from '../../lib/sasl/digest-md5/server.js';
import { NonceCache } from '../../lib/sasl/nonce-cache.js';
import { authenticated, login, People, settings, talk } from './people.js';

describe('subsequent authentication', () => {
  const people = new People();
  before(() => people.add('fred@example.com', 'yabba-42'));

  const node = (nonces = new NonceCache()) => ({
    nonces,
    server: (more = {}) => new DigestMd5Server({ ...settings(people, { nonces, ...more }), privacy: false }),
  });

  async function remembered(server: DigestMd5Server) {
    const client = new DigestMd5Client(login('fred', 'yabba-42'));
    authenticated(await talk(client, server));
    const { memory } = client;
    if (memory === undefined) throw new Error('nothing to remember');
    return memory;
  }
  const again = (memory: Awaited<ReturnType<typeof remembered>>) =>
    new DigestMd5Client({ ...login('fred', 'yabba-42'), memory });

  it('REQ-SASL-028 takes one step with the next count', async () => {
    const { server } = node();
    const memory = await remembered(server());
    for (const nc of ['00000002', '00000003']) {
      const client = again(memory);
      const initial = (await client.initial()) ?? Buffer.alloc(0);
      expect(parseResponse(initial).nc).to.equal(nc);
      const step = await server().step(initial);
      expect(authenticated(step).account).to.equal('fred@example.com');
      await client.step((step.type === 'success' && step.data) || Buffer.alloc(0));
      expect(client.complete).to.equal(true);
    }
  });

  it('REQ-SASL-028 falls back to a fresh, stale challenge when the nonce is not known', async () => {
    const memory = await remembered(node().server());
    const elsewhere = node().server();
    const client = again(memory);
    const step = await elsewhere.step(await client.initial());
    if (step.type !== 'challenge') throw new Error('a challenge is expected');
    expect(parseChallenge(step.data).stale).to.equal(true);
    expect(parseChallenge(step.data).nonce).to.not.equal(memory.response.nonce);
    authenticated(await elsewhere.step(await client.step(step.data)));
  });

  it('REQ-SASL-028 refuses a replay and a skipped count with a challenge', async () => {
    const { server } = node();
    const memory = await remembered(server());
    const second = (await again(memory).initial()) ?? Buffer.alloc(0);
    authenticated(await server().step(second));
    expect(await server().step(second)).to.include({ type: 'challenge' });
    memory.nc += 1;
    expect(await server().step(await again(memory).initial())).to.include({ type: 'challenge' });
  });

  it('REQ-SASL-029 does not count an invalid response', async () => {
    const { server, nonces } = node();
    const memory = await remembered(server());
    const { nonce } = memory.response;
    const right = parseResponse((await again(memory).initial()) ?? Buffer.alloc(0));
    const wrong = formatResponse({ ...right, response: '0'.repeat(32) });
    expect(await server().step(wrong)).to.include({ type: 'challenge' });
    expect(nonces.find(nonce)?.nc).to.equal(1);
    authenticated(await server().step(formatResponse(right)));
    expect(nonces.find(nonce)?.nc).to.equal(2);
  });

  it('lets only one of two sessions use a count', async () => {
    const { server } = node();
    const octets = (await again(await remembered(server())).initial()) ?? Buffer.alloc(0);
    const steps = await Promise.all([server().step(octets), server().step(octets)]);
    expect(steps.map(({ type }) => type).sort()).to.deep.equal(['challenge', 'success']);
  });

  it('is not offered for security layers, whose keys would repeat', async () => {
    const { server, nonces } = node();
    const client = new DigestMd5Client(login('fred', 'yabba-42', { qops: ['auth-int'] }));
    authenticated(await talk(client, server({ qops: ['auth-int'] })));
    expect(nonces.size).to.equal(0);
    expect(client.memory).to.equal(undefined);
  });

  it('forgets by number and by age', () => {
    let now = 0;
    const cache = new NonceCache({ capacity: 2, lifetimeMs: 100, now: () => now });
    const entry = (nonce: string) => ({ nonce, username: 'fred', realm: '', cnonce: 'c', nc: 1 });
    for (const nonce of ['a', 'b', 'c']) cache.remember(entry(nonce));
    expect(cache.size).to.equal(2);
    expect(cache.find('a')).to.equal(undefined);
    now = 99;
    expect(cache.find('b')?.nonce).to.equal('b');
    now = 100;
    expect(cache.find('b')).to.equal(undefined);
    cache.remember(entry('d'));
    expect(cache.size).to.equal(1);
    cache.forget('d');
    expect(cache.find('d')).to.equal(undefined);
  });
});
