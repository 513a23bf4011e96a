import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

import {
  installInCluster,
  installInVault,
  operatorKubeToken,
  operatorVaultToken,
} from '../../test/support/installation.js';
import { KubeApi } from '../../test/support/kube-api.js';
import { type LoopbackFixture, startLoopbackFixture } from '../../test/support/loopback-fixture.js';
import { VaultApi } from '../../test/support/vault-api.js';

/** The samples, each after those that it includes. */
export const SAMPLES = ['shared', 'web', 'billing', 'pinned'].map((name) => `manifests/samples/${name}.yaml`);

/** A cluster, a Vault and a KMS on loopback, made ready for the operator. */
export interface Playground {
  readonly fixture: LoopbackFixture;
  readonly kube: KubeApi;
  /** With the root token. */
  readonly vault: VaultApi;
  /** Everything that the operator needs: credentials with the rights of the shipped role and of a policy. */
  readonly operatorEnvironment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/**
 * Starts the three servers and applies the shipped custom resources and role, K/V engines `secret` (v2) and
 * `kv` (v1), and a policy.
 *
 * @param directory receives `kubeconfig`, for people, and `operator-kubeconfig`; emptied first.
 */
export async function startPlayground(directory: string): Promise<Playground> {
  const path = resolve(directory);
  const fixture = await startLoopbackFixture();
  const kube = new KubeApi(fixture.kubernetes.adminKubeconfig());
  const vault = new VaultApi(fixture.vault.url, fixture.vault.rootToken);
  const close = async (): Promise<void> => {
    kube.close();
    vault.close();
    await fixture.close();
  };
  try {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { recursive: true, mode: 0o700 });
    writeFileSync(`${path}/kubeconfig`, fixture.kubernetes.adminKubeconfig(), { mode: 0o600 });
    await installInCluster(kube);
    await installInVault(vault);
    const token = await operatorKubeToken(kube);
    writeFileSync(`${path}/operator-kubeconfig`, kube.kubeconfigFor(token), { mode: 0o600 });
    return {
      fixture,
      kube,
      vault,
      operatorEnvironment: {
        ...fixture.awsEnvironment,
        KUBECONFIG: `${path}/operator-kubeconfig`,
        VAULT_ADDR: fixture.vault.url,
        VAULT_TOKEN: await operatorVaultToken(vault),
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
