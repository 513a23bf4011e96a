import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

const FINALIZER = { finalizers: ['delete.k8s.patoarvizu.dev'] };
const PERIOD = ['--sync-period-seconds=0'];
const ENGINES = [
  ['v1', 'kv/app'],
  ['v2', 'secret/data/app'],
] as const;
const CASES = ENGINES.flatMap(([engineVersion, path]) =>
  [
    ['without the finalizer', {}],
    ['with the finalizer', FINALIZER],
  ].map(([how, metadata]) => [engineVersion, how as string, path, metadata as Json] as const),
);

let fixture: OperatorFixture;

beforeEach(async () => {
  fixture = await OperatorFixture.prepare();
});

afterEach(async () => {
  await fixture.close();
});

/**
 * Of two resources of one second the first by name owns the path: `app` comes before `renamed`.
 */
async function apply(name: string, engineVersion: string, path: string, metadata: Json): Promise<void> {
  const secrets = [{ key: 'a', encryptedSecret: fixture.encrypt('kept') }];
  await fixture.kube.apply(fixture.secret(name, { path, kvSettings: { engineVersion }, secrets }, metadata));
}

/** What was asked of Vault that would take the value away, or store another one. */
function losses(): string[] {
  const isValue = (body: string): boolean => body.includes('"a":"kept"');
  return fixture.servers.vault.requests.all
    .filter(
      ({ url, headers }) => headers['x-vault-token'] === fixture.token && /\/v1\/(kv|secret)\//.test(url),
    )
    .filter(({ method, body }) => method !== 'GET' && !isValue(body))
    .map(({ method, url }) => `${method} ${url}`);
}

async function gone(name: string): Promise<void> {
  await eventually(`${name} is gone`, async () => (await fixture.get(name)) === undefined);
}

describe('a resource that gets another name', () => {
  it.each(CASES)(
    'hands its path on %s over, %s: the value is never away',
    async (engine, _, path, metadata) => {
      await fixture.start(PERIOD);
      await apply('app', engine, path, metadata);
      await fixture.reason('app', 'Synced');
      await apply('renamed', engine, path, metadata);
      await fixture.reason('renamed', 'PathConflict');
      await fixture.kube.delete('KMSVaultSecret', 'default', 'app');
      await fixture.reason('renamed', 'Synced');
      await gone('app');
      expect(losses()).toEqual([]);
      await fixture.inVault(path, { a: 'kept' });
    },
  );

  it.each(CASES)(
    'hands its path on %s over, %s, while the operator is away',
    async (engine, _, path, metadata) => {
      await fixture.start(PERIOD);
      await apply('app', engine, path, metadata);
      await fixture.reason('app', 'Synced');
      await fixture.stop();
      await fixture.kube.delete('KMSVaultSecret', 'default', 'app');
      await apply('renamed', engine, path, metadata);
      await fixture.start(PERIOD);
      await fixture.reason('renamed', 'Synced');
      await gone('app');
      expect(losses()).toEqual([]);
      await fixture.inVault(path, { a: 'kept' });
    },
  );
});
