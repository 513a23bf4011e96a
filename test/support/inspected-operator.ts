import 'reflect-metadata';

import { patternProblem } from '../../src/api/allowed-paths.js';
import { createOperatorContainer } from '../../src/composition/container.js';
import type { OperatorProgram } from '../../src/program/operator-program.js';
import { TOKENS } from '../../src/tokens.js';
import { parseOperatorCommand } from '../../src/config/operator-config.js';
import { secretVariables } from '../../src/config/secret-variables.js';
import { loadKubeConfig } from '../../src/kube/kubeconfig.js';
import { guardProcess } from '../../src/program/process-guard.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { answerParent } from './memory-inspection.js';

// The operator as in `main.ts`, in a process that shows what its memory holds.
const build = { version: 'test', commit: 'test' };
const command = parseOperatorCommand(process.argv.slice(2), process.env, {
  authMethods: AUTH_METHODS,
  patternProblem,
  build,
});
if (command.action !== 'run') throw new Error(command.text);
const { config } = command;
const kubeConfig = loadKubeConfig({ file: config.kubeconfig, environment: process.env });
const variables = AUTH_METHODS.flatMap((method) => method.variables);
guardProcess(secretVariables(process.env, variables));
const program = createOperatorContainer({ config, kubeConfig, build }).resolve<OperatorProgram>(
  TOKENS.program,
);

await program.start();
answerParent();
