import 'reflect-metadata';

import { patternProblem } from './api/allowed-paths.js';
import { buildInfo } from './build-info.js';
import { createOperatorContainer } from './composition/container.js';
import type { OperatorConfig } from './config/config.js';
import { faultText, parseOperatorCommand } from './config/operator-config.js';
import { secretsOfOtherPrograms, secretVariables } from './config/secret-variables.js';
import { correctLibraryVariables } from './config/stray-characters.js';
import type { OnEndSignal } from './early-signals.js';
import { KubeConfigError, loadKubeConfig, passToExecPlugin } from './kube/kubeconfig.js';
import { ListenError } from './observability/http-endpoint.js';
import type { Logger } from './observability/logger.js';
import { exitOnUnforeseen, guardProcess, logNodeWarnings } from './process-guard.js';
import type { OperatorProgram } from './program/operator-program.js';
import { mayRunCredentialProcess } from './runtime/credential-process.js';
import { TOKENS } from './tokens.js';
import { AUTH_METHODS } from './vault/authenticator-factory.js';

const PROGRAM = 'kms-vault-operator';

/** The operator, once its modules are loaded: reads flags and environment, and runs or reports what is wrong. */
export async function runOperator(onEndSignal: OnEndSignal): Promise<void> {
  const command = parseOperatorCommand(process.argv.slice(2), process.env, {
    authMethods: AUTH_METHODS,
    patternProblem,
    build: buildInfo,
  });
  correctLibraryVariables(process.env);
  if (command.action === 'print') {
    (command.exitCode === 0 ? process.stdout : process.stderr).write(command.text);
    process.exitCode = command.exitCode;
  } else {
    await run(command.config, onEndSignal);
  }
}

async function run(config: OperatorConfig, onEndSignal: OnEndSignal): Promise<void> {
  try {
    const kubeConfig = loadKubeConfig({ file: config.kubeconfig, environment: process.env });
    const variables = AUTH_METHODS.flatMap((method) => method.variables);
    passToExecPlugin(kubeConfig, secretsOfOtherPrograms(process.env));
    guardProcess(
      secretVariables(process.env, variables, { keepProxies: mayRunCredentialProcess(process.env) }),
    );
    const container = createOperatorContainer({ config, kubeConfig, build: buildInfo });
    const logger = container.resolve<Logger>(TOKENS.logger);
    exitOnUnforeseen(logger);
    logNodeWarnings(logger);
    const program = container.resolve<OperatorProgram>(TOKENS.program);
    onEndSignal(() => program.stop());
    logger.info('starting', { version: buildInfo.version, commit: buildInfo.commit, node: process.version });
    await program.start();
  } catch (error) {
    if (!(error instanceof KubeConfigError) && !(error instanceof ListenError)) throw error;
    process.stderr.write(faultText(PROGRAM, [error.message]));
    process.exit(1);
  }
}
