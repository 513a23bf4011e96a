import type { Json, JsonAnswer } from '../support/http-json.js';
import { type Manifest, manifestsIn } from '../support/kube-api.js';
import { eventually } from '../support/wait.js';
import type { E2eServers } from './servers.js';

/** Elsewhere than on loopback somebody must say where the API server reaches this machine. */
export const REACHABLE = process.env.E2E_KUBECONFIG === undefined || Boolean(process.env.E2E_WEBHOOK_HOST);

/** The shipped configuration, for this run's namespace and webhook alone. */
export async function configureWebhook(
  { kube, namespace, runId }: E2eServers,
  clientConfig: Json,
  more: Json = {},
): Promise<void> {
  const [shipped] = manifestsIn('manifests/webhook/validating-webhook-configuration.yaml');
  if (shipped === undefined) throw new Error('no ValidatingWebhookConfiguration in manifests');
  const webhooks = shipped.webhooks.map((entry: Json) => ({
    ...entry,
    clientConfig,
    namespaceSelector: {
      ...entry.namespaceSelector,
      matchLabels: { 'kubernetes.io/metadata.name': namespace },
    },
    ...more,
  }));
  await kube.delete('ValidatingWebhookConfiguration', '', runId);
  await kube.apply({ ...shipped, metadata: { name: runId }, webhooks });
}

/** Creates an object in this run's namespace. @param query such as `?dryRun=All`. */
export async function postTo(
  { kube, namespace }: E2eServers,
  manifest: Manifest,
  query = '',
): Promise<JsonAnswer> {
  const plural = `${manifest.kind.toLowerCase()}s`;
  const path = `/apis/${manifest.apiVersion}/namespaces/${namespace}/${plural}${query}`;
  return await kube.send('POST', path, manifest);
}

/** Waits until the API server refuses an object: it learns of webhooks and policies a moment after they are stored. */
export async function refusalInForce(
  servers: E2eServers,
  manifest: Manifest,
  message: RegExp,
): Promise<void> {
  await eventually(`the API server answers ${String(message)}`, async () => {
    const { status, json } = await postTo(servers, manifest, '?dryRun=All');
    return status >= 400 && message.test(String(json?.message));
  });
}
