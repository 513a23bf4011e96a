import { describe, expect, it } from '@jest/globals';
import type { Registry } from 'prom-client';

import { TOKENS } from '../../src/tokens.js';
import { canary } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';
import { fixture, useOperator, v1, v2 } from './running-operator.js';

useOperator();

describe('secrecy and hostile input', () => {
  it('keys of every kind and long values arrive unchanged, and a canary is in Vault only', async () => {
    const value = canary();
    const keys = [
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      '',
      '\u200b',
      'a/b',
      'ключ',
      '"quoted"\n',
    ];
    const long = 'ü'.repeat(2_048);
    const secrets = [...keys, 'long'].map((key) => ({
      key,
      encryptedSecret: fixture.encrypt(key === 'long' ? long : `${value}${key}`),
    }));
    await fixture.kube.apply(fixture.secret('hostile', { path: 'kv/hostile', kvSettings: v1, secrets }));
    await fixture.kube.apply(
      fixture.secret('hostile-two', { path: 'secret/data/hostile', kvSettings: v2, secrets }),
    );
    const expected = JSON.stringify([...keys.map((key) => [key, `${value}${key}`]), ['long', long]].sort());
    for (const read of [
      (): ReadonlyMap<string, string> | undefined => fixture.servers.vault.kvV1('kv').secrets.get('hostile'),
      (): ReadonlyMap<string, string> | undefined =>
        fixture.servers.vault.kvV2('secret').secrets.get('hostile')?.versions.get(1)?.data,
    ]) {
      const stored = await eventually('it is stored', read);
      expect(JSON.stringify([...stored].map(([key, raw]) => [key, JSON.parse(raw)]).sort())).toBe(expected);
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    await fixture.reason('hostile', 'Synced');
    const everywhere = JSON.stringify([
      fixture.logger.entries,
      await fixture.get('hostile'),
      await fixture.kube.list('Event', 'default'),
      await fixture.container.resolve<Registry>(TOKENS.registry).metrics(),
    ]);
    expect(everywhere.includes(value)).toBe(false);
    expect(everywhere.includes(fixture.token)).toBe(false);
  });

  it('10,000 keys', async () => {
    // The API server takes objects up to 1.5 MiB: the values are as short as they can be.
    const secrets = Array.from({ length: 10_000 }, (_, index) => ({
      key: `k${String(index)}`,
      emptySecret: true,
    }));
    await fixture.kube.apply(fixture.secret('many-keys', { path: 'kv/many-keys', kvSettings: v1, secrets }));
    await eventually(
      'all keys are there',
      () => fixture.servers.vault.kvV1('kv').secrets.get('many-keys')?.size === 10_000,
    );
    await fixture.reason('many-keys', 'Synced');
    expect((await fixture.get('many-keys')).status.keys).toBe('10000/10000');
  });
});
