import type { Json } from './http-json.js';
import type { KubeApi } from './kube-api.js';
import type { VaultApi } from './vault-api.js';
import { eventually } from './wait.js';

/** Waits for the `Ready` condition of a resource to show a reason for its current generation, and gives it. */
export async function readyWith(
  name: string,
  reason: string,
  get: () => Promise<Json>,
  timeoutMs?: number,
): Promise<Json> {
  return await eventually(
    `${name} is Ready or not with ${reason}`,
    async () => {
      const object = await get();
      const ready = object?.status?.conditions?.find((condition: Json) => condition.type === 'Ready');
      return ready?.reason === reason && ready.observedGeneration === object.metadata.generation
        ? ready
        : undefined;
    },
    timeoutMs,
  );
}

export async function eventOn(kube: KubeApi, namespace: string, name: string, reason: string): Promise<Json> {
  return await eventually(`event ${reason} on ${name}`, async () =>
    (await kube.events(namespace, name)).find((event) => event.reason === reason),
  );
}

/**
 * Waits until Vault holds exactly these values at a path; undefined is nothing at all.
 *
 * @throws after the deadline, with the names of the keys that are there and no value.
 */
export async function valuesInVault(
  vault: VaultApi,
  path: string,
  expected: Readonly<Record<string, string>> | undefined,
  timeoutMs?: number,
): Promise<void> {
  const sorted = (value: object | undefined): string =>
    JSON.stringify(Object.entries(value ?? { '': undefined }).sort());
  let seen: Record<string, string> | undefined;
  try {
    await eventually(
      'values',
      async () => {
        seen = await vault.read(path);
        return sorted(seen) === sorted(expected);
      },
      timeoutMs,
    );
  } catch {
    throw new Error(`${path} holds the keys [${Object.keys(seen ?? {}).join(', ')}], not what was expected`);
  }
}
