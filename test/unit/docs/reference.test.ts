import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { REFERENCE_FILE, renderReference } from '../../../scripts/reference/reference.js';
import { plain, table } from '../../../scripts/reference/markdown.js';
import { READY_REASONS } from '../../../src/api/reasons.js';
import { operatorFlags } from '../../../src/config/operator-config.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

describe('the reference', () => {
  it('is current; if not, run `npm run reference`', async () => {
    expect(readFileSync(REFERENCE_FILE, 'utf8')).toBe(await renderReference());
  });

  it('has what the programs declare', async () => {
    const text = await renderReference();
    const names = [
      ...operatorFlags(AUTH_METHODS).map(({ name }) => `--${name}`),
      ...AUTH_METHODS.flatMap(({ name, variables }) => [name, ...variables.map((variable) => variable.name)]),
      ...READY_REASONS,
      'SecretKept',
      'DeletionFailed',
      'kms_vault_operator_resource_ready',
      'kms_vault_webhook_admission_total',
      'spec.secrets[].encryptedSecret',
      'delete.k8s.patoarvizu.dev',
    ];
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
  });

  it('keeps text in its cell, and plain text plain', () => {
    expect(table(['a'], [['x|y\n  z']])).toBe('| a |\n| --- |\n| x\\|y z |');
    expect(plain('*, ** and <name>')).toBe('\\*, \\*\\* and \\<name>');
  });
});
