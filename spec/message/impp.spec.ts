import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { PROJECT, requirementTable } from '../support/requirement-table.js';

/** `008, 010-012` to numbers. */
function numbersOf(cell: string): number[] {
  return cell.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

describe('the table of RFC 2779', () => {
  const [, section = ''] = readFileSync(`${PROJECT}docs/internals/conformance.md`, 'utf8').split('## RFC 2779');
  const rows = [...section.matchAll(/^\| ([0-9, -]+) \| (.*?) \| (.*) \| `(.*)` \| (`.*`) \|$/gm)];
  const required = requirementTable()
    .requirements.map(({ id }) => id)
    .filter((id) => id.startsWith('REQ-IMPP-'))
    .map((id) => Number(id.slice('REQ-IMPP-'.length)));

  it('states for every requirement, once, whether and how it is met', () => {
    const said = rows.flatMap(([, ids = '']) => numbersOf(ids));
    expect(required).to.have.length.above(60);
    expect(said.sort((a, b) => a - b)).to.deep.equal(required);
    for (const [, ids, verdict, how] of rows) {
      expect(verdict, ids).to.be.oneOf(['met', 'partly', 'not met']);
      expect(how, ids).to.match(/\S+ \S+/);
    }
  });

  it('points to files that exist', () => {
    const missing = rows.map(([, , , , path]) => path).filter((path) => !existsSync(`${PROJECT}${path}`));
    expect(missing).to.deep.equal([]);
  });

  it('names a spec for every requirement', () => {
    const textOf = (path: string): string => readFileSync(`${PROJECT}${path}`, 'utf8');
    const missing = rows.flatMap(([, ids = '', , , , specs = '']) => {
      const texts = [...specs.matchAll(/`([^`]+)`/g)].map(([, path = '']) => textOf(path));
      return numbersOf(ids)
        .map((id) => `REQ-IMPP-${String(id).padStart(3, '0')}`)
        .filter((id) => !texts.some((text) => text.includes(id)));
    });
    expect(missing).to.deep.equal([]);
  });
});
