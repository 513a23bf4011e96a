import { Command } from 'commander';

import type { EncryptionContext } from '../../api/resources.js';
import { TOKENS } from '../../tokens.js';
import { type CommandDefinition, examples } from '../command-definition.js';
import type { ImportSecret } from '../importing/import-secret.js';
import { contextOption, keyIdOption } from './options.js';

interface Options {
  readonly as: string;
  readonly keyId?: string;
  readonly context?: EncryptionContext;
  readonly output?: string;
}

export const importCommand: CommandDefinition = (run) =>
  new Command('import')
    .summary('make a resource of a secret that is in Vault')
    .description(
      'Reads a secret of K/V v1 or v2 with your own token (VAULT_*, ~/.vault-token), encrypts its values, and prints a ' +
        'KMSVaultSecret that keeps the secret as it is. Changes nothing in Vault, and shows no value.',
    )
    .argument('<path>', 'path of the secret, as vault kv get takes it or as spec.path spells it')
    .requiredOption('--as <[namespace/]name>', 'name of the resource')
    .addOption(keyIdOption())
    .addOption(contextOption())
    .option('--output <file>', 'write a new file instead of stdout; a file that exists is not overwritten')
    .addHelpText(
      'after',
      examples(
        'kubectl kms-vault import secret/web --as web --key-id alias/web > web.yaml',
        'kubectl kms-vault import secret/web --as team/web --context app=web --output web.yaml',
      ),
    )
    .action(async (path: string, options: Options) => {
      const command = await run.service<ImportSecret>(TOKENS.importSecret, { vault: true });
      await command.run({ path, ...options });
    });
