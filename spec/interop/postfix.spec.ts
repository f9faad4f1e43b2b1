/**
 * The gateway to mail with Postfix of Debian, as docs/guide/gateways.md has it: Postfix hands mail for the users of the mesh to the
 * gateway by LMTP, takes mail of the mesh by SMTP, and notifies of what became of it. It runs with a configuration and a queue of
 * its own on ports of loopback. Where it cannot be installed, or root does not run the specs, they are skipped, aloud.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { INSTALL_TIMEOUT_MS, lacksPeer } from '../support/debian.js';
import { freePort } from '../support/free-port.js';
import { GatewayStage, Inbox } from '../support/gateway-stage.js';
import type { Command } from '../support/node-process.js';
import { mailed } from '../support/smtp-dialog.js';
import { within } from '../support/within.js';

const USERS = 'example.com';
const MESH_DOMAIN = 'mail.example';
const MAIL_DOMAIN = 'slate.example';
const FRED = `fred@${USERS}`;
const JOE = `joe@${MAIL_DOMAIN}`;
const NOBODY = 65_534;
const WAIT_MS = 60_000;
/** Services of Postfix whose sockets are not for its own processes alone. */
const PUBLIC = new Set(['smtpd', 'pickup', 'cleanup', 'qmgr', 'postlogd']);
/** Those that need root to deliver as somebody else. */
const PRIVILEGED = new Set(['virtual']);
/** So that the installation starts nothing on the ports of the machine. */
const ANSWERS = ['postfix postfix/main_mailer_type select No configuration'];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('the gateway to mail with Postfix', function () {
  this.timeout(180_000);
  let directory = '';
  let smtpPort = 0;
  let lmtpPort = 0;
  let running = false;
  let stage: GatewayStage | undefined;
  let gateway: Command | undefined;
  let fred: Endpoint;
  let inbox: Inbox;
  const maildir = (user: string): string => join(directory, 'mail', user, 'new');

  /** Writes the configuration of a Postfix that delivers for joe, and for the users of the mesh by the gateway. */
  async function configure(): Promise<void> {
    directory = await mkdtemp(join(tmpdir(), 'imxp-postfix-'));
    // Its processes have users of their own.
    await chmod(directory, 0o755);
    for (const part of ['spool', 'data', 'mail']) await mkdir(join(directory, part));
    await chown(join(directory, 'mail'), NOBODY, NOBODY);
    const ids = spawnSync('id', ['-u', 'postfix'], { encoding: 'utf8' });
    await chown(join(directory, 'data'), Number(ids.stdout), NOBODY);
    await writeFile(
      join(directory, 'main.cf'),
      [
        'compatibility_level = 3.6',
        `queue_directory = ${directory}/spool`,
        `data_directory = ${directory}/data`,
        'command_directory = /usr/sbin',
        'daemon_directory = /usr/lib/postfix/sbin',
        'mail_owner = postfix',
        'setgid_group = postdrop',
        `maillog_file_prefixes = ${directory}`,
        `maillog_file = ${directory}/log`,
        'inet_interfaces = 127.0.0.1',
        'inet_protocols = ipv4',
        'mynetworks = 127.0.0.1/32',
        'myhostname = mail.slate.example',
        'mydestination =',
        'alias_maps =',
        `virtual_mailbox_domains = ${MAIL_DOMAIN}`,
        `virtual_mailbox_base = ${directory}/mail`,
        `virtual_mailbox_maps = inline:{ { ${JOE} = joe/ } }`,
        // Taken first, and refused when it is to be delivered.
        `virtual_alias_maps = inline:{ { full@${MAIL_DOMAIN} = full@full.example } }`,
        `virtual_uid_maps = static:${NOBODY}`,
        `virtual_gid_maps = static:${NOBODY}`,
        `relay_domains = ${USERS}`,
        `transport_maps = inline:{ { ${USERS} = lmtp:inet:127.0.0.1:${lmtpPort} }, { full.example = error:5.2.2 the mailbox is full } }`,
        '',
      ].join('\n'),
    );
    const service = (name: string, type: string, program: string, wakeup = '-', most = '-') =>
      `${name} ${type} ${PUBLIC.has(program) ? 'n' : '-'} ${PRIVILEGED.has(program) ? 'n' : '-'} n ${wakeup} ${most} ${program}`;
    await writeFile(
      join(directory, 'master.cf'),
      [
        service(`127.0.0.1:${smtpPort}`, 'inet', 'smtpd'),
        service('pickup', 'unix', 'pickup', '60', '1'),
        service('cleanup', 'unix', 'cleanup', '-', '0'),
        service('qmgr', 'unix', 'qmgr', '300', '1'),
        service('rewrite', 'unix', 'trivial-rewrite'),
        service('bounce', 'unix', 'bounce', '-', '0'),
        service('defer', 'unix', 'bounce', '-', '0'),
        service('trace', 'unix', 'bounce', '-', '0'),
        service('verify', 'unix', 'verify', '-', '1'),
        service('proxymap', 'unix', 'proxymap'),
        service('smtp', 'unix', 'smtp'),
        service('error', 'unix', 'error'),
        service('retry', 'unix', 'error'),
        service('virtual', 'unix', 'virtual'),
        service('lmtp', 'unix', 'lmtp'),
        service('anvil', 'unix', 'anvil', '-', '1'),
        service('scache', 'unix', 'scache', '-', '1'),
        service('postlog', 'unix-dgram', 'postlogd', '-', '1'),
        '',
      ].join('\n'),
    );
  }

  const postfix = (command: string) => spawnSync('/usr/sbin/postfix', ['-c', directory, command], { stdio: 'ignore' });
  const abort = (): void => {
    if (running) postfix('abort');
    running = false;
  };
  const log = (): string => (existsSync(join(directory, 'log')) ? readFileSync(join(directory, 'log'), 'utf8') : '');

  /** Starts it in the background, and waits until it takes mail. */
  async function start(): Promise<void> {
    running = true;
    process.once('exit', abort);
    const { status } = postfix('start');
    if (status !== 0) throw new Error(`postfix start ended with ${status}: ${log()}`);
    const answers = async (): Promise<void> => {
      const mail = { port: smtpPort, hello: 'EHLO', from: '', to: `nobody@${MAIL_DOMAIN}` } as const;
      while (!(await mailed(mail).catch(() => '')).startsWith('5')) await pause(100);
    };
    await within(WAIT_MS, answers(), () => `Postfix starts: ${log()}`);
  }

  /** The next mail in a mailbox. */
  async function arrived(user: string): Promise<string> {
    const found = async (): Promise<string> => {
      for (;;) {
        const [name] = await readdir(maildir(user)).catch(() => []);
        if (name === undefined) {
          await pause(50);
          continue;
        }
        const path = join(maildir(user), name);
        const text = await readFile(path, 'latin1');
        await rm(path);
        return text;
      }
    };
    return await within(WAIT_MS, found(), () => `a mail for ${user}: ${log()} ${gateway?.output}`);
  }

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const notRoot = process.getuid?.() === 0 ? undefined : 'only root can run it';
    if (lacksPeer('Postfix', ['postfix'], notRoot, ANSWERS)) return this.skip();
    [smtpPort, lmtpPort] = [await freePort(), await freePort()];
    await configure();
    await start();
    stage = await GatewayStage.open({ domains: [USERS], served: [MESH_DOMAIN], users: [FRED] });
    gateway = await stage.gateway('mail', MESH_DOMAIN, {
      listen: { protocol: 'lmtp', port: lmtpPort },
      smtp: { host: '127.0.0.1', port: smtpPort },
      users: [{ mesh: USERS, mail: USERS }],
      domains: [{ mesh: MESH_DOMAIN, mail: MAIL_DOMAIN }],
      messages: { ok: 'delivered' },
    });
    fred = await stage.connect(FRED);
    inbox = new Inbox(fred);
  });

  after(async () => {
    await fred?.close();
    await stage?.close();
    abort();
    if (directory !== '') await rm(directory, { recursive: true, force: true });
  });

  it('takes a message of the mesh to a mailbox, and answers ok when Postfix has notified of its delivery', async () => {
    const [outcome] = await fred.sendEach({
      to: `joe@${MESH_DOMAIN}`,
      content: { message: { subject: 'Bowling', text: 'Tonight at eight?' } },
    });
    expect([outcome?.code, outcome?.text]).to.deep.equal([250, outcome?.text]);
    const mail = await arrived('joe');
    expect(mail).to.match(/^Return-Path: <fred@example\.com>/m);
    expect(mail).to.match(/^From: fred@example\.com\r?$/m);
    expect(mail).to.match(/^Subject: Bowling\r?$/m);
    expect(mail).to.contain('Tonight at eight?');
    expect(log()).to.contain('sender delivery status notification');
  });

  it('brings mail to the mesh', async () => {
    const data = `From: Joe <${JOE}>\r\nTo: ${FRED}\r\nSubject: Re: Bowling\r\n\r\nAt eight.`;
    expect(await mailed({ port: smtpPort, hello: 'EHLO', from: JOE, to: FRED, data })).to.match(/^250 /);
    const { originator, message } = await inbox.next(() => `${log()} ${gateway?.output}`);
    expect([originator, message?.subject, message?.text?.trim()]).to.deep.equal([
      `joe@${MESH_DOMAIN}`,
      'Re: Bowling',
      'At eight.',
    ]);
  });

  it('answers what Postfix refuses, and what it notifies of later, with a code and its text', async () => {
    const codes = async (name: string) => {
      const [outcome] = await fred.sendEach({ to: `${name}@${MESH_DOMAIN}`, content: 'x' });
      return [outcome?.code, outcome?.text ?? ''] as const;
    };
    const [unknown, text] = await codes('nobody');
    expect([unknown, text.includes('User unknown in virtual mailbox table')], text).to.deep.equal([550, true]);
    const [full, why] = await codes('full');
    expect([full, why.includes('the mailbox is full')], why).to.deep.equal([550, true]);
  });

  it('has Postfix notify the sender of mail that the mesh refuses', async () => {
    const to = `nobody@${USERS}`;
    expect(await mailed({ port: smtpPort, hello: 'EHLO', from: JOE, to })).to.match(/^250 /);
    const notice = await arrived('joe');
    expect(notice).to.match(/^Content-Type: multipart\/report; report-type=delivery-status;/m);
    expect(notice).to.match(/^Final-Recipient: rfc822; nobody@example\.com\r?$/m);
    expect(notice).to.match(/^Action: failed\r?$/m);
    expect(notice).to.match(/^Status: 5\.1\.1\r?$/m);
  });

  it('is no open relay: neither for mail to elsewhere nor for mail that says it is from the mesh', async () => {
    const before = inbox.waiting;
    const by = { port: lmtpPort, hello: 'LHLO' } as const;
    expect(await mailed({ ...by, from: JOE, to: 'victim@elsewhere.example' })).to.match(/^550 5\.7\.1 relaying denied/);
    expect(await mailed({ ...by, from: JOE, to: JOE })).to.match(/^550 5\.7\.1 relaying denied/);
    expect(await mailed({ ...by, from: FRED, to: FRED })).to.match(/^550 5\.7\.1 /);
    expect(inbox.waiting).to.equal(before);
  });
});
