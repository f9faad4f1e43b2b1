/** The completion script for zsh. */
import type { CompletedCommand, CompletedOption, Value } from './tree.js';

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const plain = (text: string): string => text.replace(/[[\]:\\]/g, ' ');

function action(value: Value): string {
  switch (value.type) {
    case 'words':
      return `(${value.words.join(' ')})`;
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    default:
      return ' ';
  }
}

function option({ names, description, value }: CompletedOption): string {
  const exclusive = `(${names.join(' ')})`;
  const tail = `[${plain(description)}]${value === undefined ? '' : `:value:${action(value)}`}`;
  // Options that may be given several times are not told from others.
  return names.map((name) => quoted(`${names.length > 1 ? exclusive : '*'}${name}${tail}`)).join(' ');
}

function name(program: string, path: readonly string[]): string {
  return ['', program, ...path].join('_').replaceAll('-', '_');
}

function body(program: string, { path, options, below, arguments: given }: CompletedCommand): string {
  const own = options.map(option);
  if (below.size === 0) {
    const rest = given.map((value, at) =>
      quoted(`${at === given.length - 1 ? '*' : at + 1}:argument:${action(value)}`),
    );
    return `${name(program, path)}() {\n  _arguments ${[...own, ...rest].join(' \\\n    ')}\n}`;
  }
  const words = [...below].map(([word, description]) => quoted(`${word}:${plain(description)}`));
  const branches = [...below.keys()].map((word) => {
    const child = name(program, [...path, word]);
    return `        ${word}) (( $+functions[${child}] )) && ${child} ;;`;
  });
  return `${name(program, path)}() {
  local state line
  _arguments -C ${[...own, "'1: :->command'", "'*:: :->rest'"].join(' \\\n    ')}
  case $state in
    command)
      local -a commands
      commands=(${words.join(' ')})
      _describe command commands ;;
    rest)
      case $line[1] in
${branches.join('\n')}
      esac ;;
  esac
}`;
}

export function zshCompletion(program: string, commands: readonly CompletedCommand[]): string {
  return `#compdef ${program}
# ${program} completion for zsh; save it as _${program} in a directory of $fpath, or: source <(${program} completion zsh)
${commands.map((command) => body(program, command)).join('\n')}
if [ "$funcstack[1]" = _${program} ]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}
