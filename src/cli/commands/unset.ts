import { Command } from 'commander';

import { TOKENS } from '../../tokens.js';
import { type CommandDefinition, examples } from '../command-definition.js';
import type { UnsetRequest, UnsetValue } from '../editing/unset-value.js';
import { resourceOption } from './options.js';

export const unsetCommand: CommandDefinition = (run) =>
  new Command('unset')
    .summary('remove an item from a file')
    .description(
      'Removes the item KEY from FILE; nothing else of the file changes. The operator then removes the key from Vault.',
    )
    .argument('<file>', 'YAML file with a KMSVaultSecret or a PartialKMSVaultSecret')
    .argument('<key>', 'key of the item')
    .addOption(resourceOption())
    .addHelpText('after', examples('kubectl kms-vault unset web.yaml old-token'))
    .action(async (file: string, key: string, options: Pick<UnsetRequest, 'resource'>) => {
      const command = await run.service<UnsetValue>(TOKENS.unsetValue);
      await command.run({ file, key, ...options });
    });
