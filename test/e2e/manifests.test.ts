import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';

import type { Json } from '../support/http-json.js';
import type { Manifest } from '../support/kube-api.js';
import { E2eServers } from './servers.js';

const HAS_KUBECTL = spawnSync('kubectl', ['version', '--client']).status === 0;
const ON_LOOPBACK = process.env.E2E_KUBECONFIG === undefined;
const OVERLAYS = readdirSync('kustomize/overlays');
/** Kinds of other products; skipped where they are not installed. */
const OTHERS = new Set(['cert-manager.io', 'monitoring.coreos.com']);

let servers: E2eServers;

beforeAll(async () => {
  servers = await E2eServers.prepare();
}, 120_000);

afterAll(async () => {
  await (servers as E2eServers | undefined)?.cleanUp();
}, 60_000);

function rendered(overlay: string): Manifest[] {
  const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', `kustomize/overlays/${overlay}`], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
}

/** Where the server takes objects of a kind; undefined where it does not have it. */
async function resourceOf({ apiVersion, kind }: Manifest): Promise<Json> {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { status, json } = await servers.kube.send('GET', root);
  if (status !== 200) return undefined;
  const found = json.resources.find((entry: Json) => entry.kind === kind && !entry.name.includes('/'));
  return found === undefined ? undefined : { ...found, root };
}

(HAS_KUBECTL ? describe : describe.skip)('kustomize/overlays on this server', () => {
  it.each(OVERLAYS)('%s: the server takes every object, and knows every field', async (overlay) => {
    const missing = new Set<string>();
    const objects = rendered(overlay);
    expect(objects.length).toBeGreaterThan(10);
    for (const object of objects) {
      const { apiVersion, kind, metadata } = object;
      const resource = await resourceOf(object);
      if (resource === undefined) {
        missing.add(`${apiVersion} ${kind}`);
        continue;
      }
      // CRDs are the run's own; the name of a CRD cannot be another.
      if (kind === 'CustomResourceDefinition') continue;
      const place = resource.namespaced ? `/namespaces/${servers.namespace}` : '';
      const name = `${servers.runId}-${metadata.name}`.slice(0, 63);
      const body = {
        ...object,
        metadata: { ...metadata, name, ...(resource.namespaced ? { namespace: servers.namespace } : {}) },
      };
      const answer = await servers.kube.send(
        'POST',
        `${String(resource.root)}${place}/${String(resource.name)}?dryRun=All&fieldValidation=Strict`,
        body,
      );
      const got = {
        object: `${kind} ${metadata.name}`,
        status: answer.status,
        message: answer.json?.message,
      };
      expect(got).toEqual({ ...got, status: 201 });
    }
    const builtIn = [...missing].filter((kind) => !OTHERS.has(kind.split('/')[0] ?? ''));
    if (ON_LOOPBACK) expect(builtIn).toEqual([]);
    if (missing.size > 0)
      process.stderr.write(`${overlay}: not on this server: ${[...missing].join(', ')}\n`);
  });
});
