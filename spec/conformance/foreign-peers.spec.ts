/**
 * What BEEP libraries that others wrote send unasked, and have to be answered: octets in our own words, as those peers write
 * them and read what comes back.
 */

import type { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import * as document from '../support/raw-documents.js';
import { RawPeer } from '../support/raw-peer.js';

const PLAIN = 'http://iana.org/beep/SASL/PLAIN';
const FRED = 'fred@example.com';

describe('BEEP libraries that others wrote', function () {
  this.timeout(60_000);
  let mesh: LocalMesh;
  let webs: LocalMesh;
  const peers: RawPeer[] = [];

  before(async () => {
    mesh = await LocalMesh.start({
      tls: true,
      config: { sasl: { mechanisms: ['PLAIN', 'DIGEST-MD5'], serverNames: ['198.51.100.7', 'gate.example.net'] } },
    });
    webs = await LocalMesh.start({
      transport: 'ws',
      config: { listen: [{ transport: 'ws', host: '127.0.0.1', port: 0, origins: ['*'] }] },
    });
  });
  afterEach(() => {
    for (const peer of peers.splice(0)) peer.destroy();
  });
  after(() => Promise.all([mesh?.close(), webs?.close()]));

  async function connected(): Promise<RawPeer> {
    const peer = await RawPeer.connect({ port: Number(new URL(mesh.url('example.com')).port) });
    peers.push(peer);
    await peer.greet();
    return peer;
  }

  /** What a start of TLS with that serverName is answered with. */
  async function answer(serverName: string): Promise<string> {
    const peer = await connected();
    peer.hush();
    const asked = document.start({ channel: 1, uri: document.TLS, content: '<ready />', serverName });
    return `${(await peer.ask(0, asked)).payload}`;
  }

  describe('serverName', () => {
    for (const [what, serverName] of [
      ['the domain', 'example.com'],
      ['the address dialled', '127.0.0.1'],
      ['the address dialled, mapped into IPv6', '::ffff:127.0.0.1'],
      ['the loopback host by its name', 'localhost'],
      ['a host below the domain', 'relay.example.com'],
      ['a host below the domain, in capitals', 'RELAY.Example.COM'],
      ['an address that the operator named', '198.51.100.7'],
      ['a host that the operator named', 'gate.example.net'],
    ]) {
      it(`REQ-BEEP-042 may be ${what}`, async () => {
        expect(await answer(serverName ?? '')).to.match(/<profile [^>]*><!\[CDATA\[<proceed \/>\]\]><\/profile>/);
      });
    }

    for (const [what, serverName] of [
      ['a foreign domain', 'bedrock.example'],
      ['a domain that only ends alike', 'notexample.com'],
      ['an address of somebody else', '192.0.2.1'],
    ]) {
      it(`REQ-BEEP-042 is refused when it is ${what}`, async () => {
        expect(await answer(serverName ?? '')).to.match(/<error code='550'/);
      });
    }

    it('that is an address says nothing of the domain: the certificate is chosen by the TLS server name', async () => {
      const peer = await connected();
      let names = '';
      const look = (socket: TLSSocket): void => {
        names = socket.getPeerX509Certificate()?.subjectAltName ?? '';
      };
      peer.hush();
      const asked = document.start({ channel: 1, uri: document.TLS, content: '<ready />', serverName: '127.0.0.1' });
      await peer.ask(0, asked);
      await peer.handshake({ serverName: 'example.com', authority: mesh.authority.certificate, look });
      expect(names).to.include('example.com');
      await peer.greet();
      const blob = Buffer.from(`fred\0fred\0${passwordOf(FRED)}`).toString('base64');
      // The server name stays in effect after tuning, and keeps nobody from logging in.
      const { profile } = await peer.start(PLAIN, `<blob>${blob}</blob>`);
      expect(profile?.content).to.match(/complete/);
    });
  });

  describe('the greeting over a WebSocket', () => {
    async function opened(): Promise<RawPeer> {
      const port = Number(new URL(webs.url('example.com')).port);
      const peer = await RawPeer.connect({ port, transport: 'ws' });
      peers.push(peer);
      return peer;
    }

    it('waits for the end of the HTTP response, and comes to a peer that waits for it', async () => {
      const peer = await opened();
      const begun = performance.now();
      await peer.arrived(0);
      expect(performance.now() - begun).to.be.within(200, 3000);
    });

    it('comes at once to a peer that speaks first', async () => {
      const times: number[] = [];
      for (let session = 0; session < 10; session += 1) {
        const peer = await opened();
        const begun = performance.now();
        await peer.greet();
        times.push(performance.now() - begun);
      }
      expect(Math.min(...times)).to.be.below(150);
    });
  });
});
