/** The completion script for bash. */
import type { CompletedCommand, Value } from './tree.js';

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function action(value: Value | undefined): string {
  switch (value?.type) {
    case 'words':
      return `COMPREPLY=($(compgen -W ${quoted(value.words.join(' '))} -- "$cur"))`;
    case 'file':
      return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))';
    case 'directory':
      return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur"))';
    default:
      return 'COMPREPLY=()';
  }
}

export function bashCompletion(program: string, commands: readonly CompletedCommand[]): string {
  const nested = commands
    .filter(({ below, path }) => below.size > 0 && path.length > 0)
    .map(({ path }) => path[0] ?? '');
  const cases = commands.map(({ path, options, below, arguments: given }) => {
    const valued = options.filter(({ value }) => value !== undefined);
    const values = valued.map(({ names, value }) => `        ${names.join('|')}) ${action(value)}; return ;;`);
    const words = [...below.keys(), ...options.flatMap(({ names }) => names)].join(' ');
    const rest = given.length > 0 ? `if [[ "$cur" != -* ]]; then ${action(given[0])}; return; fi` : ':';
    return [
      `    ${quoted(path.join(' '))})`,
      ...(values.length > 0 ? [`      case "$prev" in`, ...values, '      esac'] : []),
      `      ${rest}`,
      `      COMPREPLY=($(compgen -W ${quoted(words)} -- "$cur")) ;;`,
    ].join('\n');
  });
  return `# ${program} completion for bash; put it where bash-completion looks, or: source <(${program} completion bash)
_${program}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) break ;;
    esac
    if [[ -z $path ]]; then path=$word; else path="$path $word"; fi
    # Only these have commands below them; what follows another is its argument.
    case "$path" in
      ${nested.map(quoted).join('|') || "''"}) ;;
      *) break ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
}
complete -F _${program} ${program}
`;
}
