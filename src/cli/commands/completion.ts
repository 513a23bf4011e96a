import { Argument, Command } from 'commander';

import { type CommandDefinition, examples } from '../command-definition.js';
import { type CompletedShell, SHELL_SCRIPTS } from '../completing/shell-scripts.js';

export const completionCommand: CommandDefinition = (run) =>
  new Command('completion')
    .summary('print a script that completes commands, options and files')
    .description(
      'Prints the script for a shell, or, with kubectl, the program that the completion of kubectl looks for.',
    )
    .addArgument(new Argument('<shell>').choices(Object.keys(SHELL_SCRIPTS)))
    .addHelpText(
      'after',
      examples(
        'source <(kubectl kms-vault completion bash)',
        'kubectl kms-vault completion zsh > "${fpath[1]}/_kubectl-kms_vault"',
        'kubectl kms-vault completion fish > ~/.config/fish/completions/kubectl-kms_vault.fish',
        'kubectl kms-vault completion kubectl > ~/bin/kubectl_complete-kms_vault && chmod +x ~/bin/kubectl_complete-kms_vault',
      ),
    )
    .action((shell: CompletedShell) => {
      run.console.write(SHELL_SCRIPTS[shell]);
    });
