/** `imxp completion`: prints a completion script for a shell, generated from the definitions of the commands. */
import { Argument, type Command } from 'commander';
import { bashCompletion } from './support/completion/bash.js';
import { fishCompletion } from './support/completion/fish.js';
import { commandsOf } from './support/completion/tree.js';
import { zshCompletion } from './support/completion/zsh.js';
import { explain } from './support/manual.js';

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

export function register(command: Command): void {
  command
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SHELLS)))
    .action((shell: keyof typeof SHELLS) => {
      const program = command.parent ?? command;
      process.stdout.write(SHELLS[shell](program.name(), commandsOf(program)));
    });
  explain(command, {
    exits: { 0: 'printed' },
    examples: [
      'source <(imxp completion bash)          # for this session',
      'imxp completion bash > ~/.local/share/bash-completion/completions/imxp',
      'imxp completion zsh > ~/.zfunc/_imxp    # with ~/.zfunc in $fpath',
      'imxp completion fish > ~/.config/fish/completions/imxp.fish',
    ],
    see: ['man imxp', 'imxp --help'],
  });
}
