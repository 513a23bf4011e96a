import { readdirSync, readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { KubeApi, type Manifest, manifestsIn } from '../support/kube-api.js';
import { eventually } from '../support/wait.js';
import { postTo, refusalInForce } from './admission.js';
import { E2eServers } from './servers.js';
import { FINALIZER } from './suite-run.js';

const COMPONENT = 'kustomize/components/admission-policy';
const SHIPPED = manifestsIn(
  ...['paths', 'required-context', 'warnings'].map((file) => `${COMPONENT}/${file}.yaml`),
);
const SAMPLES = readdirSync('manifests/samples').map((file) => `manifests/samples/${file}`);
const PARAMETERS = 'kms-vault-operator-required-context';

/** From Kubernetes 1.30 on; the server on loopback has it. */
async function servesPolicies(): Promise<boolean> {
  const file = process.env.E2E_KUBECONFIG;
  if (file === undefined) return true;
  const kube = new KubeApi(readFileSync(file, 'utf8'));
  const { json } = await kube.send('GET', '/apis/admissionregistration.k8s.io/v1');
  kube.close();
  return json?.resources?.some(({ kind }: Json) => kind === 'ValidatingAdmissionPolicy') === true;
}

let servers: E2eServers;

const nameOf = (name: string): string => `${servers.runId}-${name.replace('kms-vault-operator-', '')}`;

/** Under a name of this run, and for its namespace alone. */
function ofThisRun(shipped: Manifest): Manifest {
  const { namespace } = servers;
  const name = nameOf(shipped.metadata.name);
  if (shipped.kind === 'ConfigMap') return { ...shipped, metadata: { ...shipped.metadata, namespace } };
  if (shipped.kind === 'ValidatingAdmissionPolicy')
    return { ...shipped, metadata: { ...shipped.metadata, name } };
  const { paramRef, matchResources, ...spec } = shipped.spec;
  const selector = matchResources?.namespaceSelector;
  const matchLabels = { 'kubernetes.io/metadata.name': namespace };
  return {
    ...shipped,
    metadata: { ...shipped.metadata, name },
    spec: {
      ...spec,
      policyName: nameOf(spec.policyName),
      ...(paramRef === undefined ? {} : { paramRef: { ...paramRef, namespace } }),
      matchResources: { namespaceSelector: { ...selector, matchLabels } },
    },
  };
}

function secret(name: string, spec: Json, metadata: Json = {}): Manifest {
  return servers.secret(
    name,
    { path: 'kv/app', kvSettings: { engineVersion: 'v1' }, secrets: [], ...spec },
    metadata,
  );
}

const withContext = (secretContext?: Json): Json => ({
  ...(secretContext === undefined ? {} : { secretContext }),
  secrets: [{ key: 'password', encryptedSecret: 'AQ==' }],
});

((await servesPolicies()) ? describe : describe.skip)(
  'kustomize/components/admission-policy on this server',
  () => {
    beforeAll(async () => {
      servers = await E2eServers.prepare();
      // Stored before the policies are there.
      await servers.kube.apply(secret('stored', { path: 'sys/stored' }, { finalizers: [FINALIZER] }));
      await servers.kube.applyAll(SHIPPED.map(ofThisRun));
      await refusalInForce(servers, secret('probe', { path: 'sys/probe' }), /-paths' denied request/);
      await eventually('the policy that warns is active', async () => {
        const doubtful = secret('probe', { kvSettings: { engineVersion: 'v1', casIndex: 1 } });
        return (await postTo(servers, doubtful, '?dryRun=All')).warnings.length > 0;
      });
    }, 120_000);

    afterAll(async () => {
      const prepared = servers as E2eServers | undefined;
      for (const { kind, metadata } of SHIPPED.toReversed())
        if (kind !== 'ConfigMap') await prepared?.kube.delete(kind, '', nameOf(metadata.name));
      await prepared?.cleanUp();
    }, 60_000);

    it('accepts the samples without a warning, as long as no context is required', async () => {
      for (const sample of manifestsIn(...SAMPLES)) {
        const metadata = { ...sample.metadata, namespace: servers.namespace };
        const { status, warnings, json } = await postTo(servers, { ...sample, metadata }, '?dryRun=All');
        const told = warnings.filter((warning) => warning.includes('ValidatingAdmissionPolicy'));
        const got = { sample: sample.metadata.name, status, told, message: json?.message };
        expect(got).toEqual({ ...got, status: 201, told: [] });
      }
    });

    it.each([
      ['a long path', `kv/${'x'.repeat(32_766)}`, 'v1', 'is longer than 32768 characters'],
      ['a URL', 'https://vault/v1/kv/app', 'v1', 'is a URL'],
      ['a control character', 'kv/a\u0007b', 'v1', 'contains a control character'],
      ['an escaped path', 'kv/%2e%2e/app', 'v1', 'contains one of % ? # \\, which are not allowed'],
      ['a backslash', 'kv\\app/x', 'v1', 'contains one of % ? # \\, which are not allowed'],
      ['a mount alone', '/kv/', 'v1', 'is empty or only a mount'],
      ['a segment ..', 'kv/../app', 'v1', 'contains a . or .. segment'],
      ['a mount of Vault itself', ' SYS /mounts', 'v1', 'lies in sys/, auth/, identity/ or cubbyhole/'],
      ['a v2 path without data/', 'secret/app', 'v2', 'lacks the data/ segment'],
    ])('refuses %s', async (_what, path, engineVersion, message) => {
      const { status, json } = await postTo(
        servers,
        secret('refused', { path, kvSettings: { engineVersion } }),
      );
      const policy = nameOf('kms-vault-operator-paths');
      expect(json.message).toContain(
        `ValidatingAdmissionPolicy '${policy}' with binding '${policy}' denied request: spec.path ${message}`,
      );
      expect({ status, reason: json.reason }).toEqual({ status: 422, reason: 'Invalid' });
      expect(await servers.get('refused')).toBeUndefined();
    });

    it('warns of casIndex on v1, and accepts it', async () => {
      const doubtful = { kvSettings: { engineVersion: 'v1', casIndex: 1 } };
      const { status, warnings } = await postTo(servers, secret('doubtful', doubtful));
      const policy = nameOf('kms-vault-operator-warnings');
      expect(warnings).toEqual([
        `Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${policy}': ` +
          'spec.kvSettings.casIndex is ignored with engineVersion v1; remove it',
      ]);
      expect(status).toBe(201);
    });

    it('refuses a partial that is included twice, whichever rule comes first', async () => {
      // The list type of the CRD is checked before the policies are.
      const { status, json } = await postTo(servers, secret('refused', { includeSecrets: ['a', 'a'] }));
      expect({ status, reason: json.reason }).toEqual({ status: 422, reason: 'Invalid' });
      expect(json.message).toContain('includeSecrets');
    });

    it('lets a stored bad resource change its metadata and lose its finalizer, but not have another bad path', async () => {
      const { kube, namespace } = servers;
      const change = async (body: object): Promise<void> => {
        await kube.patch('KMSVaultSecret', namespace, 'stored', body);
      };
      await change({ metadata: { annotations: { note: 'x' } } });
      await expect(change({ spec: { path: 'sys/other' } })).rejects.toThrow(/HTTP 422: .*lies in sys/);
      await kube.delete('KMSVaultSecret', namespace, 'stored');
      expect((await servers.get('stored')).metadata.deletionTimestamp).toBeDefined();
      await change({ metadata: { finalizers: null } });
      expect(await servers.get('stored')).toBeUndefined();
    });

    describe('with required contexts in the ConfigMap', () => {
      const RULES = {
        'required-context': 'namespace={{namespace}},name={{name}}',
        'required-partial-context': 'namespace={{namespace}}',
      };
      const policy = (): string => nameOf(PARAMETERS);

      beforeAll(async () => {
        const notFound = async (parameterNotFoundAction: string): Promise<void> => {
          await servers.kube.patch('ValidatingAdmissionPolicyBinding', '', policy(), {
            spec: { paramRef: { parameterNotFoundAction } },
          });
        };
        await servers.kube.patch('ConfigMap', servers.namespace, PARAMETERS, { data: RULES });
        await notFound('Deny');
        // After the last binding with such a parameter is removed, a kube-apiserver finds none until it is restarted
        // (seen with 1.34; kubernetes/kubernetes issue 130887).
        await eventually('the parameters are seen (if never: restart the API server before)', async () => {
          const { json } = await postTo(servers, secret('probe', withContext()), '?dryRun=All');
          return String(json.message).includes('encryption context must have');
        });
        await notFound('Allow');
      }, 60_000);

      it('refuses a ciphertext whose context lacks a pair, and names the pairs', async () => {
        const { namespace } = servers;
        for (const context of [undefined, { namespace }, { namespace, name: 'another' }]) {
          const { status, json } = await postTo(servers, secret('fenced', withContext(context)));
          expect(status).toBe(422);
          expect(json.message).toContain(
            `ValidatingAdmissionPolicy '${policy()}' with binding '${policy()}' denied request: key "password": ` +
              `its encryption context must have namespace=${namespace}, name=fenced, required by required-context`,
          );
        }
        const own = withContext({ namespace, name: 'fenced', more: 'x' });
        expect((await postTo(servers, secret('fenced', own), '?dryRun=All')).status).toBe(201);
      });

      it('asks of partials what they can have', async () => {
        const { namespace } = servers;
        const send = async (context?: Json): Promise<number> =>
          (await postTo(servers, servers.partial('shared', withContext(context)), '?dryRun=All')).status;
        expect(await send({ namespace: 'elsewhere' })).toBe(422);
        expect(await send({ namespace })).toBe(201);
        // The context comes from the including resource.
        expect(await send()).toBe(201);
      });

      it('requires nothing in an exempt namespace', async () => {
        const values = ['kube-system', servers.namespace];
        const key = 'kubernetes.io/metadata.name';
        const matchExpressions = [{ key, operator: 'NotIn', values }];
        await servers.kube.patch('ValidatingAdmissionPolicyBinding', '', policy(), {
          spec: { matchResources: { namespaceSelector: { matchExpressions } } },
        });
        await eventually('the API server accepts it', async () => {
          const { status } = await postTo(servers, secret('exempt', withContext()), '?dryRun=All');
          return status === 201;
        });
      });
    });
  },
);
