import 'reflect-metadata';

import { patternProblem } from './api/allowed-paths.js';
import { buildInfo as build } from './build-info.js';
import { createOperatorContainer } from './composition/container.js';
import { parseOperatorCommand } from './config/operator-config.js';
import type { OnEndSignal } from './early-signals.js';
import { loadKubeConfig, passToExecPlugin } from './kube/kubeconfig.js';
import { runProgram } from './program/run-program.js';
import { TOKENS } from './tokens.js';
import { AUTH_METHODS } from './vault/authenticator-factory.js';

/** The operator, once its modules are loaded. */
export async function runOperator(onEndSignal: OnEndSignal): Promise<void> {
  const rules = { authMethods: AUTH_METHODS, patternProblem, build };
  await runProgram({
    name: 'kms-vault-operator',
    parse: (argv, environment) => parseOperatorCommand(argv, environment, rules),
    variables: AUTH_METHODS.flatMap((method) => method.variables),
    onEndSignal,
    create: (config, removedSecrets) => {
      const kubeConfig = loadKubeConfig({ file: config.kubeconfig, environment: process.env });
      passToExecPlugin(kubeConfig, removedSecrets);
      const container = createOperatorContainer({ config, kubeConfig, build });
      return { logger: container.resolve(TOKENS.logger), program: container.resolve(TOKENS.program) };
    },
  });
}
