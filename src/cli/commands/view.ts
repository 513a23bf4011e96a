import { Command } from 'commander';

import { TOKENS } from '../../tokens.js';
import { type CommandDefinition, examples } from '../command-definition.js';
import type { ViewRequest, ViewValues } from '../editing/view-values.js';
import { resourceOption } from './options.js';

export const viewCommand: CommandDefinition = (run) =>
  new Command('view')
    .summary('show the items of a file, decrypted but masked')
    .description(
      'Decrypts the items of FILE and shows which context decrypts each, or why none does. Values are masked unless ' +
        '--reveal is given; with KEY and --reveal the value alone is printed. Ends with 1 when an item cannot be decrypted.',
    )
    .argument('<file>', 'YAML file with KMSVaultSecrets or PartialKMSVaultSecrets')
    .argument('[key]', 'only the item with this key')
    .option('--reveal', 'print the values')
    .addOption(resourceOption())
    .addHelpText(
      'after',
      examples(
        'kubectl kms-vault view web.yaml',
        'kubectl kms-vault view web.yaml --reveal',
        'kubectl kms-vault view web.yaml tls.crt --reveal | openssl x509 -noout -enddate',
      ),
    )
    .action(
      async (file: string, key: string | undefined, options: Pick<ViewRequest, 'resource' | 'reveal'>) => {
        const command = await run.service<ViewValues>(TOKENS.viewValues);
        run.exitWith(await command.run({ file, key, ...options }));
      },
    );
