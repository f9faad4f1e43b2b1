/**
 * `imxp account` beside a relay that runs: each is a process of its own, and what the one writes the other acts by.
 */
import { expect } from 'chai';
import { attach, beepXml, errorIn, OK, terminate } from '../support/raw-documents.js';
import type { RawPeer } from '../support/raw-peer.js';
import { type AttachedPeer, deliver, note, passwordOf, RelayFixture } from '../support/relay-fixture.js';

describe('accounts of a running relay', function () {
  this.timeout(120_000);
  this.slow(30_000);
  let fixture: RelayFixture;

  before(async () => {
    fixture = await RelayFixture.start({
      accounts: ['fred', 'barney', 'wilma', 'betty', 'dino'].map((name) => `${name}@example.com`),
    });
  });
  afterEach(function () {
    fixture.explain(this.currentTest);
    fixture.leave();
  });
  after(async () => await fixture?.close());

  async function account(...args: string[]): Promise<string> {
    const { config } = fixture.node;
    const { code, stdout, stderr } = await fixture.workshop.run(['account', ...args, '--config', config]);
    expect(code, `${args.join(' ')}: ${stderr}`).to.equal(0);
    return stdout.toString();
  }

  /** What a login is answered. */
  async function login(name: string, password: string): Promise<string> {
    const peer = await fixture.greeted();
    return (await peer.authenticate({ username: name, password })).payload.toString();
  }

  /** The relay ends the attachment and the session, and says so first. */
  async function seesItsEnd({ peer, channel }: AttachedPeer): Promise<void> {
    const told = await peer.nextRequest(channel, 20_000);
    expect(told.payload.toString()).to.include(terminate(71));
    peer.reply(channel, 'RPY', told.msgno, OK);
    const release = await peer.nextRequest(0, 20_000);
    peer.reply(0, 'RPY', release.msgno, beepXml('<ok />'));
    await peer.ended(20_000);
  }

  function ask(from: AttachedPeer, to: string): Promise<{ code: number; text: string } | undefined> {
    const payload = note(from, [{ ...from, address: to }], 'hello');
    return from.peer.ask(from.channel, payload, 20_000).then((reply) => errorIn(reply.payload));
  }

  it('ends what a disabled account has, refuses its logins, and gives the reason in the log only', async () => {
    const [fred, barney] = [await fixture.attached('fred@example.com'), await fixture.attached('barney@example.com')];
    const since = fixture.node.mark;
    await account('disable', 'fred@example.com', '--reason', 'left the quarry');
    await seesItsEnd(fred);
    const line = await fixture.node.log(
      ({ msg }) => msg?.startsWith('session ended') === true,
      'the end',
      20_000,
      since,
    );
    expect(line).to.include({ account: 'fred@example.com' });
    expect(String(line['reason'])).to.match(/^fred@example\.com is disabled since \S+: left the quarry$/);

    const refusal = await ask(barney, 'fred@example.com');
    expect(refusal?.code).to.equal(550);
    expect(refusal?.text).to.include('the account is disabled');

    const answers = [
      await login('fred', passwordOf('fred@example.com')),
      await login('fred', 'something else'),
      await login('nobody', 'something else'),
    ];
    expect(errorIn(answers[0] ?? '')?.code).to.equal(535);
    expect(new Set(answers).size, 'a stranger learns nothing').to.equal(1);
    const why = await fixture.node.log(
      ({ msg, reason }) => msg === 'refused: authentication' && String(reason).includes('is disabled since'),
      'why fred is refused',
      20_000,
      since,
    );
    expect(why).to.include({ subject: 'DIGEST-MD5' });

    await account('enable', 'fred@example.com');
    const again = await fixture.attached('fred@example.com');
    await deliver(barney, again, note(barney, [again], 'welcome back'));
  });

  it('ends what a removed account has, and deletes what belonged to it', async () => {
    const [dino, betty] = [await fixture.attached('dino@example.com'), await fixture.attached('betty@example.com')];
    const since = fixture.node.mark;
    await account('remove', 'dino@example.com');
    await seesItsEnd(dino);
    await fixture.node.log(({ msg }) => msg === 'account forgotten', 'that it is forgotten', 20_000, since);
    const refusal = await ask(betty, 'dino@example.com');
    expect(refusal).to.deep.equal({ code: 550, text: 'unknown endpoint identity' });
    expect(errorIn(await login('dino', passwordOf('dino@example.com')))?.code).to.equal(535);
    await deliver(betty, betty, note(betty, [betty], 'still here'));
  });

  it('accepts a new password at once, and keeps sessions that logged in with the old one', async () => {
    const wilma = await fixture.attached('wilma@example.com');
    const file = await fixture.workshop.file('secrets/new', 'granite\n');
    await account('passwd', 'wilma@example.com', '--password-file', file);
    expect(errorIn(await login('wilma', passwordOf('wilma@example.com')))?.code).to.equal(535);
    expect(errorIn(await login('wilma', 'granite'))).to.equal(undefined);
    await deliver(wilma, wilma, note(wilma, [wilma], 'the old session goes on'));
  });

  it('applies a quota from the moment it is set', async () => {
    const barney = await fixture.attached('barney@example.com');
    await account('quota', 'barney@example.com', '--data-per-second', '1', '--attachments', '1');
    // The relay looks ten times a second; until it has looked, there is no end to what may be sent.
    const answers = new Set<number>();
    const deadline = performance.now() + 30_000;
    while (!answers.has(450) && performance.now() < deadline) {
      const refusal = await ask(barney, 'nobody@example.com');
      answers.add(refusal?.code ?? 0);
    }
    expect(answers).to.include(450);
    const second = await attaching(await fixture.authenticated('barney@example.com'), 'barney/appl=x@example.com');
    expect(second?.code).to.equal(554);
    await account('quota', 'barney@example.com', '--attachments', 'default', '--data-per-second', 'default');
  });

  /** The answer to an attach, if it is a refusal. */
  async function attaching(peer: RawPeer, address: string): Promise<{ code: number; text: string } | undefined> {
    const { profile } = await peer.start('http://xml.resource.org/profiles/IMXP', attach(address, 72));
    return errorIn(profile?.content ?? '');
  }

  it('remembers over a restart who attached last, and from where', async () => {
    await fixture.attached('betty@example.com');
    fixture.leave();
    await fixture.node.stop();
    const [betty] = JSON.parse(await account('list', 'betty@example.com', '--json'));
    expect(betty.lastAttached.from).to.equal('127.0.0.1');
    expect(Date.parse(betty.lastAttached.at)).to.be.greaterThan(Date.parse(betty.created));
    await fixture.node.start();
    expect(await account('show', 'betty@example.com')).to.match(/^last attached +\S+ \S+Z from 127\.0\.0\.1$/m);
  });

  it('applies changes that were made while it was not running', async () => {
    await fixture.node.stop();
    await account('disable', 'betty@example.com');
    await account('remove', 'wilma@example.com');
    await fixture.node.start();
    expect(errorIn(await login('betty', passwordOf('betty@example.com')))?.code).to.equal(535);
    await fixture.node.log(({ msg }) => msg === 'account forgotten', 'that wilma is forgotten', 20_000);
  });
});
