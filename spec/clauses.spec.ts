import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { ClauseReport } from './support/clause-report.js';
import { PROJECT } from './support/requirement-table.js';

interface Ran {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npm run requirements -- ...` */
function run(...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const tsx = `${PROJECT}node_modules/.bin/tsx`;
    execFile(tsx, [`${PROJECT}spec/support/requirements.ts`, ...args], { cwd: PROJECT }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

/** Loading spec files takes a while, so one process answers several questions. */
async function ask(clauses: readonly string[], ...args: string[]): Promise<ClauseReport[]> {
  const { code, stdout, stderr } = await run(...clauses.flatMap((one) => ['--clause', one]), '--json', ...args);
  expect(code, stderr).to.equal(0);
  const answer: ClauseReport | ClauseReport[] = JSON.parse(stdout);
  return Array.isArray(answer) ? answer : [answer];
}

function files(places: readonly { readonly file: string }[]): string[] {
  return places.map(({ file }) => file);
}

describe('npm run requirements -- --clause', function () {
  // Spec files are loaded to read their titles.
  this.timeout(120_000);
  let whole: ClauseReport | undefined;
  let short: ClauseReport | undefined;
  let lines: ClauseReport | undefined;
  let all: ClauseReport | undefined;

  before(async () => {
    const clauses = ['draft-mrose-imxp-core-01 §4.4.1', 'core-01 §4.4.1', 'RFC 3080 §2.6.3', 'RFC 3081 §3.1'];
    [whole, short, lines, all] = await ask(clauses);
  });

  it('prints requirements with their specs, and the code, of RFC 3081 §3.1.3', async () => {
    const { code, stdout } = await run('--clause', 'RFC 3081 §3.1.3', '--clause', 'RFC 3081 §3.1');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^RFC 3081 §3\.1\.3: Mapping the BEEP Core onto TCP$/m);
    expect(stdout).to.match(/^ {2}REQ-BEEP-0\d\d MUST: .* \[RFC 3081 §3\.1\.3\]$/m);
    expect(stdout).to.match(/^ {6}spec\/beep\/\S+\.spec\.ts:\d+: beep: .*REQ-BEEP-0\d\d/m);
    expect(stdout).to.match(/^ {2}lib\/beep\/\S+\.ts:\d+: .*RFC 3081/m);
    expect(stdout).to.match(/^With its subsections 3\.1\.1, 3\.1\.2, 3\.1\.3, 3\.1\.4; --exact leaves them out\.$/m);
  });

  it('accepts the full name of a draft and its short one', () => {
    if (whole === undefined || short === undefined) throw new Error('no reports');
    expect(whole).to.deep.equal(short);
    expect(short).to.include({ clause: 'core-01 §4.4.1', document: 'draft-mrose-imxp-core-01', title: 'The IMXP' });
    expect(short.requirements.map(({ id }) => id)).to.include.members(['REQ-IMXP-011', 'REQ-IMXP-015']);
    for (const { id, specs } of short.requirements) expect(specs, id).to.not.deep.equal([]);
    expect(short.requirements[0]?.specs[0]).to.have.all.keys('file', 'line', 'title');
    expect(files(short.code)).to.include('lib/relay/associations.ts');
    expect(short.decisions.map(({ id }) => id)).to.include('D-CORE-08');
  });

  it('prints the lines that cite the clause', () => {
    const { code = [], decisions = [] } = lines ?? {};
    expect(code).to.not.deep.equal([]);
    for (const { file, line, text } of [...code, ...decisions]) {
      expect(readFileSync(`${PROJECT}${file}`, 'utf8').split('\n')[line - 1]?.trim(), `${file}:${line}`).to.equal(text);
      expect(text, `${file}:${line}`).to.match(/§2\.6\.3/);
    }
  });

  it('includes subsections and says so, or leaves them out', async () => {
    const [exact] = await ask(['RFC 3081 §3.1'], '--exact');
    if (all === undefined || exact === undefined) throw new Error('no reports');
    expect(all.subsections).to.deep.equal(['3.1.1', '3.1.2', '3.1.3', '3.1.4']);
    expect(exact.subsections).to.deep.equal([]);
    expect(exact.code.length).to.be.within(1, all.code.length - 1);
    expect(exact.requirements.length).to.be.below(all.requirements.length);
  });

  it('says what is wrong with an invalid clause', async () => {
    const { code, stdout, stderr } = await run('--clause', 'RFC 3080 §9.9');
    expect(code).to.equal(64);
    expect(stdout).to.equal('');
    expect(stderr).to.match(/RFC 3080, "The Blocks Extensible Exchange Protocol Core", has no section 9\.9/);
  });
});
