import 'reflect-metadata';

import { patternProblem } from './api/allowed-paths.js';
import { buildInfo as build } from './build-info.js';
import { createWebhookContainer } from './composition/webhook-container.js';
import { parseWebhookCommand } from './config/webhook-config.js';
import type { OnEndSignal } from './early-signals.js';
import { runProgram } from './program/run-program.js';
import { TOKENS } from './tokens.js';

/** The validating webhook, once its modules are loaded. */
export async function runWebhook(onEndSignal: OnEndSignal): Promise<void> {
  await runProgram({
    name: 'kms-vault-validating-webhook',
    parse: (argv, environment) => parseWebhookCommand(argv, environment, { patternProblem, build }),
    onEndSignal,
    create: (config) => {
      const container = createWebhookContainer({ config, build });
      return { logger: container.resolve(TOKENS.logger), program: container.resolve(TOKENS.webhookProgram) };
    },
  });
}
