import { afterEach, beforeEach } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { OperatorFixture } from '../support/operator-fixture.js';

export let fixture: OperatorFixture;
export const v1 = { engineVersion: 'v1' };
export const v2 = { engineVersion: 'v2' };

/** Applies a secret of one key, `a`, and gives its path in Vault. */
export async function apply(
  name: string,
  value: string,
  kvSettings: Json = v2,
  metadata: Json = {},
): Promise<string> {
  const path = kvSettings === v1 ? `kv/${name}` : `secret/data/${name}`;
  const secrets = [{ key: 'a', encryptedSecret: fixture.encrypt(value) }];
  await fixture.kube.apply(fixture.secret(name, { path, kvSettings, secrets }, metadata));
  return path;
}

/** A new operator and new servers for each test, with a period of 2 seconds; to be called once in a file. */
export function useOperator(): void {
  beforeEach(async () => {
    fixture = await OperatorFixture.prepare();
    await fixture.start(['--sync-period-seconds=2', '--shutdown-grace-seconds=5']);
  });

  afterEach(async () => {
    await fixture.close();
  });
}
