import { expect } from 'chai';
import { InvalidArgumentError } from 'commander';
import { accountOf } from '../../bin/support/accounts/accounts.js';
import { RowReader } from '../../bin/support/accounts/rows.js';
import { draftOf } from '../../bin/support/draft.js';
import { CommandError } from '../../bin/support/exit.js';
import {
  accountArgument,
  accountIn,
  actorArgument,
  addressArgument,
  domainArgument,
  recipientsArgument,
  severalDomains,
  shownName,
} from '../../bin/support/names.js';
import { addressOfUri, parseForeignAddress } from '../../lib/exports/message.js';
import { type Finished, type NodeProcess, type RunOptions, Workshop } from '../support/node-process.js';

const BOOKS = 'xn--bcher-kva.example';
const FRED = `fred@${BOOKS}`;
const BARNEY = `barney@${BOOKS}`;

describe('names on the command line', function () {
  this.timeout(300_000);
  this.slow(10_000);
  let workshop: Workshop;
  let node: NodeProcess;

  before(async () => {
    workshop = await Workshop.open();
    await workshop.file('pw', 'rock\n');
    await workshop.certs('bücher.example');
    node = await workshop.node('books', (port) => ({
      domains: ['BÜCHER.example'],
      listen: [{ port }],
      tls: {
        certificate: `certs/${BOOKS}.crt`,
        key: `certs/${BOOKS}.key`,
        authority: 'certs/ca.crt',
        require: 'never',
      },
      store: { type: 'lmdb', path: 'var/books' },
      mesh: { routes: [{ domain: '*.münchen.example', relays: ['tcp://relay.münchen.example:10913'] }] },
      log: { level: 'debug' },
    }));
    for (const address of ['fred@bücher.example', BARNEY]) await workshop.account(node, address, 'rock');
    await node.start();
  });

  after(async () => {
    await workshop.close();
  });

  const run = (args: readonly string[], options: RunOptions = {}): Promise<Finished> =>
    workshop.run(args, { deadlineMs: 100_000, ...options });

  function relay(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const access = ['--relay', `tcp://127.0.0.1:${node.port}`, '--password-file', 'pw', '--ca', 'certs/ca.crt'];
    return run([...args, ...access], options);
  }

  /** One message that barney gets while `action` runs. */
  async function heard(action: () => Promise<Finished>): Promise<Record<string, unknown>> {
    const url = `tcp://127.0.0.1:${node.port}`;
    const access = ['--relay', url, '--password-file', 'pw', '--ca', 'certs/ca.crt'];
    const listening = workshop.command(['listen', 'barney@bücher.example', '--json', '--count', '1', ...access]);
    await listening.seen((output) => (output.includes('attached as') ? true : undefined), 'attaches', 60_000);
    const { code, stderr } = await action();
    expect([code, stderr.toString()]).to.deep.equal([0, '']);
    const { stdout } = await listening.finished(100_000);
    return JSON.parse(stdout.toString()) as Record<string, unknown>;
  }

  it('D-CORE-41 serves a domain written in U-labels, and has A-labels on the wire, in TLS and in the log', async () => {
    const message = await heard(() =>
      relay(['send', '--from', 'fred@Bücher.example', '--to', 'barney@bücher.example'], { input: 'Hi' }),
    );
    expect(message).to.include({ from: FRED, content: 'Hi' });
    expect(message['to']).to.deep.equal([BARNEY]);
    await node.log(({ originator }) => originator === FRED, 'the originator in A-labels');
    expect(node.output).to.not.match(/bücher|%C3|\\u00fc/i);
  });

  it('D-CORE-41 shows people the U-labels beside the A-labels', async () => {
    const accounts = (await run(['account', 'list', '--config', node.config])).stdout.toString();
    expect(accounts).to.include(`${FRED} (fred@bücher.example)`);
    const check = (await run(['check', '--config', node.config])).stdout.toString();
    expect(check).to.include(`${BOOKS} (bücher.example)`);
    expect(check).to.include('relay.xn--mnchen-3ya.example:10913');
    const ping = await relay(['ping', 'nobody@bücher.example', '--from', FRED, '--count', '1']);
    expect(ping.stdout.toString()).to.include(`nobody@${BOOKS} (nobody@bücher.example): `);
  });

  it('D-CORE-41 takes U-labels in access entries and presence', async () => {
    const allowed = await relay(['access', 'allow', '*@münchen.example', 'presence:subscribe', '--from', FRED]);
    expect(allowed.stdout.toString()).to.match(
      /\*@xn--mnchen-3ya\.example +core:data presence:subscribe +# \*@münchen\.example/,
    );
    // What get prints, set reads.
    const list = await relay(['access', 'get', '--from', 'fred@bücher.example']);
    const set = await relay(['access', 'set', '--from', FRED], { input: list.stdout });
    expect([set.code, set.stdout.toString()]).to.deep.equal([0, list.stdout.toString()]);
    const poll = await relay([
      'presence',
      'poll',
      'pres:fred@bücher.example',
      '--from',
      'im:fred@bücher.example',
      '--json',
    ]);
    expect(JSON.parse(poll.stdout.toString())).to.include({ publisher: FRED });
  });

  it('D-CPIM-02 sends to im: URIs with their headers', async () => {
    const uri = 'im:Barney <barney@bücher.example>?subject=Bowling&in-reply-to=%3C1@rubble.com%3E&body=At%20eight?';
    const message = await heard(() => relay(['send', '--from', FRED, '--to', uri]));
    expect(message).to.include({ subject: 'Bowling', content: 'At eight?' });
    expect(message['to']).to.deep.equal([BARNEY]);
  });

  it('D-CPIM-02 chats with an im: URI: subject, what it replies to and the first line', async () => {
    const uri = `im:${BARNEY}?subject=Bowling&body=At%20eight%3F`;
    const message = await heard(() =>
      relay(['chat', uri, '--from', FRED, '--no-presence'], { input: '' }).then((it) => ({
        ...it,
        stderr: Buffer.alloc(0),
      })),
    );
    expect(message).to.include({ subject: 'Bowling', content: 'At eight?' });
  });
});

