import { Command, Option } from 'commander';

import type { PolicyOptions } from '../../config/cli-config.js';
import { TOKENS } from '../../tokens.js';
import { type CommandDefinition, examples } from '../command-definition.js';
import { policyOptions } from './options.js';
import type { Plan } from '../planning/plan.js';

interface Options extends PolicyOptions {
  readonly filename: readonly string[];
  readonly output: 'text' | 'json';
  readonly cluster?: boolean;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly provenance?: boolean;
}

export const planCommand: CommandDefinition = (run) => {
  const planning = new Command('plan')
    .summary('show what would be written to Vault, key by key, without values')
    .description(
      'Shows what the operator would write to Vault for the resources in files: + added, ~ changed, - removed, ' +
        '= unchanged, ! cannot be decrypted (Vault keeps what it has). Reads Vault with your token (VAULT_TOKEN, else ' +
        '~/.vault-token), decrypts with your AWS identity, compares in memory, and writes nothing.\n\n' +
        'Exit code: 0 nothing to do, 2 changes, 1 something is wrong, with or without changes.',
    )
    .addOption(
      new Option('-f, --filename <file>', 'file or folder with manifests, or - for stdin; may be repeated')
        .argParser((path: string, before: readonly string[] | undefined) => [...(before ?? []), path])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('-o, --output <format>', 'format of the output').choices(['text', 'json']).default('text'),
    )
    .option('--cluster', 'take partials, statuses and the owners of paths from the cluster, too')
    .option('--kubeconfig <file>', 'kubeconfig for --cluster; else KUBECONFIG, ~/.kube/config')
    .option('--context <name>', 'context of the kubeconfig for --cluster')
    .option(
      '-n, --namespace <name>',
      'namespace of resources without one; else that of the context with --cluster, else default',
    )
    .option('--provenance', 'the flag of the operator, if it has it')
    .addHelpText(
      'after',
      examples(
        'kubectl kms-vault plan -f web.yaml',
        'kubectl kms-vault plan -f deploy/ -f shared/ --cluster',
        'kubectl kustomize overlays/prod | kubectl kms-vault plan -f - --cluster -n web',
        'kubectl kms-vault plan -f deploy/ -o json',
      ),
    )
    .action(async (options: Options, command: Command) => {
      const { filename: files, output, cluster, kubeconfig, context, namespace, ...others } = options;
      const { provenance, ...policy } = others;
      if (cluster !== true && (kubeconfig !== undefined || context !== undefined)) {
        command.error('error: --kubeconfig and --context belong to --cluster');
      }
      const plan = await run.service<Plan>(TOKENS.plan, {
        plan: {
          policy,
          ...(namespace === undefined ? {} : { namespace }),
          ...(provenance === undefined ? {} : { provenance }),
          ...(cluster === true
            ? {
                cluster: {
                  ...(kubeconfig === undefined ? {} : { kubeconfig }),
                  ...(context === undefined ? {} : { context }),
                },
              }
            : {}),
        },
      });
      run.exitWith(await plan.run({ files, output }));
    });
  for (const option of policyOptions()) planning.addOption(option);
  return planning;
};
