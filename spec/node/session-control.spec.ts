import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import type { NodeConfig } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { events, type SessionExpelled } from '../../lib/ops/events.js';
import { TestAuthority } from '../support/certificates.js';
import { temporaryDirectory } from '../support/temporary.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';

describe('node/session-control', function () {
  this.timeout(60_000);
  const path = temporaryDirectory();
  const authority = new TestAuthority();
  const server = authority.issue({ domains: ['example.com'] });
  const clients = {
    [FRED]: authority.issue({ mailboxes: [FRED], usages: ['client'] }),
    [WILMA]: authority.issue({ mailboxes: [WILMA], usages: ['client'] }),
  };
  let node: Node;
  const expelled: SessionExpelled[] = [];
  let silence: () => void;

  const config = (more: object = {}): NodeConfig =>
    parseConfig(
      {
        domains: ['example.com'],
        listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }],
        tls: { certificate: path('node.crt'), key: path('node.key'), authority: path('ca.crt'), ...more },
        store: { type: 'memory' },
        mesh: { dns: { enabled: false } },
      },
      '/',
    );

  beforeEach(async () => {
    expelled.length = 0;
    await writeFile(path('node.crt'), server.certificate);
    await writeFile(path('node.key'), server.key, { mode: 0o600 });
    await writeFile(path('ca.crt'), authority.certificate);
    node = await startNode(config());
    silence = events.expelled.subscribe((it) => void expelled.push(it));
  });

  afterEach(async () => {
    silence();
    await node.stop();
  });

  const attached = (address: keyof typeof clients): Promise<Endpoint> => {
    const { certificate, key } = clients[address];
    const relay = `tcp://127.0.0.1:${node.listening[0]?.port ?? 0}`;
    return Endpoint.connect({ address, relay, ca: authority.certificate, certificate, key });
  };

  const ended = (endpoint: Endpoint): Promise<void> =>
    within(10_000, new Promise((resolve) => void endpoint.on('close', () => resolve())), 'the session ends');

  it('a certificate revoked since ends the sessions of its owner at the reload, and nobody else’s', async () => {
    const [fred, wilma] = [await attached(FRED), await attached(WILMA)];
    await writeFile(path('revoked.crl'), authority.revocations([]));
    await node.reload(config({ revoked: path('revoked.crl') }));
    expect([fred.connected, wilma.connected, expelled.length]).to.deep.equal([true, true, 0]);
    await writeFile(path('revoked.crl'), authority.revocations([clients[FRED].serial]));
    const over = ended(fred);
    await node.reload(config({ revoked: path('revoked.crl') }));
    await over;
    expect(wilma.connected).to.equal(true);
    expect(expelled.map(({ account, reason }) => `${account}: ${reason}`)).to.deep.equal([
      `${FRED}: the certificate is revoked`,
    ]);
    await wilma.close();
  });

  it('a list of another authority of that name ends nothing', async () => {
    expelled.length = 0;
    const wilma = await attached(WILMA);
    await writeFile(path('revoked.crl'), new TestAuthority().revocations([clients[WILMA].serial]));
    await node.reload(config({ revoked: path('revoked.crl') }));
    expect([wilma.connected, expelled.length]).to.deep.equal([true, 0]);
    await wilma.close();
  });
});
