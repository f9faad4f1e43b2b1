import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  allCitations,
  citingFiles,
  decisionIds,
  type PublishedDocument,
  parseClause,
  publishedDocuments,
  readCitations,
} from './support/citations.js';
import { PROJECT } from './support/requirement-table.js';

const DOCUMENTS: ReadonlyMap<string, PublishedDocument> = publishedDocuments();
const DECISIONS = new Set(decisionIds());

/** What a text cites, and what in it dangles. */
function read(text: string): { cited: string[]; lost: string[] } {
  const { citations, dangling } = readCitations('x.ts', text, DOCUMENTS, DECISIONS);
  return {
    cited: citations.map(({ document, section = '', line }) => `${line} ${document} ${section}`.trim()),
    lost: dangling.map(({ line, what }) => `${line}: ${what}`),
  };
}

describe('citations', () => {
  it('name documents, sections and decisions that exist, everywhere', () => {
    const { citations, dangling } = allCitations();
    expect(
      dangling.map(({ file, line, what }) => `${file}:${line}: ${what}`),
      'citations that resolve to nothing; spec/fixtures/documents.json has the documents, docs/internals/decisions.md the decisions',
    ).to.deep.equal([]);
    expect(citations).to.have.length.above(1000);
    const files = new Set(citations.map(({ file }) => file.split('/')[0]));
    expect([...files]).to.include.members(['lib', 'bin', 'kit', 'spec', 'docs']);
  });

  it('are looked for in sources, specs and documents', () => {
    expect(citingFiles()).to.include.members([
      'README.md',
      'SECURITY.md',
      'contrib/README.md',
      'docs/internals/decisions.md',
      'lib/beep/session.ts',
      'spec/fixtures/requirements.json',
    ]);
  });

  describe('as they are written', () => {
    for (const [text, cited] of [
      ['// RFC 3080 §2.3.1.2: a start', ['1 RFC 3080 2.3.1.2']],
      ['/**\n * (RFC 3080\n * §2.3.1.3) and more\n */', ['3 RFC 3080 2.3.1.3']],
      ['core-01 §4.4.1, §4.4.2 and §4.4.3', ['1 core-01 4.4.1', '1 core-01 4.4.2', '1 core-01 4.4.3']],
      ['draft-mrose-imxp-core-01 §4.4.1', ['1 core-01 4.4.1']],
      ['core-01 §4.4.1 to §4.4.3, §4.4.4.1 step 3.2', ['1 core-01 4.4.1', '1 core-01 4.4.3', '1 core-01 4.4.4.1']],
      ['presence-01 §4.2 steps 1 to 5, §4.3', ['1 presence-01 4.2', '1 presence-01 4.3']],
      ['presence-01 Appendix A', ['1 presence-01 A']],
      ['RFC 2045 §6.7 forbids it; what §6.4 says of the rest', ['1 RFC 2045 6.7', '1 RFC 2045 6.4']],
      ['by RFC 2782 alone', ['1 RFC 2782']],
      ['RFC 3080 §8, D-CORE-19', ['1 RFC 3080 8', '1 D-CORE-19']],
    ] as const) {
      it(`${JSON.stringify(text)}`, () => {
        expect(read(text)).to.deep.equal({ cited, lost: [] });
      });
    }
  });

  describe('that dangle', () => {
    for (const [text, lost] of [
      ['RFC 3080 §2.2.2.2', ['1: RFC 3080 has no §2.2.2.2']],
      ['\n// core-01 §9.3', ['2: core-01 has no §9.3']],
      ['core-01 §4.4.1, §17.1', ['1: core-01 has no §17.1']],
      ['access-01 Appendix C', ['1: access-01 has no Appendix C']],
      ['RFC 9999', ['1: RFC 9999 is not in spec/fixtures/documents.json']],
      ['draft-mrose-imxp-core-07 §1', ['1: draft-mrose-imxp-core-07 is not in spec/fixtures/documents.json']],
      ['RFC 5280 §9.9', ['1: RFC 5280 has no §9.9 among those that were looked up']],
      ['see §4.4', ['1: no document before §4.4']],
      ['RFC 3080 ends. The other has §4.4', ['1: no document before §4.4']],
      ['D-CORE-99', ['1: D-CORE-99 is not in docs/internals/decisions.md']],
      ['IMXP core §4', ['1: no document before §4', '1: "IMXP core §" is a private name']],
      ['architecture §4.7', ['1: no document before §4.7', '1: "architecture §" is a private name']],
      ['beep.md says', ['1: "beep.md" is a private name']],
      ['(A-19)', ['1: "A-19" is a private name']],
      ['ACC-5, B-8', ['1: "B-8" is a private name', '1: "ACC-5" is a private name']],
    ] as const) {
      it(`${JSON.stringify(text)}`, () => {
        expect(read(text).lost).to.have.members(lost);
      });
    }
  });

  it('are none of words that only look like it', () => {
    expect(read('REQ-ACC-005 AES-256 UTF-8 sha-256 multi-core-01x').lost).to.deep.equal([]);
  });
});

