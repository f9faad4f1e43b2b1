import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';

const PROJECT = new URL('../../', import.meta.url);

interface Entry {
  readonly types: string;
  readonly default: string;
}

describe('the exports of the package', () => {
  const { exports, files }: { exports: Record<string, Entry | string>; files: string[] } = JSON.parse(
    readFileSync(new URL('package.json', PROJECT), 'utf8'),
  );
  const doors = Object.entries(exports).filter((entry): entry is [string, Entry] => typeof entry[1] === 'object');

  it('have a spec each that imports them by name', () => {
    expect(doors.length).to.be.greaterThan(3);
    for (const [path] of doors) {
      const name = path === '.' ? 'main' : path.slice(2);
      const text = readFileSync(new URL(`${name}.spec.ts`, import.meta.url), 'utf8');
      expect(text, path).to.match(new RegExp(`['"]imxp${path.slice(1)}['"]`));
    }
  });

  it('consist of existing sources and published files', () => {
    for (const [path, { types, default: code }] of doors) {
      const source = types.replace('./dist/', '').replace(/\.d\.ts$/, '.ts');
      expect(existsSync(new URL(source, PROJECT)), source).to.equal(true);
      expect(files, `${path} ${code}`).to.include(code.split('/')[1]);
    }
  });

  it('leave everything else closed', async () => {
    const inside = [
      'lib/relay/relay.js',
      'dist/lib/relay/relay.js',
      'lib/exports/relay.ts',
      'relay/relay',
      'bin/imxp.js',
    ];
    for (const path of inside) {
      const failure = await import(`imxp/${path}`).catch((error: unknown) => error);
      expect(failure, path).to.include({ code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
    }
  });
});
