import type { IContainer } from 'kubernetes-models/v1';

import { patternProblem } from '../../../src/api/allowed-paths.js';
import type { OperatorConfig, WebhookConfig } from '../../../src/config/config.js';
import { parseOperatorCommand } from '../../../src/config/operator-config.js';
import { parseWebhookCommand } from '../../../src/config/webhook-config.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

const RULES = { authMethods: AUTH_METHODS, patternProblem, build: { version: '0', commit: '0' } };

export type Started =
  | { readonly program: 'operator'; readonly config: OperatorConfig }
  | { readonly program: 'webhook'; readonly config: WebhookConfig };

/**
 * What the program of a container makes of its arguments and variables, as the container would start it.
 * Secrets have the value `from-a-secret`; optional ones only with `withOptional`.
 *
 * @throws Error with the program's own words when it would refuse to start.
 */
export function startOf(container: IContainer, withOptional = false): Started {
  const { command: [executable] = [], args = [], env = [] } = container;
  const variables: Record<string, string> = {};
  for (const { name, value, valueFrom } of env) {
    const source = valueFrom?.secretKeyRef;
    if (value !== undefined) variables[name] = value;
    else if (source !== undefined && (withOptional || source.optional !== true))
      variables[name] = 'from-a-secret';
    else if (source === undefined) throw new Error(`${name}: neither a value nor a reference to a Secret`);
  }
  // Kubernetes would replace it.
  const replaced = [...args, ...Object.values(variables)].filter((text) => text.includes('$('));
  if (replaced.length > 0) throw new Error(`refers to a variable: ${replaced.join(', ')}`);
  if (executable === '/manager') {
    const command = parseOperatorCommand(args, variables, RULES);
    if (command.action === 'run') return { program: 'operator', config: command.config };
    throw new Error(command.text);
  }
  if (executable === '/kms-vault-validating-webhook') {
    const command = parseWebhookCommand(args, variables, RULES);
    if (command.action === 'run') return { program: 'webhook', config: command.config };
    throw new Error(command.text);
  }
  throw new Error(`the image has no ${String(executable)}`);
}
