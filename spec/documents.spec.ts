import { existsSync, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { expect } from 'chai';
import { parseXmppGatewayConfig } from '../lib/config/gateway.js';
import { parseMailGatewayConfig } from '../lib/config/mail-gateway.js';
import { parseConfig } from '../lib/config/parse.js';
import { DnsServer } from './support/dns-server.js';
import { codeBlocks, documentPaths, readDocument } from './support/documents.js';
import { sources } from './support/import-graph.js';
import { logLines } from './support/log-fields.js';
import { PLACES, REFERENCE, refreshed, tables } from './support/reference.js';
import { PROJECT } from './support/requirement-table.js';
import { compilerMessages } from './support/snippets.js';
import { Walk } from './support/walkthrough.js';

const README_LINES = 150;
/** Ours to write; what is said elsewhere about protocols and their documents has languages of its own. */
const LANGUAGES = ['ts', 'sh', 'json', 'text', 'html', 'yaml'];
const MINIMAL = { domains: ['example.com'], listen: [{ port: 0 }], store: { type: 'memory' } };

describe('the documents', () => {
  const paths = documentPaths();
  const blocks = paths.flatMap((path) => codeBlocks(path));

  it('begin with a README of a page', () => {
    expect(readDocument('README.md').trimEnd().split('\n').length).to.be.at.most(README_LINES);
  });

  it('have the commands of the README as scripts', () => {
    const text = readDocument('README.md');
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(`${PROJECT}package.json`, 'utf8'));
    expect(text)
      .to.match(/^ {4}npm ci && npm run demo$/m)
      .and.match(/^ {4}npm ci && npm test$/m);
    const current = paths.filter((path) => path !== 'CHANGELOG.md');
    const asked = current.flatMap((path) =>
      [...readDocument(path).matchAll(/npm run ([a-z]+)/g)].map(([, name = '']) => name),
    );
    expect(asked).to.include.members(['demo', 'docs', 'bench', 'requirements']);
    for (const name of asked) expect(scripts, `npm run ${name}`).to.have.property(name);
  });

  it('can all be reached from the README', () => {
    const text = readDocument('README.md');
    for (const path of paths.filter((one) => one.startsWith('docs/'))) expect(text, path).to.contain(`(${path})`);
  });

  it('mark every block of code with its language', () => {
    const odd = blocks.filter(({ language }) => !LANGUAGES.includes(language));
    expect(odd.map(({ document, line, language }) => `${document}:${line} ${language}`)).to.deep.equal([]);
    expect(blocks.length).to.be.greaterThan(30);
  });

  it('say why a block of commands or configuration is not run, and of no other', () => {
    const marks = paths.flatMap((path) => [...readDocument(path).matchAll(/<!--\s*not run\b/g)]);
    const marked = blocks.filter(({ notRun }) => notRun !== undefined);
    const odd = marked.filter(
      ({ language, notRun }) => !['sh', 'json'].includes(language) || !/\S+ \S+/.test(notRun ?? ''),
    );
    expect(odd.map(({ document, line }) => `${document}:${line}`)).to.deep.equal([]);
    expect(marks.length, 'a mark stands right before its block').to.equal(marked.length);
    const run = blocks.filter(({ language, notRun }) => language === 'sh' && notRun === undefined);
    expect(run.length, 'blocks that are run').to.be.greaterThan(marked.length);
    expect(codeBlocks('x.md', 'a\n<!-- not run: needs root -->\n```sh\nid\n```\n')).to.deep.equal([
      { document: 'x.md', line: 3, language: 'sh', text: 'id\n', notRun: 'needs root' },
    ]);
  });

  it('name no file that does not exist', () => {
    const missing: string[] = [];
    let found = 0;
    for (const path of paths.filter((one) => one !== 'CHANGELOG.md')) {
      for (const [, name = ''] of readDocument(path).matchAll(
        /`((?:lib|spec|bin|kit|web|docs|examples|contrib)\/[A-Za-z0-9/._-]+)`/g,
      )) {
        found += 1;
        if (!existsSync(`${PROJECT}${name}`)) missing.push(`${path}: ${name}`);
      }
    }
    expect(found).to.be.greaterThan(50);
    expect(missing).to.deep.equal([]);
  });

  it('explain messages that the program has', () => {
    const code = sources()
      .map(({ text }) => text)
      .join('\n');
    const rows = [...readDocument('docs/guide/two-machines.md').matchAll(/^\| `([^`]+)` \|/gm)];
    const unknown = rows
      .flatMap(([, message = '']) => message.replace(/^\d{3} ?/, '').split(/ ?… ?/))
      .filter((part) => !code.includes(part));
    expect(rows.length).to.be.greaterThan(8);
    expect(unknown).to.deep.equal([]);
  });

  it('show configurations that are usable', () => {
    const shown = blocks.filter(({ language }) => language === 'json');
    expect(shown.length).to.be.greaterThan(2);
    for (const { document, line, text } of shown) {
      const config = JSON.parse(text);
      const parse = () => {
        if ('xmpp' in config) return parseXmppGatewayConfig(config);
        if ('smtp' in config) return parseMailGatewayConfig(config);
        return parseConfig({ ...MINIMAL, ...config }, '/');
      };
      expect(parse, `${document}:${line}`).to.not.throw();
    }
  });

  it('show TypeScript that compiles', function () {
    this.timeout(120_000);
    const shown = blocks.filter(({ language }) => language === 'ts');
    expect(shown.length).to.be.greaterThan(5);
    const messages = compilerMessages(shown);
    expect(messages, messages.join('\n')).to.deep.equal([]);
    // A compiler that was never asked would say nothing, too.
    const wrong = { document: 'README.md', line: 7, language: 'ts', text: 'fred.sendd(1);\n' };
    expect(compilerMessages([wrong]).join('\n')).to.match(/^README\.md:8 .*sendd/);
  });
});

describe('the walk through the documents', function () {
  this.timeout(300_000);
  this.slow(60_000);
  let walk: Walk;
  let dns: DnsServer;

  beforeEach(async () => {
    dns = await DnsServer.start();
    walk = await Walk.begin({ IMXP_NAME_SERVER: dns.address });
  });
  afterEach(async () => {
    await walk.close();
    await dns.stop();
  });

  it('builds two relays that talk by the README alone', async () => {
    const { outputs, blocks } = await walk.follow('README.md');
    expect(blocks.filter((block) => /npx imxp relay/.test(block))).to.have.length(2);
    expect(outputs.at(-1)).to.match(/^accepted$/m);
    expect(outputs.at(-2)).to.contain('Bowling tonight?');
  });

  it('manages accounts, sends and receives by HTTP as the guide shows', async () => {
    const { outputs } = await walk.follow('docs/guide/http.md');
    const all = outputs.join('\n');
    expect(all).to.match(/"address":"bot@stone\.example","created"/);
    expect(all).to.contain('{"error":"not attached","code":450}\n503');
    expect(all).to.contain('"from":"shop@stone.example"').and.contain('{\\"stones\\":12}');
    expect(all).to.contain('{"code":250,"text":"accepted"}');
    expect(all).to.match(/"id":"msg_[-0-9a-f]+","from":"shop@slate\.example".*"text":"to the webhook"/);
    expect(all).to.match(/"code":537\}\n403/);
    expect(all).to.match(/event: presence\ndata: .*"open":true[\s\S]*event: presence\ndata: .*"open":false/);
  });

  it('does the same by the quick start, and then runs what all other pages show', async () => {
    const { outputs, blocks } = await walk.follow('docs/guide/quick-start.md');
    const said = (command: RegExp): string => outputs[blocks.findIndex((block) => command.test(block))] ?? '';
    expect(said(/npx imxp listen/)).to.contain('Bowling tonight?');
    expect(said(/npx imxp trace/)).to.match(/example\.com .* 250 [\s\S]*rubble\.com .* 250 /);

    // The other pages presuppose a domain in the DNS, and files with its certificate.
    const relays = [
      ['example.com', '10913'],
      ['rubble.com', '20913'],
    ] as const;
    for (const [domain, shown] of relays) {
      for (const kind of ['mesh', 'edge']) {
        dns.srv(`_imxp-${kind}._tcp.${domain}`, { port: walk.port(shown), target: `relay.${domain}` });
      }
      dns.host(`relay.${domain}`, ['127.0.0.1']);
    }
    for (const name of ['ca.crt', 'example.com.crt', 'example.com.key']) {
      await copyFile(walk.path(`certs/${name}`), walk.path(name));
    }
    for (const end of ['crt', 'key']) {
      await copyFile(walk.path(`certs/example.com.${end}`), walk.path(`relay.example.com.${end}`));
    }
    walk.trust('certs/ca.crt');
    const others = documentPaths().filter((path) => path !== 'README.md' && path !== 'docs/guide/quick-start.md');
    let shown = 0;
    let checked = 0;
    for (const path of others) {
      shown += (await walk.follow(path)).blocks.length;
      checked += await walk.check(path);
    }
    expect(
      [shown, checked].every((count) => count > 2),
      `${shown} blocks, ${checked} configurations`,
    ).to.equal(true);
  });
});

describe('docs/reference/', () => {
  const texts = new Map(
    [...PLACES.values()].map((name) => [name, readFileSync(`${REFERENCE}${name}`, 'utf8')] as const),
  );

  it('has the configuration, limits, reply codes, errors, log, metrics and commands of the code', () => {
    for (const name of tables().keys()) {
      expect(texts.get(PLACES.get(name) ?? ''), name)
        .to.contain(`<!-- ${name} -->`)
        .and.contain(`<!-- /${name} -->`);
    }
    const stale = [...texts].filter(([, text]) => refreshed(text) !== text).map(([name]) => name);
    expect(stale, 'npm run docs writes them anew').to.deep.equal([]);
  });

  it('documents every line of the log and each of its fields', () => {
    const lines = logLines();
    expect(lines.map(({ message }) => message)).to.include.members([
      'session opened',
      'attached',
      'refused: WHAT',
      'link STATE',
      'fault',
    ]);
    const events = [...readFileSync(`${PROJECT}lib/ops/log.ts`, 'utf8').matchAll(/\bevents\.\w+/g)];
    expect(lines.length, 'as many lines as the log names events for').to.be.at.least(events.length);
    const silent = lines.flatMap(({ event, fields }) =>
      fields.filter(({ description }) => description === '').map(({ name }) => `${event} ${name}`),
    );
    expect(silent, silent.join('\n')).to.deep.equal([]);
  });

  it('documents every metric with a text', () => {
    const metrics = [...(texts.get('metrics.md') ?? '').matchAll(/^\| `(imxp_\w+)` \| \w+ \| .* \| (\S.*) \|$/gm)];
    expect(metrics.length).to.be.greaterThan(25);
  });
});
