import { expect } from 'chai';
import { MECHANISMS } from '../../lib/config/sasl-names.js';
import { LocalError, RemoteProtocolError } from '../../lib/errors.js';
import { AnonymousClient, AnonymousServer } from '../../lib/sasl/anonymous.js';
import { ExternalClient, ExternalServer } from '../../lib/sasl/external.js';
import type { ServerStep } from '../../lib/sasl/mechanism.js';
import { PlainClient, PlainServer } from '../../lib/sasl/plain.js';
import { candidates, chooseMechanism, offeredMechanisms, serverMechanism } from '../../lib/sasl/registry.js';
import type { ClientSettings } from '../../lib/sasl/settings.js';
import { mechanismOf, mechanismUri, SASL_SERVICE } from '../../lib/sasl/uri.js';
import { authenticated, login, People, rejection, settings, talk } from './people.js';

const code = (step: ServerStep) => (step.type === 'failure' ? step.reply.code : step.type);

describe('PLAIN', () => {
  const people = new People();
  before(() => people.add('fred@example.com', 'yabba-42'));
  const server = (privacy = true) => new PlainServer({ ...settings(people), privacy });
  const client = (name = 'fred@example.com', password = 'yabba-42', more: Partial<ClientSettings> = {}) =>
    new PlainClient(login(name, password, { privacy: true, ...more }));

  it('authenticates under TLS', async () => {
    expect(authenticated(await talk(client(), server()))).to.include({
      account: 'fred@example.com',
      mechanism: 'PLAIN',
    });
    expect(authenticated(await talk(client('fred'), server())).account).to.equal('fred@example.com');
  });

  it('is refused with 538 without TLS, and never tried by the client', async () => {
    expect(code(await server(false).step(Buffer.from('\0fred\0yabba-42')))).to.equal(538);
    expect(() => client('fred', 'x', { privacy: false }))
      .to.throw(LocalError)
      .with.property('code', 'SASL_NO_MECHANISM');
  });

  it('answers an unknown user and a wrong password alike', async () => {
    const [unknown, wrong] = [await talk(client('barney'), server()), await talk(client('fred', 'x'), server())];
    expect(unknown).to.have.nested.property('reply.code', 535);
    expect(unknown.type === 'failure' && unknown.reply).to.deep.equal(wrong.type === 'failure' && wrong.reply);
  });

  it('checks the authzid', async () => {
    const as = (authzid: string) => talk(client('fred', 'yabba-42', { authzid }), server());
    expect(authenticated(await as('fred@example.com')).authzid).to.equal('fred@example.com');
    expect(code(await as('wilma@example.com'))).to.equal(537);
  });

  it('takes the user name as authzid, in any spelling, as none', async () => {
    const people = await new People().add('fred@example.com', 'yabba-42');
    const at = (message: string) =>
      new PlainServer({ ...settings(people), privacy: true }).step(Buffer.from(message.replaceAll('|', '\0')));
    for (const message of [
      '|fred|yabba-42',
      'fred|fred|yabba-42',
      'fred|fred@example.com|yabba-42',
      'fred@example.com|fred|yabba-42',
      'fred@EXAMPLE.com|fred@example.COM|yabba-42',
      'fr\u00aded|fred|yabba-42',
      'FRED|fred|yabba-42',
    ]) {
      expect(authenticated(await at(message)).account, message).to.equal('fred@example.com');
    }
    for (const message of ['wilma|fred|yabba-42', 'fred@rubble.com|fred|yabba-42']) {
      expect(code(await at(message)), message).to.equal(537);
    }
  });

  it('refuses what is malformed', async () => {
    for (const text of ['fred', '\0fred', '\0\0x', '\0fred\0x\0', '\0fr\x07ed\0x']) {
      expect(await rejection(server().step(Buffer.from(text)))).to.be.instanceOf(RemoteProtocolError);
    }
    expect(await rejection(server().step(Buffer.from('00ff00ff', 'hex')))).to.be.instanceOf(RemoteProtocolError);
  });
});

describe('EXTERNAL', () => {
  const server = (external: readonly string[], authorize?: () => boolean) =>
    new ExternalServer({ privacy: true, external, ...(authorize && { authorize }) });

  it('REQ-SASL-007 derives the identity when none is sent', async () => {
    const outcome = await talk(new ExternalClient(undefined), server(['imxp=mesh@rubble.com', 'rubble.com']));
    expect(authenticated(outcome)).to.include({ account: 'imxp=mesh@rubble.com', authzid: undefined });
  });

  it('REQ-SASL-007 accepts an identity that agrees with the certificate, and no other', async () => {
    const as = (authzid: string) => talk(new ExternalClient(authzid), server(['fred@example.com', 'rubble.com']));
    expect(authenticated(await as('imxp=mesh@RUBBLE.com'))).to.include({ account: 'rubble.com' });
    expect(code(await as('wilma@example.com'))).to.equal(537);
    expect(code(await as('imxp=mesh@example.com'))).to.equal(537);
    const permitted = await talk(
      new ExternalClient('wilma@example.com'),
      server(['fred@example.com'], () => true),
    );
    expect(authenticated(permitted)).to.include({ account: 'fred@example.com', authzid: 'wilma@example.com' });
  });

  it('REQ-SASL-007 fails without an active external service', async () => {
    expect(code(await talk(new ExternalClient('fred@example.com'), server([])))).to.equal(535);
    expect(code(await new ExternalServer({ privacy: false }).step(Buffer.alloc(0)))).to.equal(535);
  });

  it('refuses what is malformed', async () => {
    for (const hex of ['ff', '660066']) {
      expect(await rejection(server(['a@example.com']).step(Buffer.from(hex, 'hex')))).to.be.instanceOf(
        RemoteProtocolError,
      );
    }
  });
});

