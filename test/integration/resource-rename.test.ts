import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { OperatorStand } from '../support/operator-stand.js';
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

let stand: OperatorStand;

beforeEach(async () => {
  stand = await OperatorStand.prepare();
});

afterEach(async () => {
  await stand.close();
});

/**
 * Of two resources of one second the first by name owns the path: `app` comes before `renamed`.
 */
async function apply(name: string, engineVersion: string, path: string, metadata: Json): Promise<void> {
  const secrets = [{ key: 'a', encryptedSecret: stand.encrypt('kept') }];
  await stand.kube.apply(stand.secret(name, { path, kvSettings: { engineVersion }, secrets }, metadata));
}

/** What was asked of Vault that would take the value away, or store another one. */
function losses(): string[] {
  const isValue = (body: string): boolean => body.includes('"a":"kept"');
  return stand.servers.vault.requests.all
    .filter(({ url, headers }) => headers['x-vault-token'] === stand.token && /\/v1\/(kv|secret)\//.test(url))
    .filter(({ method, body }) => method !== 'GET' && !isValue(body))
    .map(({ method, url }) => `${method} ${url}`);
}

async function gone(name: string): Promise<void> {
  await eventually(`${name} is gone`, async () => (await stand.get(name)) === undefined);
}

describe('a resource that gets another name', () => {
  it.each(CASES)(
    'hands its path on %s over, %s: the value is never away',
    async (engine, _, path, metadata) => {
      await stand.start(PERIOD);
      await apply('app', engine, path, metadata);
      await stand.reason('app', 'Synced');
      await apply('renamed', engine, path, metadata);
      await stand.reason('renamed', 'PathConflict');
      await stand.kube.delete('KMSVaultSecret', 'default', 'app');
      await stand.reason('renamed', 'Synced');
      await gone('app');
      expect(losses()).toEqual([]);
      await stand.inVault(path, { a: 'kept' });
    },
  );

  it.each(CASES)(
    'hands its path on %s over, %s, while the operator is away',
    async (engine, _, path, metadata) => {
      await stand.start(PERIOD);
      await apply('app', engine, path, metadata);
      await stand.reason('app', 'Synced');
      await stand.stop();
      await stand.kube.delete('KMSVaultSecret', 'default', 'app');
      await apply('renamed', engine, path, metadata);
      await stand.start(PERIOD);
      await stand.reason('renamed', 'Synced');
      await gone('app');
      expect(losses()).toEqual([]);
      await stand.inVault(path, { a: 'kept' });
    },
  );
});
