import { describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';

import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { textOf } from '../../src/vault/secret-data.js';
import type { FaultAction } from '../servers/shared/faults.js';
import type { VaultFixture } from './vault-fixture.js';
import { CANARY, fixtureOf, READ, useLogins, vault } from './vault-login-fixture.js';

useLogins();

describe('secrecy', () => {
  const echo = JSON.stringify({ errors: [`failed: ${CANARY}`], auth: CANARY, data: CANARY });
  const faults: readonly [string, FaultAction][] = [
    ['is refused with an echo', { kind: 'answer', status: 400, body: echo }],
    [
      'is refused with an echo behind a known text',
      { kind: 'answer', status: 400, body: JSON.stringify({ errors: [`invalid secret_id "${CANARY}"`] }) },
    ],
    ['is forbidden with an echo', { kind: 'answer', status: 403, body: echo }],
    ['is not found with an echo', { kind: 'answer', status: 404, body: echo }],
    ['fails with an echo', { kind: 'answer', status: 500, body: echo }],
    ['is answered with an unexpected object', { kind: 'answer', status: 200, body: echo }],
    [
      'is answered with broken JSON',
      { kind: 'answer', status: 200, body: `{"auth":{"client_token":"${CANARY}"` },
    ],
    ['is answered with a page of HTML', { kind: 'answer', status: 200, body: `<html>${CANARY}</html>` }],
    [
      'is answered with a token that has a line break',
      { kind: 'answer', status: 200, body: `{"auth":{"client_token":"${CANARY}\\n"}}` },
    ],
    ['is redirected away', { kind: 'answer', status: 307, headers: { location: `ftp://${CANARY}/` } }],
    ['is reset', { kind: 'reset' }],
    ['is not answered', { kind: 'hang' }],
  ];

  const timeoutFor = ({ kind }: FaultAction): number => (kind === 'hang' ? 1_000 : 10_000);

  /** Everything that leaves the module: errors with all they hold, logs, metrics. */
  async function shown(fixture: VaultFixture, errors: readonly Error[]): Promise<string> {
    const everything = errors.map(
      (error) => inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error),
    );
    const metrics = await fixture.registry.metrics();
    return [...everything, inspect(fixture.logger.entries, { depth: 20 }), metrics].join('\n');
  }

  it.each(AUTH_METHODS.flatMap(({ name }) => faults.map(([what, action]) => [name, what, action] as const)))(
    'shows no credential when the login of %s %s',
    async (name, _what, action) => {
      vault.faults.inject({ matches: () => true, action });
      const fixture = fixtureOf(name, {}, { timeoutMs: timeoutFor(action) });
      // A 403 may also come back as the answer: the token lives, the permission is missing.
      const [outcome] = await Promise.allSettled([fixture.session.request(READ)]);
      const errors = outcome.status === 'rejected' ? [outcome.reason as Error] : [];
      expect(outcome.status === 'rejected' || outcome.value.status === 403).toBe(true);
      expect(await shown(fixture, errors)).not.toContain(CANARY);
    },
  );

  it.each(faults)('shows no value when a request for a secret %s', async (_what, action) => {
    const fixture = fixtureOf('token', {}, { timeoutMs: timeoutFor(action) });
    const v1 = await fixture.store.open('kv/app', 'v1');
    const v2 = await fixture.store.open('kv2/data/app', 'v2');
    vault.faults.inject({ matches: () => true, action });
    const data = new Map([['a', textOf(CANARY)]]);
    const attempts = [
      v1.read(),
      v1.write(data, undefined),
      v1.remove(),
      v2.read(),
      v2.write(data, 0),
      v2.remove(),
    ];
    const outcomes = await Promise.allSettled([...attempts, fixture.store.open('new/app', 'v1')]);
    const errors = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as Error] : [],
    );
    expect(errors.length).toBeGreaterThan(2);
    expect(errors.every((error) => error.name === 'VaultError')).toBe(true);
    expect(await shown(fixture, errors)).not.toContain(CANARY);
  });
});
