import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { E2eServers } from './servers.js';
import { v2 } from './suite-run.js';

const FLAG = '--required-context=namespace={{namespace}},name={{name}}';

let servers: E2eServers;

beforeAll(async () => {
  servers = await E2eServers.prepare();
}, 120_000);

afterAll(async () => {
  await (servers as E2eServers | undefined)?.cleanUp();
}, 60_000);

/** A resource with one value, which is encrypted with a context and brings it along. */
async function apply(name: string, value: string, secretContext: Record<string, string>): Promise<string> {
  // The operator's token may write metadata at this path only.
  const path = `${servers.v2}/data/described`;
  const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt(value, secretContext), secretContext }];
  await servers.kube.apply(servers.secret(name, { path, kvSettings: v2, secrets }));
  return path;
}

describe('required contexts and provenance', () => {
  it('let a copied ciphertext through in the mode audit, with an event, and refuse it otherwise', async () => {
    const { namespace, vault } = servers;
    const victim = { namespace: 'somewhere-else', name: 'victim' };
    const auditing = await servers.startOperator([FLAG, '--required-context-mode=audit']);
    const path = await apply('copied', 'value-of-the-victim', victim);
    await servers.inVault(path, { a: 'value-of-the-victim' });
    await servers.reason('copied', 'Synced');
    expect((await servers.event('copied', 'ContextNotAllowed')).message).toContain(
      `has namespace=somewhere-else instead of namespace=${namespace}`,
    );
    expect(await servers.metric(auditing, 'kms_vault_operator_context_violations_total')).toBe(1);
    await auditing.stop();

    await vault.write(path.replace('/data/', '/metadata/'), { custom_metadata: { theirs: 'x' } });
    await servers.startOperator([FLAG, '--provenance']);
    await servers.reason('copied', 'ContextNotAllowed');
    await apply('copied', 'next-value-of-the-victim', victim);
    await servers.reason('copied', 'ContextNotAllowed');
    await servers.inVault(path, { a: 'value-of-the-victim' });

    await apply('copied', 'value-of-its-own', { namespace, name: 'copied' });
    await servers.reason('copied', 'Synced');
    await servers.inVault(path, { a: 'value-of-its-own' });
    const { metadata } = await servers.get('copied');
    expect((await vault.read(path.replace('/data/', '/metadata/')))?.custom_metadata).toEqual({
      theirs: 'x',
      'managed-by': 'kms-vault-operator',
      resource: `${namespace}/copied`,
      generation: String(metadata.generation),
    });
  }, 120_000);
});
