import { describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { type SuiteRun, v2 } from './suite-run.js';

/** The API server on loopback knows no server-side apply. */
const onServers = process.env.E2E_KUBECONFIG === undefined ? it.skip : it;
const COLLECTION = '/apis/k8s.patoarvizu.dev/v1alpha1/namespaces';
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

/** What Argo CD and Flux see of a resource that they apply again and again. */
export function gitopsSuite(run: SuiteRun): void {
  describe('a tool that applies a resource again (server-side apply: skipped on loopback)', () => {
    onServers('changes nothing, because the operator owns nothing but the status', async () => {
      const { servers } = run;
      const url = `${COLLECTION}/${servers.namespace}/kmsvaultsecrets/applied`;
      const manifest = servers.secret('applied', {
        path: `${servers.v2}/data/applied`,
        kvSettings: v2,
        secrets: [{ key: 'a', encryptedSecret: await servers.encrypt('applied-value') }],
        includeSecrets: [],
      });
      const apply = async (options = ''): Promise<Json> => {
        const query = `?fieldManager=gitops-tool&force=true${options}`;
        const { status, json } = await servers.kube.send('PATCH', `${url}${query}`, manifest, APPLY);
        expect([200, 201]).toContain(status);
        return json;
      };
      await apply();
      await servers.reason('applied', 'Synced');
      const synced = (await servers.kube.send('GET', url)).json;
      const others = synced.metadata.managedFields.filter(({ manager }: Json) => manager !== 'gitops-tool');
      expect(others.length).toBeGreaterThan(0);
      for (const { subresource, fieldsV1 } of others)
        expect({ subresource, fields: Object.keys(fieldsV1 as object) }).toEqual({
          subresource: 'status',
          fields: ['f:status'],
        });
      // As the tools look for a difference, and as they sync.
      for (const options of ['&dryRun=All', '']) {
        const { metadata, spec } = await apply(options);
        expect({ version: metadata.resourceVersion, spec }).toEqual({
          version: synced.metadata.resourceVersion,
          spec: manifest['spec'],
        });
      }
    });
  });
}
