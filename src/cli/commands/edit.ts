import { Command } from 'commander';

import { TOKENS } from '../../tokens.js';
import { type CommandDefinition, examples } from '../command-definition.js';
import type { EditRequest, EditValues } from '../editing/edit-values.js';
import { keyIdOption, resourceOption } from './options.js';

export const editCommand: CommandDefinition = (run) =>
  new Command('edit')
    .summary('change the values of a file in an editor')
    .description(
      'Opens the values of FILE in $VISUAL, else $EDITOR, else vi. Only changed values get new ciphertexts; new keys are ' +
        'appended, removed keys are removed. The plaintexts are in a file in memory that only you can read, and which is ' +
        'wiped when the editor ends. Items that cannot be decrypted are kept.',
    )
    .argument('<file>', 'YAML file with a KMSVaultSecret or a PartialKMSVaultSecret')
    .addOption(keyIdOption())
    .addOption(resourceOption())
    .addHelpText(
      'after',
      examples('kubectl kms-vault edit web.yaml', 'EDITOR="code --wait" kubectl kms-vault edit web.yaml'),
    )
    .action(async (file: string, options: Omit<EditRequest, 'file'>) => {
      const command = await run.service<EditValues>(TOKENS.editValues);
      await command.run({ file, ...options });
    });
