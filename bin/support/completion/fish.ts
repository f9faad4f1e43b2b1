/** The completion script for fish. */
import type { CompletedCommand, CompletedOption } from './tree.js';

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function option({ names, value }: CompletedOption): string {
  const flags = names.map((one) => (one.startsWith('--') ? `-l ${one.slice(2)}` : `-s ${one.slice(1)}`)).join(' ');
  switch (value?.type) {
    case undefined:
      return flags;
    case 'words':
      return `${flags} -x -a ${quoted(value.words.join(' '))}`;
    case 'file':
      return `${flags} -r -F`;
    case 'directory':
      return `${flags} -x -a '(__fish_complete_directories)'`;
    default:
      return `${flags} -x`;
  }
}

/** When the words so far are those of this command. */
function condition({ path, below }: CompletedCommand): string {
  if (path.length === 0) return '__fish_use_subcommand';
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  if (below.size > 0) seen.push(`not __fish_seen_subcommand_from ${[...below.keys()].join(' ')}`);
  return seen.join('; and ');
}

export function fishCompletion(program: string, commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap((command) => {
    const { options, below, arguments: given } = command;
    const when = `complete -c ${program} -n ${quoted(condition(command))}`;
    return [
      ...[...below].map(([word, text]) => `${when} -a ${quoted(word)} -d ${quoted(text)}`),
      ...options.map((one) => `${when} ${option(one)} -d ${quoted(one.description)}`),
      ...(given.some(({ type }) => type === 'file') ? [`${when} -F`] : []),
    ];
  });
  return `# ${program} completion for fish; save it as ~/.config/fish/completions/${program}.fish
complete -c ${program} -f
${lines.join('\n')}
`;
}
