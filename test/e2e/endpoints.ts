import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { DEMO_ACCESS_KEY } from '../servers/kms/demo-key.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { startStsServer } from '../servers/vault/sts.js';
import { startLoopbackFixture } from '../support/loopback-fixture.js';

/** Where the suite runs: addresses and credentials, from `E2E_*` or from servers on loopback. */
export interface Endpoints {
  readonly kubeconfig: string;
  readonly vault: {
    readonly address: string;
    readonly token: string;
    readonly caFile?: string;
    readonly namespace?: string;
  };
  readonly kms: { readonly endpoint: string; readonly keyId?: string };
  readonly aws: Readonly<Record<string, string>>;
  /** Where the API server reaches a webhook of this run; undefined when nothing says so. */
  readonly webhook?: { readonly host: string; readonly bind: string };
  /** STS as Vault and this suite reach it, for the login by `iam`. */
  readonly sts?: string;
  close(): Promise<void>;
}

/** @param options.vaultTls whether the Vault on loopback is https, as those outside mostly are. */
export async function endpoints(
  env: NodeJS.ProcessEnv,
  options: { readonly vaultTls?: boolean } = {},
): Promise<Endpoints> {
  return env.E2E_KUBECONFIG === undefined ? await loopback(options.vaultTls === true) : external(env);
}

async function loopback(isVaultTls: boolean): Promise<Endpoints> {
  const authority = await TestAuthority.create();
  const fixture = await startLoopbackFixture({
    pathPrefix: '/clusters/root:e2e',
    ...(isVaultTls ? { vaultTls: await authority.issue() } : {}),
  });
  const folder = mkdtempSync(join(tmpdir(), 'kms-vault-operator-ca-'));
  const caFile = join(folder, 'ca.crt');
  writeFileSync(caFile, authority.cert);
  const { accessKeyId, secretAccessKey: secret } = DEMO_ACCESS_KEY;
  const sts = await startStsServer({
    principals: { [accessKeyId]: { secret, arn: 'arn:aws:iam::111122223333:user/operator' } },
  });
  return {
    kubeconfig: fixture.kubernetes.adminKubeconfig(),
    vault: {
      address: fixture.vault.url,
      token: fixture.vault.rootToken,
      ...(isVaultTls ? { caFile } : {}),
    },
    kms: { endpoint: fixture.kms.url },
    aws: fixture.awsEnvironment,
    webhook: { host: '127.0.0.1', bind: '127.0.0.1:0' },
    sts: sts.url,
    close: async () => {
      await Promise.all([fixture.close(), sts.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function external(env: NodeJS.ProcessEnv): Endpoints {
  const need = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === '')
      throw new Error(`${name} is missing: E2E_KUBECONFIG is set, so the other servers must be named too`);
    return value;
  };
  const aws = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      name.startsWith('AWS_') && value !== undefined ? [[name, value]] : [],
    ),
  );
  return {
    kubeconfig: readFileSync(need('E2E_KUBECONFIG'), 'utf8'),
    vault: {
      address: need('E2E_VAULT_ADDR'),
      token: need('E2E_VAULT_TOKEN'),
      ...(env.E2E_VAULT_CACERT ? { caFile: env.E2E_VAULT_CACERT } : {}),
      ...(env.E2E_VAULT_NAMESPACE ? { namespace: env.E2E_VAULT_NAMESPACE } : {}),
    },
    kms: { endpoint: need('E2E_KMS_ENDPOINT'), ...(env.E2E_KMS_KEY_ID ? { keyId: env.E2E_KMS_KEY_ID } : {}) },
    aws: { AWS_REGION: 'us-east-1', ...aws },
    ...(env.E2E_STS_ENDPOINT ? { sts: env.E2E_STS_ENDPOINT } : {}),
    ...(env.E2E_WEBHOOK_HOST
      ? { webhook: { host: env.E2E_WEBHOOK_HOST, bind: env.E2E_WEBHOOK_BIND || '0.0.0.0:0' } }
      : {}),
    close: () => Promise.resolve(),
  };
}
