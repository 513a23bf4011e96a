import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { AUTH_METHOD_CASES } from './auth-method-cases.js';
import { E2eServers } from './servers.js';

let servers: E2eServers;
/** What undoes the preparation of the methods. */
const undo: (() => Promise<void>)[] = [];

beforeAll(async () => {
  servers = await E2eServers.prepare({ vaultTls: true });
}, 120_000);

afterAll(async () => {
  const prepared = servers as E2eServers | undefined;
  if (prepared === undefined) return;
  for (const step of undo.splice(0)) await step();
  await prepared.cleanUp();
}, 60_000);

const enabled = new Map<string, Promise<Record<string, string> | string>>();

/** Enables a method once. */
async function environmentOf(method: string): Promise<Record<string, string> | string> {
  const prepare = AUTH_METHOD_CASES[method];
  if (prepare === undefined) throw new Error(`test/e2e/auth-method-cases.ts has no case ${method}`);
  const environment = enabled.get(method) ?? prepare(servers, (step) => undo.push(step));
  enabled.set(method, environment);
  return await environment;
}

describe('--vault-authentication-method', () => {
  it.each(AUTH_METHODS)(
    '$name logs in, syncs, and gives its token back',
    async ({ name: method, variables }) => {
      const env = await environmentOf(method);
      if (typeof env === 'string') {
        // On loopback nothing may be missing.
        expect({ method, skipped: env, external: process.env.E2E_KUBECONFIG !== undefined }).toMatchObject({
          external: true,
        });
        process.stderr.write(`${method}: skipped: ${env}\n`);
        return;
      }
      const operator = await servers.startOperator([`--vault-authentication-method=${method}`], {
        VAULT_TOKEN: '',
        ...env,
      });
      const path = `${servers.v2}/data/by-${method}`;
      const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt(`written-by-${method}`) }];
      await servers.kube.apply(
        servers.secret(`by-${method}`, { path, kvSettings: { engineVersion: 'v2' }, secrets }),
      );
      await servers.inVault(path, { a: `written-by-${method}` });
      await servers.reason(`by-${method}`, 'Synced');
      expect(await servers.metric(operator, 'kms_vault_operator_vault_logins_total')).toBe(1);
      expect(await operator.stop()).toBe(0);
      await servers.kube.delete('KMSVaultSecret', servers.namespace, `by-${method}`);
      for (const { name, secret } of variables) {
        const value = secret === true ? env[name] : undefined;
        if (value !== undefined)
          expect({ name, shown: operator.output.includes(value) }).toEqual({ name, shown: false });
      }
    },
    60_000,
  );

  it('k8s says what Vault refuses, and goes on once there is a token for the right audience', async () => {
    const env = await environmentOf('k8s');
    if (typeof env === 'string') throw new Error('k8s is offered everywhere');
    const file = join(servers.directory, 'other-jwt');
    const jwt = await servers.kube.serviceAccountToken(servers.namespace, 'operator');
    writeFileSync(file, jwt);
    const path = `${servers.v2}/data/by-audience`;
    const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('for-this-audience') }];
    await servers.kube.apply(
      servers.secret('by-audience', { path, kvSettings: { engineVersion: 'v2' }, secrets }),
    );
    const operator = servers.spawnOperator(['--vault-authentication-method=k8s'], {
      VAULT_TOKEN: '',
      ...env,
      VAULT_K8S_TOKEN_PATH: file,
    });
    const { message } = await servers.reason('by-audience', 'VaultUnavailable');
    expect(message).toContain('invalid audience (aud) claim; the token is for another audience');
    expect(operator.output).toContain('invalid audience (aud) claim');
    expect(operator.output.includes(jwt)).toBe(false);
    writeFileSync(
      file,
      await servers.kube.serviceAccountToken(servers.namespace, 'operator', { audience: 'vault' }),
    );
    await servers.inVault(path, { a: 'for-this-audience' });
    await servers.reason('by-audience', 'Synced');
    expect(await operator.stop()).toBe(0);
    await servers.kube.delete('KMSVaultSecret', servers.namespace, 'by-audience');
  }, 60_000);
});
