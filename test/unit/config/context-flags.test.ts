import { describe, expect, it } from '@jest/globals';

import type { RequiredContexts } from '../../../src/config/config.js';
import { parseOperatorCommand } from '../../../src/config/operator-config.js';
import { parseWebhookCommand } from '../../../src/config/webhook-config.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

const RULES = {
  authMethods: AUTH_METHODS,
  patternProblem: () => undefined,
  build: { version: '1', commit: 'a' },
};

interface Parsed {
  readonly contexts?: RequiredContexts | undefined;
  readonly warnings?: readonly string[];
  readonly text?: string;
}

function operator(...argv: string[]): Parsed {
  const command = parseOperatorCommand(argv, { VAULT_TOKEN: 't' }, RULES);
  if (command.action !== 'run') return { text: command.text };
  return { contexts: command.config.requiredContexts, warnings: command.config.warnings };
}

function webhook(...argv: string[]): Parsed {
  const command = parseWebhookCommand(['-tls-cert-file=a', '-tls-key-file=b', ...argv], {}, RULES);
  if (command.action !== 'run') return { text: command.text };
  return { contexts: command.config.requiredContexts, warnings: command.config.warnings };
}

const PAIRS = 'namespace={{namespace}},name={{name}},at={{path}},env=a=b';

describe.each([
  ['the operator', operator],
  ['the webhook', webhook],
])('the flags of required contexts of %s', (_program, parse) => {
  it.each(['-', '--'])('are read with %s, and enforce unless they say otherwise', (dashes) => {
    expect(parse(`${dashes}required-context=${PAIRS}`)).toEqual({
      contexts: {
        mode: 'enforce',
        own: [
          { name: 'namespace', value: '{{namespace}}' },
          { name: 'name', value: '{{name}}' },
          { name: 'at', value: '{{path}}' },
          { name: 'env', value: 'a=b' },
        ],
        partial: [
          { name: 'namespace', value: '{{namespace}}' },
          { name: 'env', value: 'a=b' },
        ],
        exemptNamespaces: [],
      },
      warnings: [],
    });
  });

  it('take a mode, exempt namespaces, and what partials need', () => {
    const { contexts } = parse(
      '--required-context=a={{name}}',
      '--required-partial-context=p={{namespace}}',
      '--required-context-mode=audit',
      '--required-context-exempt=kube-system, tools,tools',
    );
    expect(contexts).toEqual({
      mode: 'audit',
      own: [{ name: 'a', value: '{{name}}' }],
      partial: [{ name: 'p', value: '{{namespace}}' }],
      exemptNamespaces: ['kube-system', 'tools'],
    });
  });

  it('require nothing when they are absent', () => {
    expect(parse()).toEqual({ contexts: undefined, warnings: [] });
  });

  it.each([
    [
      '--required-context=a={{nmae}}',
      /pair "a=\{\{nmae\}\}" has an unknown placeholder; known: \{\{namespace\}\}/,
    ],
    ['--required-context=a={{ name }}', /unknown placeholder/],
    ['--required-context=a={{name', /unknown placeholder/],
    ['--required-context={{name}}=a', /placeholder in its name/],
    ['--required-context=a', /is not name=value/],
    ['--required-context==a', /is not name=value/],
    ['--required-context=a=', /is not name=value/],
    ['--required-context=a = b', /blanks beside the =/],
    ['--required-context=a=1,a=2', /pair "a=2" has a name that another pair has/],
    ['--required-context=', /--required-context is empty/],
    ['--required-partial-context=,', /--required-partial-context is empty/],
    ['--required-partial-context=a={{name}}', /cannot be required of partials.*only \{\{namespace\}\}/],
    ['--required-partial-context=a={{path}}', /cannot be required of partials/],
    ['--required-context-mode=audit', /--required-context-mode has no effect without --required-context/],
    ['--required-context-exempt=a', /--required-context-exempt has no effect without --required-context/],
    ['--required-context-mode=warn', /--required-context-mode must be one of audit, enforce/],
    ['--required-context-exempt=A_b', /"A_b" is not a valid name of a namespace/],
    ['--required-context-exempt=', /contains no namespace/],
  ])('are refused with one clear line: %s', (flag, line) => {
    const { text = '' } = parse(flag);
    expect(text).toMatch(line);
    expect(parse('--required-context=x=y', flag).text ?? text).toMatch(line);
  });

  it('warn of a fence that has a gap', () => {
    expect(parse('--required-context=a={{name}}').warnings).toEqual([
      expect.stringContaining('set --required-partial-context'),
    ]);
    expect(parse('--required-partial-context=a=b').warnings).toEqual([
      expect.stringContaining('may be copied into a KMSVaultSecret'),
    ]);
  });
});
