import 'reflect-metadata';

import { patternProblem } from './api/allowed-paths.js';
import { buildInfo } from './build-info.js';
import { createWebhookContainer } from './composition/webhook-container.js';
import type { WebhookConfig } from './config/config.js';
import { faultText } from './config/operator-config.js';
import { secretVariables } from './config/secret-variables.js';
import { parseWebhookCommand } from './config/webhook-config.js';
import { correctLibraryVariables } from './config/stray-characters.js';
import type { OnEndSignal } from './early-signals.js';
import { ListenError } from './observability/http-endpoint.js';
import type { Logger } from './observability/logger.js';
import { exitOnUnforeseen, guardProcess, logNodeWarnings } from './process-guard.js';
import { mayRunCredentialProcess } from './runtime/credential-process.js';
import type { WebhookProgram } from './program/webhook-program.js';
import { TOKENS } from './tokens.js';

const PROGRAM = 'kms-vault-validating-webhook';

/** The validating webhook, once its modules are loaded: reads flags and environment, and runs or says what is wrong. */
export async function runWebhook(onEndSignal: OnEndSignal): Promise<void> {
  const command = parseWebhookCommand(process.argv.slice(2), process.env, {
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

async function run(config: WebhookConfig, onEndSignal: OnEndSignal): Promise<void> {
  guardProcess(secretVariables(process.env, [], { keepProxies: mayRunCredentialProcess(process.env) }));
  const container = createWebhookContainer({ config, build: buildInfo });
  const logger = container.resolve<Logger>(TOKENS.logger);
  exitOnUnforeseen(logger);
  logNodeWarnings(logger);
  const program = container.resolve<WebhookProgram>(TOKENS.webhookProgram);
  onEndSignal(() => program.stop());
  logger.info('starting', { version: buildInfo.version, commit: buildInfo.commit, node: process.version });
  try {
    await program.start();
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    process.stderr.write(faultText(PROGRAM, [error.message]));
    process.exit(1);
  }
}
