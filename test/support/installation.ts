import { type KubeApi, type Manifest, manifestsIn } from './kube-api.js';
import type { VaultApi } from './vault-api.js';

const CRDS = ['manifests/crds/kmsvaultsecrets.yaml', 'manifests/crds/partialkmsvaultsecrets.yaml'];
const RIGHTS = [
  'manifests/namespace.yaml',
  'manifests/rbac/service-account.yaml',
  'manifests/rbac/cluster-role.yaml',
  'manifests/rbac/cluster-role-binding.yaml',
];
const LEADER_ELECTION = [
  'manifests/rbac/leader-election-role.yaml',
  'manifests/rbac/leader-election-role-binding.yaml',
];
/** K/V mounts by name. */
const ENGINES: Readonly<Record<string, 'v1' | 'v2'>> = { kv: 'v1', secret: 'v2' };
/** The policy of {@link installInVault}. */
export const OPERATOR_POLICY = 'operator';

/** The shipped definitions of both kinds. */
export function shippedCrds(): Manifest[] {
  return manifestsIn(...CRDS);
}

/**
 * Applies what an operator needs that runs outside of the cluster: its kinds, namespace, account and role.
 *
 * @param options.crds instead of the shipped ones.
 */
export async function installInCluster(
  kube: KubeApi,
  options: { readonly crds?: readonly Manifest[]; readonly leaderElection?: boolean } = {},
): Promise<void> {
  const rights = options.leaderElection === true ? [...RIGHTS, ...LEADER_ELECTION] : RIGHTS;
  await kube.applyAll([...manifestsIn(...rights), ...(options.crds ?? shippedCrds())]);
}

/**
 * Mounts K/V engines and writes a policy that lets the operator keep their secrets.
 *
 * @param vault with the root token.
 * @param engines `kv` of v1 and `secret` of v2 when absent.
 */
export async function installInVault(vault: VaultApi, engines = ENGINES): Promise<void> {
  const mounts = Object.entries(engines);
  for (const [mount, engine] of mounts)
    await vault.write(`sys/mounts/${mount}`, { type: 'kv', options: { version: engine.slice(1) } });
  const policy = mounts
    .flatMap(([mount, engine]) =>
      engine === 'v1' ? [`${mount}/*`] : [`${mount}/data/*`, `${mount}/metadata/*`],
    )
    .map((path) => `path "${path}" { capabilities = ["create", "read", "update", "delete"] }`);
  await vault.write(`sys/policies/acl/${OPERATOR_POLICY}`, { policy: policy.join('\n') });
}

/** A token with the policy of {@link installInVault}. */
export async function operatorVaultToken(vault: VaultApi): Promise<string> {
  const created = await vault.write('auth/token/create', { policies: [OPERATOR_POLICY], period: '24h' });
  return String(created.auth.client_token);
}

/** A token of the operator's service account. */
export async function operatorKubeToken(kube: KubeApi): Promise<string> {
  return await kube.serviceAccountToken('vault', 'kms-vault-operator');
}
