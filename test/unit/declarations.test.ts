import { readdirSync, readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { EVENTS, READY_REASONS } from '../../src/api/reasons.js';
import { ENVIRONMENT_VARIABLES } from '../../src/config/environment-variables.js';
import { operatorFlags, parseOperatorCommand } from '../../src/config/operator-config.js';
import { parseWebhookCommand, WEBHOOK_FLAGS } from '../../src/config/webhook-config.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { WebhookMetrics } from '../../src/observability/webhook-metrics.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file: `src/${file}`, text: readFileSync(`src/${file}`, 'utf8') }));

/** Whether a pattern occurs in a file of `src` other than those that declare. */
const occurs = (pattern: RegExp, declaring: readonly string[]): boolean =>
  sources.some(({ file, text }) => !declaring.includes(file) && pattern.test(text));

const metricsOf = (metrics: object): string[] => Object.keys(metrics);

/** `metrics.name`, but not the assignment that creates it. */
const isSet = (name: string): boolean => occurs(new RegExp(`\\.${name}\\b(?!\\s*=[^=])`), []);

const isReported = (reason: string): boolean => occurs(new RegExp(`'${reason}'`), ['src/api/reasons.ts']);

/** Proxy variables in lower case are read by the name in upper case. */
const isRead = (variable: string): boolean =>
  occurs(new RegExp(`(\\.|')${variable.toUpperCase()}\\b`), ['src/config/environment-variables.ts']);

const RULES = {
  authMethods: AUTH_METHODS,
  patternProblem: () => undefined,
  build: { version: '1', commit: 'a' },
};

/** Flags that make no difference to the configuration, and are not refused either. */
function ignored(
  flags: ReturnType<typeof operatorFlags>,
  parse: (argv: readonly string[]) => unknown,
): readonly string[] {
  const without = JSON.stringify(parse([]));
  return flags
    .filter(({ name, boolean }) => {
      const value = boolean === true ? 'true' : '7';
      return JSON.stringify(parse([`--${name}=${value}`])) === without;
    })
    .map(({ name }) => name);
}

describe('what is declared', () => {
  it('is reported: every reason and event', () => {
    expect([...READY_REASONS, ...Object.keys(EVENTS)].filter((reason) => !isReported(reason))).toEqual([]);
  });

  it('is set: every metric', () => {
    const operator = metricsOf(new OperatorMetrics(new Registry()));
    const webhook = metricsOf(new WebhookMetrics(new Registry()));
    expect([operator.length, webhook.length].every((count) => count > 5)).toBe(true);
    expect([...operator, ...webhook].filter((name) => !isSet(name))).toEqual([]);
  });

  it('is read: every flag', () => {
    const operator = (argv: readonly string[]): unknown =>
      parseOperatorCommand(argv, { VAULT_TOKEN: 't' }, RULES);
    const files = ['--tls-cert-file=crt', '--tls-key-file=key'];
    const webhook = (argv: readonly string[]): unknown => parseWebhookCommand([...files, ...argv], {}, RULES);
    expect(ignored(operatorFlags(AUTH_METHODS), operator)).toEqual([]);
    expect(ignored(WEBHOOK_FLAGS, webhook)).toEqual([]);
  });

  it('is read: every environment variable', () => {
    const ours = ENVIRONMENT_VARIABLES.filter(({ library }) => library !== true);
    const ofMethods = AUTH_METHODS.flatMap(({ variables }) => variables);
    expect([...ours, ...ofMethods].map(({ name }) => name).filter((name) => !isRead(name))).toEqual([]);
  });

  it('is seen to be forgotten', () => {
    expect([isReported('NoSuchReason'), isSet('noSuchMetric'), isRead('NO_SUCH_VARIABLE')]).toEqual([
      false,
      false,
      false,
    ]);
    const flags = [...WEBHOOK_FLAGS, { name: 'no-such-flag', description: '' }];
    expect(ignored(flags, () => 'always the same')).toHaveLength(flags.length);
  });
});