describe('parsers of names on the command line', () => {
  it('D-CORE-41 makes addresses, actors, accounts and domains of U-labels', () => {
    expect(addressArgument('fred@Bücher.example')).to.equal(FRED);
    expect(addressArgument('im:fred@Bücher.example?subject=x')).to.equal(FRED);
    expect(addressArgument('Pres:fred%2Fx@example.com')).to.equal('fred/x@example.com');
    expect(actorArgument('*@*.bücher.example')).to.equal(`*@*.${BOOKS}`);
    expect(actorArgument('im:fred@bücher.example')).to.equal(FRED);
    expect(accountArgument('imxp=mesh@bücher.example')).to.equal(`imxp=mesh@${BOOKS}`);
    expect(accountArgument('bücher.example')).to.equal(BOOKS);
    expect(domainArgument('bücher.example')).to.equal(BOOKS);
    expect(severalDomains('bücher.example', ['a.example'])).to.deep.equal(['a.example', BOOKS]);
    const [row] = new RowReader().read('address,password\nwilma@bücher.example,rock\n', true);
    expect(row).to.include({ address: `wilma@${BOOKS}` });
    const config = { domains: [BOOKS] };
    expect(accountOf(accountIn('fred@bücher.example'), config)).to.equal(FRED);
  });

  it('D-CORE-41 refuses a domain that has no A-labels, and says so', () => {
    const parsers = [addressArgument, actorArgument, accountArgument, recipientsArgument];
    for (const parse of parsers) {
      for (const text of ['fred@bücher..example', 'im:fred@bücher..example']) {
        expect(() => parse(text), text).to.throw(InvalidArgumentError, /not even an international one/);
      }
    }
    expect(() => domainArgument('bücher..example')).to.throw(InvalidArgumentError, /not even an international one/);
    const problems = [...new RowReader().read('address,password\nwilma@bücher..example,rock\n', true)];
    expect(problems.map((read) => 'message' in read && read.message).join()).to.match(/not even an international one/);
  });

  it('D-CORE-41 shows both forms, and A-labels alone where they stand for nothing', () => {
    expect(shownName(FRED)).to.equal(`${FRED} (fred@bücher.example)`);
    expect(shownName(`*@*.${BOOKS}`)).to.equal(`*@*.${BOOKS} (*@*.bücher.example)`);
    for (const name of ['fred@example.com', 'xn--a.example', '"xn--bcher-kva.example"@example.com']) {
      expect(shownName(name)).to.equal(name);
    }
  });

  it('D-CPIM-02 refuses URIs that name nobody or several where one is needed', () => {
    expect(() => addressArgument('im:')).to.throw(InvalidArgumentError, /names nobody/);
    expect(() => addressArgument(`im:${FRED},${BARNEY}`)).to.throw(InvalidArgumentError, /names 2 addresses/);
    expect(() => recipientsArgument('im:fred@b%C3%BCcher.example')).to.throw(InvalidArgumentError, /not a domain name/);
    expect(() => draftOf([recipientsArgument('im:?subject=x')])).to.throw(CommandError, /names nobody/);
  });

  it('D-CPIM-02 reads the address of somebody behind a gateway', () => {
    expect(addressArgument('im:pepp=example.com/fred@relay')).to.equal('pepp=example.com/fred@relay');
    expect(parseForeignAddress(addressOfUri('im:pepp=example.com/fred@relay'))).to.deep.equal({
      protocol: 'pepp',
      host: 'example.com',
      user: 'fred',
      gateway: 'relay',
    });
  });

  it('D-CPIM-02 makes one draft of several recipients; options count more than URIs', () => {
    const uri = `im:Barney <${BARNEY}>?cc=wilma@example.com&subject=a&body=b&references=%3Cr@x%3E`;
    const given = [uri, `pres:${BARNEY}`, FRED].map((text) => recipientsArgument(text));
    const { recipients, fields, body } = draftOf(given, 'mine');
    expect(recipients).to.deep.equal([BARNEY, FRED, 'wilma@example.com']);
    expect(fields).to.deep.include({ subject: 'mine', cc: [{ phrase: undefined, uri: 'im:wilma@example.com' }] });
    expect(fields.fields?.map(({ name }) => name)).to.deep.equal(['references']);
    expect(body).to.equal('b');
    expect(draftOf([recipientsArgument(FRED)])).to.deep.equal({ recipients: [FRED], fields: {}, body: undefined });
    const others = [`im:${FRED}?subject=a`, `im:${BARNEY}?subject=b`].map((text) => recipientsArgument(text));
    expect(() => draftOf(others)).to.throw(CommandError, /differ in their subject; give --subject/);
    expect(draftOf(others, 'c').fields.subject).to.equal('c');
  });
});