describe('spec/fixtures/documents.json', () => {
  const documents = [...new Set(DOCUMENTS.values())];

  it('has each name and each section once', () => {
    const names = documents.flatMap(({ name, short }) => [name, short].filter((one) => one !== undefined));
    expect(names).to.have.length(new Set(names).size);
    for (const { name, sections, title } of documents) {
      expect(title, name).to.match(/\S/);
      const list = sections === '' ? [] : sections.split(' ');
      expect(list, name).to.have.length(new Set(list).size);
      for (const section of list) expect(section, name).to.match(/^(?:[1-9][0-9]*|[A-Z])(?:\.[1-9][0-9]*)*$/);
    }
  });

  it('has the section around each section of a document that is listed whole', () => {
    for (const { name, sections } of documents.filter(({ partial }) => partial !== true)) {
      const list = new Set(sections.split(' '));
      for (const section of list) {
        const around = section.split('.').slice(0, -1).join('.');
        if (around !== '') expect(list.has(around), `${name} §${around}, around §${section}`).to.equal(true);
      }
    }
  });

  it('is what docs/internals/conformance.md says of the documents', () => {
    const text = readFileSync(`${PROJECT}docs/internals/conformance.md`, 'utf8');
    const shown = documents.filter(({ short, partial }) => short !== undefined || partial !== true);
    const rows = shown.map(
      ({ name, short, title }) => `| ${short ?? name} | ${short === undefined ? '' : name} | ${title} |`,
    );
    const missing = rows.filter((row) => !text.includes(`\n${row.replace(/ {2}/g, ' ')}\n`));
    expect(missing, 'rows of the table "Documents"').to.deep.equal([]);
  });
});

describe('docs/internals/decisions.md', () => {
  const text = readFileSync(`${PROJECT}docs/internals/decisions.md`, 'utf8');
  const entries = text.split(/^### /m).slice(1);

  it('gives each decision an id of its own, a clause, what was decided, and why', () => {
    const ids = decisionIds();
    expect(ids).to.have.length(new Set(ids).size);
    expect(entries).to.have.length(ids.length);
    for (const entry of entries) {
      const heading = entry.split('\n')[0] ?? '';
      expect(heading).to.match(/^D-[A-Z]+-[0-9]{2} \S/);
      for (const part of ['Clause', 'Decision', 'Reason'])
        expect(entry, heading).to.match(new RegExp(`^- ${part}: \\S|^- ${part}:\\n`, 'm'));
    }
  });

  it('names a clause of a document in each', () => {
    for (const entry of entries) {
      const [, clause = ''] = /^- Clause: ([\s\S]*?)\n- /m.exec(entry) ?? [];
      const { citations } = readCitations('', clause, DOCUMENTS, DECISIONS);
      expect(citations, entry.split('\n')[0]).to.not.deep.equal([]);
    }
  });
});

describe('a clause that is asked for', () => {
  const parse = (text: string): string => {
    const { document, section } = parseClause(text, DOCUMENTS);
    return `${document} ${section ?? ''}`.trim();
  };

  it('may be written in several ways', () => {
    for (const text of ['RFC 3080 §2.6.3', 'rfc3080 §2.6.3', 'RFC 3080 2.6.3'])
      expect(parse(text)).to.equal('RFC 3080 2.6.3');
    for (const text of ['core-01 §4.4.1', 'draft-mrose-imxp-core-01 §4.4.1'])
      expect(parse(text)).to.equal('core-01 4.4.1');
    expect(parse('presence-01 Appendix A')).to.equal('presence-01 A');
    expect(parse('RFC 3081')).to.equal('RFC 3081');
  });

  it('has to be one', () => {
    expect(() => parse('RFC 3080 §2.2.2.2')).to.throw(/RFC 3080, .* has no section 2\.2\.2\.2; it has 1 2 2\.1/);
    expect(() => parse('the core §4')).to.throw(/"the core" is none of the documents that are cited: core-01/);
  });
});
