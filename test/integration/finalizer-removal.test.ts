import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

let fixture: OperatorFixture;

beforeAll(async () => {
  fixture = await OperatorFixture.prepare();
});

afterEach(async () => {
  await fixture.stop();
});

afterAll(async () => {
  await fixture.close();
});

async function synced(name: string, path: string, engineVersion: 'v1' | 'v2'): Promise<void> {
  const secrets = [{ key: 'a', encryptedSecret: fixture.encrypt('ours') }];
  const spec = { path, kvSettings: { engineVersion }, secrets };
  await fixture.kube.apply(fixture.secret(name, spec, { finalizers: ['delete.k8s.patoarvizu.dev'] }));
  await fixture.start();
  await fixture.reason(name, 'Synced', 30_000);
}

const gone = async (name: string): Promise<void> => {
  await eventually(`${name} is gone`, async () => (await fixture.get(name)) === undefined, 60_000);
};

const messages = async (name: string, reason: string): Promise<string> =>
  (await fixture.kube.events('default', name))
    .filter((event: Json) => event.reason === reason)
    .map((event: Json) => String(event.message))
    .join('\n');

describe('a finalizer', () => {
  it('keeps a v2 secret that was re-created with more versions than Vault keeps', async () => {
    const path = 'secret/data/anew';
    await synced('anew', path, 'v2');
    await fixture.stop();
    await fixture.vault.delete('secret/metadata/anew');
    for (let version = 1; version <= 11; version += 1)
      await fixture.vault.write(path, { data: { theirs: String(version) } });
    expect((await fixture.vault.send('GET', `${path}?version=1`)).status).toBe(404);
    await fixture.kube.delete('KMSVaultSecret', 'default', 'anew');
    await fixture.start();
    await gone('anew');
    expect(await fixture.vault.read(path)).toEqual({ theirs: '11' });
    expect(await messages('anew', 'SecretKept')).toContain('vault kv metadata delete secret/anew');
  }, 120_000);

  it('keeps what another client writes on v1 after a removal whose answer was lost', async () => {
    await synced('lost', 'kv/lost', 'v1');
    const mend = fixture.servers.vault.faults.inject({
      matches: ({ method, url }) => method === 'DELETE' && url.includes('/kv/lost'),
      action: { kind: 'serve-then-reset' },
    });
    await fixture.kube.delete('KMSVaultSecret', 'default', 'lost');
    await fixture.event('lost', 'DeletionFailed');
    await fixture.vault.write('kv/lost', { theirs: 'precious' });
    mend();
    await gone('lost');
    expect(await fixture.vault.read('kv/lost')).toEqual({ theirs: 'precious' });
    expect(await messages('lost', 'SecretKept')).toContain('vault delete kv/lost');
  }, 120_000);
});
