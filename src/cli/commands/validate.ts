import { Command, Option } from 'commander';

import type { PolicyOptions } from '../../config/cli-config.js';
import { TOKENS } from '../../tokens.js';
import { REPORT_FORMATS, type ReportFormat } from '../checking/problem-formats.js';
import type { ValidateFiles } from '../checking/validate-files.js';
import { type CommandDefinition, examples } from '../command-definition.js';
import { policyOptions } from './options.js';

interface Options extends PolicyOptions {
  readonly output: ReportFormat;
  readonly kms: boolean;
  readonly sinkKey?: string;
  readonly namespace: string;
  readonly refusePlaintext?: boolean;
}

export const validateCommand: CommandDefinition = (run) => {
  const command = new Command('validate')
    .summary('check files as the webhook would')
    .description(
      'Checks every KMSVaultSecret and PartialKMSVaultSecret as the webhook does, and prints one line per problem. ' +
        'Other resources are skipped. Exit code 1 after errors, and when KMS could not be asked; 0 with warnings alone.',
    )
    .argument('<path...>', 'files, and folders that are searched for .yaml, .yml and .json')
    .addOption(
      new Option('-o, --output <format>', 'how problems are printed').choices(REPORT_FORMATS).default('text'),
    )
    .option('--no-kms', 'check shape, base64, sizes, paths and duplicates only')
    .option(
      '--sink-key <id>',
      'ask KMS by ReEncrypt to this key, which nobody may decrypt with, instead of Decrypt',
    )
    .option('-n, --namespace <name>', 'namespace of resources that name none', 'default')
    .option('--refuse-plaintext', 'refuse items that look as if nobody encrypted them')
    .addHelpText(
      'after',
      examples(
        'kubectl kms-vault validate web.yaml',
        'kubectl kms-vault validate --no-kms deploy/',
        'kubectl kms-vault validate --sink-key alias/sink -o github deploy/',
        "kubectl kms-vault validate --allowed-vault-paths 'secret/data/{{namespace}}/**' -n team deploy/",
        "kubectl kms-vault validate --required-context 'namespace={{namespace}}' -n team deploy/",
      ),
    )
    .action(async (paths: string[], options: Options) => {
      const { output: format, refusePlaintext = false, kms, sinkKey, namespace, ...policy } = options;
      const files = await run.service<ValidateFiles>(TOKENS.validateFiles);
      const request = { paths, format, refusePlaintext, kms, sinkKey, namespace, policy };
      if (!(await files.run(request))) run.exitWith(1);
    });
  for (const option of policyOptions()) command.addOption(option);
  return command;
};
