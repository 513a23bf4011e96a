import 'reflect-metadata';

import { patternProblem } from '../../src/api/allowed-paths.js';
import { createWebhookContainer } from '../../src/composition/webhook-container.js';
import { secretVariables } from '../../src/config/secret-variables.js';
import { parseWebhookCommand } from '../../src/config/webhook-config.js';
import { guardProcess } from '../../src/program/process-guard.js';
import type { WebhookProgram } from '../../src/program/webhook-program.js';
import { TOKENS } from '../../src/tokens.js';
import { answerParent } from './memory-inspection.js';

// The webhook as in `webhook.ts`, in a process that shows what its memory holds.
const build = { version: 'test', commit: 'test' };
const command = parseWebhookCommand(process.argv.slice(2), process.env, { patternProblem, build });
if (command.action !== 'run') throw new Error(command.text);
guardProcess(secretVariables(process.env, []));
const container = createWebhookContainer({ config: command.config, build });
await container.resolve<WebhookProgram>(TOKENS.webhookProgram).start();
answerParent();
