import { Command } from 'commander';

import type { EncryptionContext } from '../../api/resources.js';
import { TOKENS } from '../../tokens.js';
import { type CommandDefinition, examples } from '../command-definition.js';
import type { SetValue } from '../editing/set-value.js';
import { contextOption, keyIdOption, resourceOption } from './options.js';

interface Options {
  readonly fromFile?: string;
  readonly fromLiteral?: string;
  readonly empty?: boolean;
  readonly context?: EncryptionContext;
  readonly keyId?: string;
  readonly resource?: string;
}

export const setCommand: CommandDefinition = (run) =>
  new Command('set')
    .summary('encrypt a value and write it into a file')
    .description(
      'Encrypts the value of KEY with KMS and writes the ciphertext into FILE; nothing else of the file changes. ' +
        'Without a source it asks for the value on the terminal and does not show it.',
    )
    .argument('<file>', 'YAML file with a KMSVaultSecret or a PartialKMSVaultSecret')
    .argument('<key>', 'key of the item; it is appended if the resource has no such item')
    .option('--from-file <file>', 'take the value from a file, or from stdin with -')
    .option('--from-literal <value>', 'the value itself, which stays in the history of your shell')
    .option('--empty', 'an empty value, which needs no KMS')
    .addOption(contextOption())
    .addOption(keyIdOption())
    .addOption(resourceOption())
    .addHelpText(
      'after',
      examples(
        'kubectl kms-vault set web.yaml database-password',
        'kubectl kms-vault set web.yaml tls.key --from-file tls.key --key-id alias/web',
        'pass show web/token | tr -d "\\n" | kubectl kms-vault set web.yaml token --from-file -',
        'kubectl kms-vault set web.yaml feature-flags --empty',
        'kubectl kms-vault set web.yaml session-key --context purpose=sessions --context env=prod',
      ),
    )
    .action(async (file: string, key: string, options: Options) => {
      const { fromFile, fromLiteral, empty, ...rest } = options;
      const command = await run.service<SetValue>(TOKENS.setValue);
      await command.run({ file, key, source: { fromFile, fromLiteral, empty }, ...rest });
    });
