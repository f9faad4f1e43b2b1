import { expect } from 'chai';
import { profileMessage } from '../../lib/beep/profile-message.js';
import { LocalError, RefusedError, RemoteProtocolError } from '../../lib/errors.js';
import { parseAnswer } from '../../lib/sasl/blob.js';
import { ClientExchange } from '../../lib/sasl/client.js';
import { DigestMd5Client } from '../../lib/sasl/digest-md5/client.js';
import { PlainClient } from '../../lib/sasl/plain.js';
import { ScramClient } from '../../lib/sasl/scram/client.js';
import { answerContent, answerPayload, SaslServer, type ServerAnswer } from '../../lib/sasl/server.js';
import type { ServerSettings } from '../../lib/sasl/settings.js';
import { mechanismUri } from '../../lib/sasl/uri.js';
import { authenticate, login, People, rejection, settings } from './people.js';

const DIGEST = mechanismUri('DIGEST-MD5');
const SCRAM = mechanismUri('SCRAM-SHA-256');
const code = (answer: ServerAnswer) => (answer.type === 'error' ? answer.reply.code : answer.type);
const message = (content: string) => profileMessage(content);
const b64 = (text: string) => Buffer.from(text).toString('base64');

describe('SASL exchanges', () => {
  const people = new People();
  before(() => people.add('fred@example.com', 'yabba-42'));
  const server = (more: Partial<ServerSettings> = {}, privacy = false) =>
    new SaslServer(settings(people, more), { privacy });
  const digest = (password = 'yabba-42', more = {}) => new DigestMd5Client(login('fred', password, more));

  describe('server', () => {
    it('REQ-SASL-003 completes with the proof in the complete blob', async () => {
      const session = server();
      const answer = await authenticate(digest(), session.exchange(DIGEST));
      if (answer.type !== 'blob') throw new Error('a blob is expected');
      expect(answer.blob.status).to.equal('complete');
      expect(answer.blob.data.toString()).to.match(/^rspauth=/);
      expect(answer.authentication?.account).to.equal('fred@example.com');
      expect(answerContent(answer)).to.match(/^<blob status='complete'>/);
    });

    it('REQ-SASL-003 answers failure with an error', async () => {
      const session = server();
      const error = await rejection(authenticate(digest('dabba'), session.exchange(DIGEST)));
      expect(error).to.be.instanceOf(RefusedError).with.nested.property('reply.code', 535);
      expect(session.authentication).to.equal(undefined);
    });

    it('REQ-SASL-004 holds the authentication for the session, on all its channels', async () => {
      const session = server();
      await authenticate(digest(), session.exchange(DIGEST));
      expect(session.authentication).to.include({ account: 'fred@example.com', mechanism: 'DIGEST-MD5' });
    });

    it('REQ-SASL-005 allows no further attempt after success, on this channel, another or a new one', async () => {
      const session = server();
      const [first, other] = [session.exchange(DIGEST), session.exchange(SCRAM)];
      expect(session.offered()).to.include(DIGEST);
      await authenticate(digest(), first);
      expect(session.offered()).to.deep.equal([]);
      expect(code(await first.receive(message('<blob />')))).to.equal(550);
      expect(code(await other.receive(message('<blob />')))).to.equal(550);
      expect(() => session.exchange(DIGEST))
        .to.throw(RefusedError)
        .with.nested.property('reply.code', 550);
    });

    it('REQ-SASL-005 lets the first of two simultaneous exchanges succeed', async () => {
      const session = server();
      const results = await Promise.allSettled([
        authenticate(digest(), session.exchange(DIGEST)),
        authenticate(digest(), session.exchange(DIGEST)),
      ]);
      expect(results.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected']);
    });

    it('sends first or not, as the mechanism requires', async () => {
      expect(code(await server().exchange(DIGEST).start(undefined))).to.equal('blob');
      expect(code(await server().exchange(DIGEST).start(Buffer.alloc(0)))).to.equal('blob');
      expect(code(await server().exchange(DIGEST).start(Buffer.from('<blob></blob>')))).to.equal('blob');
      expect(code(await server().exchange(SCRAM).start(undefined))).to.equal('nothing');
      expect(answerContent(await server().exchange(SCRAM).start(undefined))).to.equal(undefined);
    });

    it('D-BEEP-13 answers an abort with 451, and lets the channel try again', async () => {
      const exchange = server().exchange(DIGEST);
      await exchange.start(undefined);
      expect(code(await exchange.receive(message("<blob status='abort' />")))).to.equal(451);
      const again = await exchange.receive(message('<blob />'));
      expect(again.type === 'blob' && again.blob.data.toString()).to.include('nonce=');
    });

    it('REQ-SASL-002 answers malformed blobs with 501 or 500', async () => {
      const one = (text: string) => server().exchange(DIGEST).receive(message(text)).then(code);
      expect(await one('<blob>*</blob>')).to.equal(501);
      expect(await one("<blob status='complete' />")).to.equal(501);
      expect(await one('<ready />')).to.equal(501);
      expect(await one('<blob>')).to.equal(500);
      expect(code(await server().exchange(DIGEST).receive(Buffer.from('no header')))).to.equal(500);
      expect(await one(`<blob>${b64('username=')}</blob>`)).to.equal(535);
    });

    it('ends the session after too many failures, over all channels', async () => {
      const session = server({ attempts: 3 });
      const exchange = session.exchange(DIGEST);
      const failing = async (on = exchange) => on.receive(message('<blob>*</blob>'));
      expect(await failing()).to.include({ type: 'error', exhausted: false });
      expect(await failing(session.exchange(SCRAM))).to.include({ exhausted: false });
      expect(session.failures).to.equal(2);
      expect(await failing()).to.include({ exhausted: true });
      expect(code(await exchange.receive(message('<blob />')))).to.equal(550);
      expect(() => session.exchange(DIGEST)).to.throw(RefusedError, /too many/);
    });

    it('limits the number of challenges', async () => {
      const exchange = server().exchange(SCRAM);
      const codes: unknown[] = [];
      for (let i = 0; i < 9; i += 1) codes.push(code(await exchange.receive(message('<blob />'))));
      expect(codes.slice(0, 8)).to.deep.equal(Array(8).fill('blob'));
      expect(codes[8]).to.equal(501);
    });

    it('answers 454 when the store fails, and does not count it', async () => {
      let broken = true;
      const credentials = {
        lookup: (username: string, realm: string | undefined) =>
          broken ? Promise.reject(new Error('disk')) : people.lookup(username, realm),
      };
      const session = server({ credentials });
      const exchange = session.exchange(DIGEST);
      const error = await rejection(authenticate(digest(), exchange));
      expect(error).to.have.nested.property('reply.code', 454);
      expect(String(error)).to.not.include('disk');
      expect(session.failures).to.equal(0);
      broken = false;
      expect(await exchange.receive(message('<blob />'))).to.include({ type: 'blob' });
    });

    it('handles blobs in order when the client does not wait', async () => {
      const exchange = server().exchange(SCRAM);
      const first = b64('n,,n=fred,r=abc');
      const answers = await Promise.all([
        exchange.receive(message(`<blob>${first}</blob>`)),
        exchange.receive(message(`<blob>${b64('c=biws,r=abc,p=AAAA')}</blob>`)),
      ]);
      expect(answers.map(code)).to.deep.equal(['blob', 535]);
    });

    it('refuses PLAIN without TLS with 538, and mechanisms that are off with 550', async () => {
      const session = server();
      expect(session.offered()).to.not.include(mechanismUri('PLAIN'));
      const exchange = session.exchange(mechanismUri('PLAIN'));
      expect(code(await exchange.start(Buffer.from(`<blob>${b64('\0fred\0x')}</blob>`)))).to.equal(538);
      for (const uri of [mechanismUri('ANONYMOUS'), mechanismUri('CRAM-MD5'), 'http://iana.org/beep/TLS']) {
        expect(() => server().exchange(uri))
          .to.throw(RefusedError)
          .with.nested.property('reply.code', 550);
      }
    });

    it('REQ-SASL-001 offers and accepts the draft URI too', async () => {
      expect(server().offered(true)).to.include.members([DIGEST, mechanismUri('DIGEST-MD5', true)]);
      await authenticate(digest(), server().exchange(mechanismUri('DIGEST-MD5', true)));
    });

    it('REQ-SASL-006 gives the layer with the completion, the same on both sides', async () => {
      const session = server({ qops: ['auth', 'auth-int', 'auth-conf'] });
      const mechanism = digest('yabba-42', { qops: ['auth-conf', 'auth'] });
      const answer = await authenticate(mechanism, session.exchange(DIGEST));
      const layer = answer.type === 'blob' ? answer.authentication?.layer : undefined;
      const sent = mechanism.layer?.wrap(Buffer.from('RPY 0 0'));
      expect(layer?.unwrap(sent ?? Buffer.alloc(0)).toString()).to.equal('RPY 0 0');
      expect(mechanism.layer?.unwrap(layer?.wrap(Buffer.from('END')) ?? Buffer.alloc(0)).toString()).to.equal('END');
    });
  });

  describe('client', () => {
    const complete = (data: string) => message(`<blob status='complete'>${b64(data)}</blob>`);

    /** A client that has sent its response, and the proof the server gave for it. */
    async function waiting() {
      const exchange = server().exchange(DIGEST);
      const client = new ClientExchange(digest());
      expect(await client.start()).to.equal(undefined);
      const turn = await client.started(Buffer.from(answerContent(await exchange.start(undefined)) ?? ''));
      if (turn.type !== 'send') throw new Error('a response is expected');
      const answer = await exchange.receive(turn.payload);
      return { client, proof: answer.type === 'blob' ? answer.blob.data.toString() : '' };
    }

    it('REQ-SASL-027 accepts complete with the proof', async () => {
      const { client, proof } = await waiting();
      expect(await client.receive(complete(proof))).to.deep.equal({ type: 'done', layer: undefined });
    });

    it('D-BEEP-10 REQ-SASL-027 accepts the proof in a continue blob, an empty answer and an empty complete', async () => {
      const { client, proof } = await waiting();
      const turn = await client.receive(message(`<blob>${b64(proof)}</blob>`));
      expect(turn).to.deep.equal({ type: 'send', payload: message('<blob />') });
      expect(await client.receive(message("<blob status='complete' />"))).to.include({ type: 'done' });
    });

    it('REQ-SASL-027 rejects complete without a proof, or with a wrong one', async () => {
      for (const data of ['', `rspauth=${'0'.repeat(32)}`]) {
        const { client } = await waiting();
        const error = await rejection(client.receive(complete(data)));
        expect(error).to.be.instanceOf(RemoteProtocolError).with.property('code', 'SASL_SERVER_UNPROVEN');
      }
      const fresh = new ClientExchange(digest());
      await fresh.start();
      expect(await rejection(fresh.started(Buffer.from("<blob status='complete' />")))).to.have.property(
        'code',
        'SASL_SERVER_UNPROVEN',
      );
    });

    it('accepts an error in an RPY, and in the reply to the start', async () => {
      const { client } = await waiting();
      const error = await rejection(client.receive(Buffer.from("\r\n<error code='535'>no</error>")));
      expect(error).to.be.instanceOf(RefusedError).with.property('code', 'SASL_REFUSED');
      const fresh = new ClientExchange(digest());
      await fresh.start();
      expect(
        await rejection(fresh.started(Buffer.from("<error code='538'>TLS first</error>"))),
      ).to.have.nested.property('reply.code', 538);
    });

    it('aborts when a challenge is not acceptable', async () => {
      const client = new ClientExchange(digest());
      await client.start();
      const turn = await client.started(Buffer.from(`<blob>${b64('nonce="x",algorithm=md5')}</blob>`));
      if (turn.type !== 'abort') throw new Error('an abort is expected');
      expect(turn.payload.toString()).to.include("<blob status='abort' />");
      expect(turn.error).to.be.instanceOf(RemoteProtocolError);
    });

    it('aborts when the password cannot be read', async () => {
      const mechanism = new ScramClient({
        ...login('fred', ''),
        password: () => Promise.reject(new Error('no terminal')),
        plus: false,
      });
      const exchange = server().exchange(SCRAM);
      const client = new ClientExchange(mechanism);
      const turn = await client.started(
        Buffer.from(answerContent(await exchange.start(Buffer.from((await client.start()) ?? ''))) ?? ''),
      );
      expect(turn.type === 'abort' && turn.error).to.be.instanceOf(LocalError);
    });

    it('sends its first blob on the channel when the server ignored the piggybacked one', async () => {
      const client = new ClientExchange(new PlainClient(login('fred', 'yabba-42', { privacy: true })));
      const content = await client.start();
      const turn = await client.started(undefined);
      expect(turn).to.deep.equal({ type: 'send', payload: message(content ?? '') });
      expect(await client.receive(message("<blob status='complete' />"))).to.include({ type: 'done' });
      const speaksSecond = new ClientExchange(digest());
      await speaksSecond.start();
      expect(await speaksSecond.started(Buffer.alloc(0))).to.deep.equal({ type: 'send', payload: message('<blob />') });
    });

    it('refuses an abort from the server and other documents', async () => {
      for (const text of ["<blob status='abort' />", '<proceed />']) {
        const { client } = await waiting();
        expect(await rejection(client.receive(message(text)))).to.be.instanceOf(RemoteProtocolError);
      }
    });
  });

  it('writes answers that it can read', () => {
    const error: ServerAnswer = { type: 'error', reply: { code: 535, text: 'no' }, reason: 'secret', exhausted: false };
    expect(answerPayload(error).toString()).to.not.include('secret');
    expect(parseAnswer(Buffer.from(answerContent(error) ?? ''))).to.deep.equal({ type: 'error', reply: error.reply });
  });
});
