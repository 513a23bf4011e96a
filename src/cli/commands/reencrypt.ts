import { Command } from 'commander';

import { TOKENS } from '../../tokens.js';
import { type CommandDefinition, examples } from '../command-definition.js';
import type { ReEncryptFiles } from '../rotation/re-encrypt-files.js';

interface Options {
  readonly to: string;
  readonly dryRun?: boolean;
}

export const reencryptCommand: CommandDefinition = (run) =>
  new Command('reencrypt')
    .summary('move the values of files to another KMS key')
    .description(
      'Re-encrypts every value within KMS (ReEncrypt), so that no plaintext leaves it, and writes the new ciphertexts; ' +
        'nothing else of the files changes. What fails stays as it is, and what is already under the key is skipped, so ' +
        'it can be run again. Needs kms:ReEncryptFrom and kms:ReEncryptTo on both keys. Exit code 1 when something failed.',
    )
    .argument('<path...>', 'files, and folders that are searched for .yaml, .yml and .json')
    .requiredOption('--to <key-id>', 'id, ARN or alias of the new key')
    .option('--dry-run', 'ask KMS, but write nothing')
    .addHelpText(
      'after',
      examples(
        'kubectl kms-vault reencrypt --to alias/secrets-2027 --dry-run deploy/',
        'kubectl kms-vault reencrypt --to alias/secrets-2027 deploy/',
      ),
    )
    .action(async (paths: string[], { to, dryRun = false }: Options) => {
      const command = await run.service<ReEncryptFiles>(TOKENS.reEncryptFiles);
      if (!(await command.run({ paths, to, dryRun }))) run.exitWith(1);
    });
