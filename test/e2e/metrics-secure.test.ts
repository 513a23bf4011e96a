import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { TestAuthority } from '../servers/shared/certificates.js';
import type { ChildProgram } from '../support/child-program.js';
import { manifestsIn } from '../support/kube-api.js';
import { eventually } from '../support/wait.js';
import { E2eServers } from './servers.js';

const HOST = 'kms-vault-operator-metrics';
/** The shipped roles, and whom this run gives them. */
const ROLES = {
  'kms-vault-operator-metrics-auth': 'operator',
  'kms-vault-operator-metrics-reader': 'prometheus',
};

let servers: E2eServers;
let authority: TestAuthority;
let operator: ChildProgram;
let port: string;

const nameOf = (role: string): string => `${servers.runId}-${role.replace('kms-vault-operator-', '')}`;

async function grant(role: string, name: string): Promise<void> {
  const shipped = manifestsIn('kustomize/components/metrics-secure/access.yaml').find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === role,
  );
  if (shipped === undefined) throw new Error(`no ClusterRole ${role}`);
  const { kube, namespace } = servers;
  await kube.apply({ ...shipped, metadata: { name: nameOf(role) } });
  await kube.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: nameOf(role) },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: nameOf(role) },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  });
}

beforeAll(async () => {
  servers = await E2eServers.prepare();
  const { kube, namespace, directory } = servers;
  for (const name of ['prometheus', 'stranger'])
    await kube.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
  for (const [role, name] of Object.entries(ROLES)) await grant(role, name);
  authority = await TestAuthority.create();
  const { cert, key } = await authority.issue({ dnsNames: [HOST] });
  const files = { cert: join(directory, 'metrics.crt'), key: join(directory, 'metrics.key') };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key, { mode: 0o600 });
  operator = await servers.startOperator([
    '--metrics-secure',
    `--metrics-tls-cert-file=${files.cert}`,
    `--metrics-tls-key-file=${files.key}`,
  ]);
  ({ port } = new URL(await operator.address('serving metrics')));
}, 120_000);

afterAll(async () => {
  const prepared = servers as E2eServers | undefined;
  for (const role of Object.keys(ROLES)) {
    await prepared?.kube.delete('ClusterRoleBinding', '', nameOf(role));
    await prepared?.kube.delete('ClusterRole', '', nameOf(role));
  }
  await prepared?.cleanUp();
}, 60_000);

async function scrape(
  token: string | undefined,
  method = 'GET',
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const sent = request({
    host: '127.0.0.1',
    port,
    servername: HOST,
    ca: authority.cert,
    path: '/metrics',
    method,
    agent: false,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body };
}

const tokenOf = async (name: string, audience?: string): Promise<string> =>
  await servers.kube.serviceAccountToken(servers.namespace, name, audience === undefined ? {} : { audience });

describe('--metrics-secure', () => {
  it('serves a service account that has the role, over TLS', async () => {
    const token = await tokenOf('prometheus');
    // The API server learns about a new binding after a moment, and the refusal before is believed for a while.
    const { body } = await eventually(
      'the metrics',
      async () => {
        const answer = await scrape(token);
        return answer.status === 200 && answer;
      },
      60_000,
    );
    expect(body).toContain('kms_vault_operator_build_info{');
    expect(await scrape(token, 'HEAD')).toEqual({ status: 200, body: '' });
    expect(operator.output.includes(token)).toBe(false);
  }, 90_000);

  it('refuses an account without the role, and whoever the API server does not know', async () => {
    expect(await scrape(await tokenOf('stranger'))).toEqual({ status: 403, body: 'forbidden\n' });
    for (const token of [undefined, '', 'no-token', await tokenOf('prometheus', 'vault')])
      expect(await scrape(token)).toEqual({ status: 401, body: 'unauthorized\n' });
  });

  it('refuses plain HTTP on this port, and serves on', async () => {
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow();
    expect((await scrape(undefined)).status).toBe(401);
    const health = await operator.address('serving health');
    expect((await fetch(`${health}/healthz`)).status).toBe(200);
  });
});
