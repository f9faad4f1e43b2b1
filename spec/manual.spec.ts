import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import type { Command } from 'commander';
import { allCommands } from '../bin/commands.js';
import { manualOf, pathOf } from '../bin/support/manual.js';
import { below, makeProgram } from '../bin/support/program.js';
import { MANUAL, manualPages, writtenPages } from './support/man-pages.js';

const COMMANDS = await allCommands();

describe('the manual', () => {
  const commands: readonly Command[] = below(makeProgram(COMMANDS));

  it('explains every command: its options, exit codes, examples of it, and what to see also', () => {
    const wrong: string[] = [];
    for (const command of commands) {
      const path = pathOf(command);
      const manual = manualOf(command);
      if (command.description() === '') wrong.push(`${path}: no description`);
      for (const { flags, description } of command.options) if (description === '') wrong.push(`${path}: ${flags}`);
      for (const argument of command.registeredArguments) {
        if (argument.description === '') wrong.push(`${path}: ${argument.name()}`);
      }
      if (manual === undefined) {
        wrong.push(`${path}: no manual`);
        continue;
      }
      if (!manual.examples.some((line) => line.includes(path))) wrong.push(`${path}: no example of it`);
      if (!(0 in manual.exits && 64 in manual.exits)) wrong.push(`${path}: exit codes`);
      if (manual.see.length === 0) wrong.push(`${path}: nothing to see also`);
    }
    expect(wrong, wrong.join('\n')).to.deep.equal([]);
    expect(commands.map(pathOf)).to.include.members(['imxp send', 'imxp account add', 'imxp presence poll']);
  });

  it('refers to commands that exist', () => {
    const paths = new Set(commands.map(pathOf));
    const wrong: string[] = [];
    for (const command of commands) {
      for (const one of manualOf(command)?.see ?? []) {
        const [path = ''] = /^imxp(?: [a-z]+)+/.exec(one) ?? [];
        if (path !== '' && !paths.has(path)) wrong.push(`${pathOf(command)}: ${one}`);
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it('wraps at the width of the terminal', () => {
    for (const width of [80, 50]) {
      const program = makeProgram(COMMANDS);
      for (const command of [program, ...below(program)]) {
        let help = '';
        command.configureOutput({ writeOut: (text) => (help += text), getOutHelpWidth: () => width });
        command.outputHelp();
        // Examples are lines for a shell; below 40 columns of room commander leaves descriptions as they are.
        const begin = help.indexOf(manualOf(command)?.about?.trim().slice(0, 12) ?? 'Exit codes:');
        const manual = help.slice(begin).replace(/^Examples:\n(?: {2}.*\n)*/m, '');
        const long = (width === 80 ? help : manual).split('\n').filter((line) => line.length > width);
        expect(long, `${pathOf(command)} at ${width}`).to.deep.equal([]);
      }
    }
  });

  it('matches the definitions of the commands in contrib/man', () => {
    const [pages, written] = [manualPages(), writtenPages()];
    expect([...written.keys()].sort()).to.deep.equal([...pages.keys()].sort());
    const stale = [...pages].filter(([name, content]) => written.get(name) !== content).map(([name]) => name);
    expect(stale, 'npm run docs writes the pages anew').to.deep.equal([]);
  });

  it('can be read by man', function () {
    const files = [...writtenPages().keys()].map((name) => `${MANUAL}${name}`);
    const { error, stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'error', ...files]);
    if (error !== undefined) {
      console.log('      skipped: mandoc is not installed here');
      return this.skip();
    }
    expect(stdout.toString()).to.equal('');
  });
});