describe('ANONYMOUS', () => {
  it('authenticates as nobody, whatever the trace is', async () => {
    const outcome = await new AnonymousServer().step(Buffer.from('fred@example.com'));
    expect(authenticated(outcome)).to.include({ username: 'anonymous', account: undefined });
    authenticated(await talk(new AnonymousClient(), new AnonymousServer()));
  });

  it('limits the trace', async () => {
    expect(await rejection(new AnonymousServer().step(Buffer.alloc(256, 'x')))).to.be.instanceOf(RemoteProtocolError);
    expect(await new AnonymousServer().step(Buffer.from('é'.repeat(255)))).to.include({ type: 'success' });
  });
});

describe('the registry of mechanisms', () => {
  const channelBindings = new Map([['tls-exporter', Buffer.alloc(32)]]);
  const everything = settings(new People(), { mechanisms: MECHANISMS });

  it('REQ-SASL-001 names mechanisms by URI, with the alias of the drafts', () => {
    expect(mechanismUri('DIGEST-MD5')).to.equal('http://iana.org/beep/SASL/DIGEST-MD5');
    expect(mechanismUri('DIGEST-MD5', true)).to.equal('http://xml.resource.org/profiles/sasl/DIGEST-MD5');
    for (const draft of [false, true])
      expect(mechanismOf(mechanismUri('SCRAM-SHA-256', draft))).to.equal('SCRAM-SHA-256');
    for (const uri of [
      'http://iana.org/beep/TLS',
      'http://iana.org/beep/SASL/',
      'http://iana.org/beep/SASL/plain',
      'http://iana.org/beep/sasl/PLAIN',
    ]) {
      expect(mechanismOf(uri), uri).to.equal(undefined);
    }
    expect(SASL_SERVICE).to.equal('beep');
  });

  it('offers what can succeed under the conditions, strongest first', () => {
    expect(offeredMechanisms(everything, { privacy: false })).to.deep.equal([
      'SCRAM-SHA-256',
      'DIGEST-MD5',
      'ANONYMOUS',
    ]);
    expect(offeredMechanisms(everything, { privacy: true, channelBindings, external: ['a@b'] })).to.deep.equal(
      MECHANISMS,
    );
    const some = settings(new People(), { mechanisms: ['DIGEST-MD5', 'CRAM-MD5'] });
    expect(offeredMechanisms(some, { privacy: true, channelBindings })).to.deep.equal(['DIGEST-MD5']);
  });

  it('makes every mechanism that is switched on, and no other', () => {
    for (const name of MECHANISMS) expect(serverMechanism(name, everything, { privacy: true })?.name).to.equal(name);
    expect(serverMechanism('CRAM-MD5', everything, { privacy: true })).to.equal(undefined);
    expect(serverMechanism('PLAIN', settings(new People(), { mechanisms: [] }), { privacy: true })).to.equal(undefined);
  });

  const uris = MECHANISMS.map((name) => mechanismUri(name));
  const choice = (more: Partial<ClientSettings> = {}, offered = uris) =>
    chooseMechanism(offered, login('fred', 'x', more)).name;

  it('chooses the strongest acceptable mechanism', () => {
    expect(choice()).to.equal('SCRAM-SHA-256');
    expect(choice({ privacy: true, channelBindings })).to.equal('SCRAM-SHA-256-PLUS');
    expect(choice({ privacy: true, useCertificate: true })).to.equal('EXTERNAL');
    expect(choice({ mechanisms: ['DIGEST-MD5', 'PLAIN'] })).to.equal('DIGEST-MD5');
    expect(choice({ mechanisms: ['PLAIN'], privacy: true })).to.equal('PLAIN');
    expect(choice({ mechanisms: ['ANONYMOUS'] })).to.equal('ANONYMOUS');
    expect(choice({ qops: ['auth-int', 'auth-conf'] })).to.equal('DIGEST-MD5');
  });

  it('REQ-SASL-033 never goes below what is required', () => {
    const none = (more: Partial<ClientSettings>, offered = uris) =>
      expect(() => choice(more, offered))
        .to.throw(LocalError)
        .with.property('code', 'SASL_NO_MECHANISM');
    none({}, [mechanismUri('PLAIN'), mechanismUri('ANONYMOUS')]);
    none({ mechanisms: ['SCRAM-SHA-256-PLUS'], privacy: true });
    none({ mechanisms: ['EXTERNAL'], useCertificate: true });
    none({ qops: ['auth-conf'], mechanisms: ['SCRAM-SHA-256'] });
    none({}, ['http://iana.org/beep/TLS']);
    // Under TLS with whom nobody knows: not the password itself.
    none({ privacy: true, verified: false }, [mechanismUri('PLAIN')]);
    expect(() => chooseMechanism(uris, { privacy: true, host: 'relay.example.com' })).to.throw(LocalError);
  });

  it('prefers the URI of RFC 3080, and accepts the alias', () => {
    const draft = mechanismUri('DIGEST-MD5', true);
    expect(chooseMechanism([draft], login('fred', 'x')).uri).to.equal(draft);
    expect(chooseMechanism([draft, mechanismUri('DIGEST-MD5')], login('fred', 'x')).uri).to.equal(
      mechanismUri('DIGEST-MD5'),
    );
  });

  it('makes a client of each candidate', () => {
    const settingsForAll = login('fred', 'x', {
      privacy: true,
      channelBindings,
      useCertificate: true,
      mechanisms: MECHANISMS,
    });
    const made = candidates(uris, settingsForAll).map((candidate) => candidate.create().name);
    expect(made).to.deep.equal(MECHANISMS);
  });
});
