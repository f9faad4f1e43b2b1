import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { expect } from 'chai';
import { idsIn, PROJECT, requirementTable, specFiles } from './support/requirement-table.js';

describe('the table of requirements', () => {
  const { requirements, deferred } = requirementTable();
  const known = new Set(requirements.map(({ id }) => id));

  it('has each id once, with level, text and source', () => {
    expect(requirements).to.have.length(known.size);
    for (const { id, level, text, source } of requirements) {
      expect(idsIn(id), 'an id of the form REQ-AREA-NNN').to.deep.equal([id]);
      expect(level, id).to.be.oneOf(['MUST', 'MUST NOT', 'SHOULD', 'SHOULD NOT', 'MAY']);
      expect(text, id).to.match(/\S/);
      expect(source, id).to.match(/\S/);
    }
  });

  it('defers only ids it has, each once and with a reason', () => {
    const ids = deferred.flatMap((entry) => entry.ids);
    expect(ids).to.have.length(new Set(ids).size);
    for (const id of ids) expect(known.has(id), id).to.equal(true);
    for (const { ids: some, reason } of deferred) expect(reason, some.join()).to.match(/\S+ \S+/);
  });

  it('knows every id that a spec file names', () => {
    const unknown = specFiles().flatMap((file) =>
      idsIn(readFileSync(file, 'utf8'))
        .filter((id) => !known.has(id))
        .map((id) => `${relative(PROJECT, file)}: ${id}`),
    );
    expect(unknown).to.deep.equal([]);
  });
});
