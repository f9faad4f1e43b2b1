/** The commands as completion needs them, read from commander. Independent of the shell. */
import type { Command } from 'commander';

/** What may be given as the value of an option or as an argument. */
export type Value =
  | { readonly type: 'words'; readonly words: readonly string[] }
  | { readonly type: 'file' | 'directory' | 'other' };

export interface CompletedOption {
  /** As written: `--json`, and `-c` where there is one. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined for an option without a value. */
  readonly value: Value | undefined;
}

export interface CompletedCommand {
  /** The words up to it, without the program's name. */
  readonly path: readonly string[];
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** Names of the commands below it, with their descriptions. */
  readonly below: ReadonlyMap<string, string>;
  /** Of its arguments; the last one may repeat. */
  readonly arguments: readonly Value[];
}

const FILES = /^(?:file|certificate)$/;
const DIRECTORIES = /^(?:dir|directory)$/;

function completed(name: string, choices: readonly string[] | undefined): Value {
  if (choices !== undefined) return { type: 'words', words: choices };
  const bare = name.replace(/[<>[\].]/g, '');
  if (FILES.test(bare)) return { type: 'file' };
  return { type: DIRECTORIES.test(bare) ? 'directory' : 'other' };
}

/** Every command, the program itself first. */
export function commandsOf(command: Command, path: readonly string[] = []): CompletedCommand[] {
  const help = command.createHelp();
  const below = help.visibleCommands(command);
  const one: CompletedCommand = {
    path,
    description: command.description(),
    options: help
      .visibleOptions(command)
      .map(({ short, long, description, required, optional, flags, argChoices }) => ({
        names: [long, short].filter((name) => name !== undefined && name !== null),
        description,
        value: required || optional ? completed(/[<[][^>\]]*/.exec(flags)?.[0] ?? '', argChoices) : undefined,
      })),
    below: new Map(below.map((child) => [child.name(), child.description()])),
    arguments: command.registeredArguments.map((argument) => completed(argument.name(), argument.argChoices)),
  };
  // `help` takes the names of the others.
  const others = below.filter((child) => command.commands.includes(child));
  return [one, ...others.flatMap((child) => commandsOf(child, [...path, child.name()]))];
}
