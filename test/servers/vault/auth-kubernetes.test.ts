import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { RawClient, textOf } from '../kubernetes/raw-client.js';
import { type LoopbackKubernetes, startKubernetesServer } from '../kubernetes/server.js';
import { TableTarget } from './table-target.js';

let target: TableTarget;

beforeAll(async () => {
  target = await TableTarget.start();
});

afterAll(async () => {
  await target.close();
});

describe('kubernetes', () => {
  const accounts = '/api/v1/namespaces/vault/serviceaccounts';
  let kubernetes: LoopbackKubernetes;
  let client: RawClient;

  async function tokenOf(name: string, spec: object = {}): Promise<string> {
    const { body } = await client.post(`${accounts}/${name}/token`, { spec });
    return textOf(body['status']?.['token']);
  }

  async function configure(host: string, reviewer: string): Promise<void> {
    const config = {
      kubernetes_host: host,
      kubernetes_ca_cert: kubernetes.caCert,
      token_reviewer_jwt: reviewer,
    };
    await target.must('POST', 'auth/{id}-k8s/config', config);
  }

  beforeAll(async () => {
    kubernetes = await startKubernetesServer();
    client = new RawClient(kubernetes);
    await client.post('/api/v1/namespaces', { metadata: { name: 'vault' } });
    for (const name of ['app', 'other']) await client.post(accounts, { metadata: { name } });
    await target.must('POST', 'sys/auth/{id}-k8s', { type: 'kubernetes' });
    const role = {
      bound_service_account_names: 'app',
      bound_service_account_namespaces: 'vault',
      token_ttl: '10m',
    };
    await target.must('POST', 'auth/{id}-k8s/role/r', role);
    await target.must('POST', 'auth/{id}-k8s/role/ra', { ...role, audience: 'vault' });
    await configure(kubernetes.url, kubernetes.adminToken);
  });

  afterAll(async () => {
    await target.must('DELETE', 'sys/auth/{id}-k8s');
    client.close();
    await kubernetes.stop();
  });

  it('logs a service account in through a TokenReview', async () => {
    expect(await target.login('k8s', { role: 'r', jwt: await tokenOf('app') })).toMatchObject({
      status: 200,
      auth: {
        lease_duration: 600,
        metadata: { role: 'r', service_account_name: 'app', service_account_namespace: 'vault' },
      },
    });
    expect(
      await target.login('k8s', { role: 'ra', jwt: await tokenOf('app', { audiences: ['vault'] }) }),
    ).toMatchObject({
      status: 200,
    });
    // A role without an audience accepts any; the review then has the audiences of the token.
    expect(
      await target.login('k8s', { role: 'r', jwt: await tokenOf('app', { audiences: ['vault'] }) }),
    ).toMatchObject({ status: 200 });
  });

  it("fails when the reviewer's token has another audience than the API server", async () => {
    await configure(kubernetes.url, '');
    try {
      const jwt = await tokenOf('app', { audiences: ['vault'] });
      expect(await target.login('k8s', { role: 'ra', jwt })).toMatchObject({
        status: 403,
        errors: ['permission denied'],
      });
    } finally {
      await configure(kubernetes.url, kubernetes.adminToken);
    }
  });

  it('refuses logins with the errors recorded from a real Vault', async () => {
    const app = await tokenOf('app');
    const forged = `${app.slice(0, -8)}AAAAAAAA`;
    const audience = 'invalid audience (aud) claim: audience claim does not match any expected audience';
    for (const [body, status, error] of [
      [{ role: 'nope', jwt: app }, 400, 'invalid role name "nope"'],
      [{ jwt: app }, 400, 'missing role'],
      [{ role: 'r' }, 400, 'missing jwt'],
      [{ role: 'r', jwt: 'garbage' }, 403, 'permission denied'],
      [{ role: 'r', jwt: forged }, 403, 'permission denied'],
      [{ role: 'r', jwt: await tokenOf('other') }, 403, 'service account name not authorized'],
      [{ role: 'ra', jwt: app }, 403, audience],
    ] as const) {
      expect(await target.login('k8s', body)).toMatchObject({ status, errors: [error] });
    }
  });

  it('answers permission denied when the API server is unreachable or the reviewer has no permission', async () => {
    const app = await tokenOf('app');
    for (const [host, reviewer] of [
      ['https://127.0.0.1:1', kubernetes.adminToken],
      [kubernetes.url, await tokenOf('other')],
    ] as const) {
      await configure(host, reviewer);
      expect(await target.login('k8s', { role: 'r', jwt: app })).toMatchObject({
        status: 403,
        errors: ['permission denied'],
      });
    }
  });
});
