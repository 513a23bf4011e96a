import type { ServerOptions } from 'node:https';

import { DEMO_ACCESS_KEY, DEMO_REGION } from '../servers/kms/demo-key.js';
import { type LoopbackKms, startKmsServer } from '../servers/kms/server.js';
import { inTurn } from '../servers/kubernetes/admission.js';
import { policyAdmission } from '../servers/kubernetes/policy-admission.js';
import { type LoopbackKubernetes, startKubernetesServer } from '../servers/kubernetes/server.js';
import { webhookAdmission } from '../servers/kubernetes/webhook-admission.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';

/** The three servers that the operator talks to, on loopback. */
export interface LoopbackFixture {
  readonly kubernetes: LoopbackKubernetes;
  readonly vault: LoopbackVault;
  readonly kms: LoopbackKms;
  /** What a client of this KMS needs in its environment. */
  readonly awsEnvironment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export async function startLoopbackFixture(
  options: { readonly pathPrefix?: string; readonly vaultTls?: ServerOptions } = {},
): Promise<LoopbackFixture> {
  const { vaultTls, ...kubernetesOptions } = options;
  const [kubernetes, vault, kms] = await Promise.all([
    startKubernetesServer({ ...kubernetesOptions, admission: inTurn(policyAdmission(), webhookAdmission()) }),
    startVaultServer(vaultTls === undefined ? {} : { tls: vaultTls }),
    startKmsServer(),
  ]);
  return {
    kubernetes,
    vault,
    kms,
    awsEnvironment: {
      AWS_REGION: DEMO_REGION,
      AWS_ACCESS_KEY_ID: DEMO_ACCESS_KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: DEMO_ACCESS_KEY.secretAccessKey,
      AWS_ENDPOINT_URL_KMS: kms.url,
    },
    close: async () => {
      await Promise.all([kubernetes.stop(), vault.close(), kms.close()]);
    },
  };
}
