import { readFileSync } from 'node:fs';

import { parse, parseAllDocuments } from 'yaml';

import { HttpJson, type Json, type JsonAnswer } from './http-json.js';

/** An object as it is applied or read. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; [field: string]: unknown };
  [field: string]: Json;
}

const PLURALS: Readonly<Record<string, string>> = {
  KMSVaultSecret: 'kmsvaultsecrets',
  PartialKMSVaultSecret: 'partialkmsvaultsecrets',
  NetworkPolicy: 'networkpolicies',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
};
const CLUSTER_SCOPED = new Set([
  'Namespace',
  'CustomResourceDefinition',
  'ClusterRole',
  'ClusterRoleBinding',
  'ValidatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]);
const MERGE = { 'content-type': 'application/merge-patch+json' };

/** The Kubernetes API behind a kubeconfig, for tests and the demo. */
export class KubeApi {
  private readonly http: HttpJson;
  readonly server: string;
  readonly caCert: string | undefined;

  constructor(kubeconfig: string) {
    const config = parse(kubeconfig);
    const context = config.contexts.find((entry: Json) => entry.name === config['current-context']).context;
    const cluster = config.clusters.find((entry: Json) => entry.name === context.cluster).cluster;
    const user = config.users.find((entry: Json) => entry.name === context.user).user;
    const pem = (data: string | undefined, file: string | undefined): string | undefined =>
      data !== undefined
        ? Buffer.from(data, 'base64').toString()
        : file !== undefined
          ? readFileSync(file, 'utf8')
          : undefined;
    this.server = (cluster.server as string).replace(/\/+$/, '');
    this.caCert = pem(cluster['certificate-authority-data'], cluster['certificate-authority']);
    const cert = pem(user['client-certificate-data'], user['client-certificate']);
    const key = pem(user['client-key-data'], user['client-key']);
    this.http = new HttpJson(
      this.server,
      user.token === undefined ? {} : { authorization: `Bearer ${String(user.token)}` },
      {
        ...(this.caCert === undefined ? {} : { ca: this.caCert }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      },
    );
  }

  /** Creates an object, or merges it into the one that is there. */
  async apply(manifest: Manifest): Promise<Json> {
    const path = pathOf(manifest);
    const { name } = manifest.metadata;
    const created = await this.http.send('POST', path, manifest);
    if (created.status !== 409) return expectOk(created, `create ${manifest.kind} ${name}`);
    return expectOk(
      await this.http.send('PATCH', `${path}/${name}`, manifest, MERGE),
      `update ${manifest.kind} ${name}`,
    );
  }

  async applyAll(manifests: readonly Manifest[]): Promise<void> {
    for (const manifest of manifests) {
      await this.apply(manifest);
      if (manifest.kind === 'CustomResourceDefinition') await this.established(manifest.metadata.name);
    }
  }

  async patch(kind: string, namespace: string, name: string, patch: unknown): Promise<Json> {
    const path = `${pathOf({ kind, ...identity(kind, namespace, name) })}/${name}`;
    return expectOk(await this.http.send('PATCH', path, patch, MERGE), `patch ${kind} ${name}`);
  }

  /** @returns undefined when there is none. */
  async get(kind: string, namespace: string, name: string): Promise<Json> {
    const answer = await this.http.send(
      'GET',
      `${pathOf({ kind, ...identity(kind, namespace, name) })}/${name}`,
    );
    return answer.status === 404 ? undefined : expectOk(answer, `get ${kind} ${name}`);
  }

  async list(kind: string, namespace: string): Promise<Json[]> {
    return expectOk(
      await this.http.send('GET', pathOf({ kind, ...identity(kind, namespace, '') })),
      `list ${kind}`,
    ).items;
  }

  async delete(kind: string, namespace: string, name: string): Promise<void> {
    const answer = await this.http.send(
      'DELETE',
      `${pathOf({ kind, ...identity(kind, namespace, name) })}/${name}`,
    );
    if (answer.status !== 404) expectOk(answer, `delete ${kind} ${name}`);
  }

  async events(namespace: string, name: string): Promise<Json[]> {
    const items = await this.list('Event', namespace);
    return items.filter((event) => event.involvedObject.name === name);
  }

  /**
   * A token of a service account, by TokenRequest.
   *
   * @param audience the API server's own when absent.
   */
  async serviceAccountToken(
    namespace: string,
    name: string,
    { seconds = 7200, audience }: { readonly seconds?: number; readonly audience?: string } = {},
  ): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: seconds, ...(audience === undefined ? {} : { audiences: [audience] }) },
    };
    return expectOk(await this.http.send('POST', path, body), `token of ${name}`).status.token;
  }

  /** A kubeconfig for somebody else on the same cluster. */
  kubeconfigFor(token: string): string {
    const cluster = {
      server: this.server,
      ...(this.caCert === undefined
        ? {}
        : { 'certificate-authority-data': Buffer.from(this.caCert).toString('base64') }),
    };
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'cluster', cluster }],
      users: [{ name: 'user', user: { token } }],
      contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'user' } }],
      'current-context': 'context',
    });
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<JsonAnswer> {
    return await this.http.send(method, path, body, headers);
  }

  close(): void {
    this.http.close();
  }

  /** A new kind is served a moment after its CRD is stored. */
  private async established(name: string): Promise<void> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const crd = await this.get('CustomResourceDefinition', '', name);
      const ready = crd?.status?.conditions?.some(
        (entry: Json) => entry.type === 'Established' && entry.status === 'True',
      );
      const { group, versions, names } = crd.spec;
      const listed = await this.http.send(
        'GET',
        `/apis/${String(group)}/${String(versions[0].name)}/${String(names.plural)}`,
      );
      if (ready === true && listed.status === 200) return;
      if (Date.now() > deadline) throw new Error(`CRD ${name} was not established in time`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** The objects of YAML files, in order. */
export function manifestsIn(...files: readonly string[]): Manifest[] {
  return files.flatMap((file) =>
    parseAllDocuments(readFileSync(file, 'utf8'))
      .map((document) => document.toJS() as Manifest | null)
      .filter((manifest): manifest is Manifest => manifest !== null),
  );
}

function identity(
  kind: string,
  namespace: string,
  name: string,
): { apiVersion: string; metadata: Manifest['metadata'] } {
  const apiVersion =
    kind === 'KMSVaultSecret' || kind === 'PartialKMSVaultSecret'
      ? 'k8s.patoarvizu.dev/v1alpha1'
      : ({
          CustomResourceDefinition: 'apiextensions.k8s.io/v1',
          Lease: 'coordination.k8s.io/v1',
          Role: 'rbac.authorization.k8s.io/v1',
          ClusterRole: 'rbac.authorization.k8s.io/v1',
          ClusterRoleBinding: 'rbac.authorization.k8s.io/v1',
          ValidatingWebhookConfiguration: 'admissionregistration.k8s.io/v1',
          ValidatingAdmissionPolicy: 'admissionregistration.k8s.io/v1',
          ValidatingAdmissionPolicyBinding: 'admissionregistration.k8s.io/v1',
        }[kind] ?? 'v1');
  return { apiVersion, metadata: { name, ...(namespace === '' ? {} : { namespace }) } };
}

function pathOf({ apiVersion, kind, metadata }: Pick<Manifest, 'apiVersion' | 'kind' | 'metadata'>): string {
  const plural = PLURALS[kind] ?? `${kind.toLowerCase()}s`;
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const namespace = CLUSTER_SCOPED.has(kind) ? '' : `/namespaces/${metadata.namespace ?? 'default'}`;
  return `${root}${namespace}/${plural}`;
}

function expectOk(answer: JsonAnswer, what: string): Json {
  if (answer.status >= 300)
    throw new Error(`${what}: HTTP ${String(answer.status)}: ${answer.text.slice(0, 500)}`);
  return answer.json;
}
