import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { RawClient, textOf } from './raw-client.js';
import { ALL_WIDGETS, WIDGET_CRD, WIDGETS } from './sample-crd.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const TOKEN_REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const ACCOUNTS = '/api/v1/namespaces/vault/serviceaccounts';

let server: LoopbackKubernetes;
let client: RawClient;
let now = Date.now();
beforeAll(async () => {
  server = await startKubernetesServer({ now: () => now });
  client = new RawClient(server);
  await client.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', WIDGET_CRD);
  await client.post('/api/v1/namespaces', { metadata: { name: 'vault' } });
  await client.post(ACCOUNTS, { metadata: { name: 'x' } });
});
afterAll(async () => {
  client.close();
  await server.stop();
});

async function tokenOf(name: string, spec: object = {}): Promise<string> {
  const { status, body } = await client.post(`${ACCOUNTS}/${name}/token`, { spec });
  expect(status).toBe(201);
  return textOf(body['status']?.['token']);
}

describe('authentication', () => {
  it('takes user and groups from a client certificate', async () => {
    const admin = await server.clientCertificate('root', 'system:masters');
    expect((await client.get(WIDGETS, { token: '', clientCertificate: admin })).status).toBe(200);
    const nobody = await server.clientCertificate('nobody', 'some');
    const { status, body } = await client.get(WIDGETS, { token: '', clientCertificate: nobody });
    expect(status).toBe(403);
    expect(body['message']).toContain('User "nobody" cannot list');
  });

  it('answers 401 to a bad token and 403 to an anonymous request', async () => {
    const bad = await client.get(WIDGETS, { token: 'wrong' });
    expect(bad).toMatchObject({ status: 401, body: { kind: 'Status', reason: 'Unauthorized', code: 401 } });
    const anonymous = await client.get(WIDGETS, { token: '' });
    expect(anonymous.status).toBe(403);
    expect(anonymous.body['message']).toContain('User "system:anonymous" cannot list');
    expect((await client.get('/version', { token: '' })).status).toBe(200);
    expect((await client.get('/apis', { token: '' })).body['message']).toBe(
      'forbidden: User "system:anonymous" cannot get path "/apis"',
    );
  });
});

describe('authorization', () => {
  it('refuses with the messages of a real server', async () => {
    const token = await tokenOf('x');
    const { status, body } = await client.get(ALL_WIDGETS, { token });
    expect(status).toBe(403);
    expect(body).toMatchObject({
      kind: 'Status',
      status: 'Failure',
      reason: 'Forbidden',
      code: 403,
      details: { group: 'test.loopback.dev', kind: 'widgets' },
      message:
        'widgets.test.loopback.dev is forbidden: User "system:serviceaccount:vault:x" cannot list resource "widgets" in API group "test.loopback.dev" at the cluster scope',
    });
    const one = await client.get(`${WIDGETS}/w/status`, { token });
    expect(one.body['message']).toBe(
      'widgets.test.loopback.dev "w" is forbidden: User "system:serviceaccount:vault:x" cannot get resource "widgets/status" in API group "test.loopback.dev" in the namespace "default"',
    );
  });

  it('allows only what a role allows', async () => {
    const token = await tokenOf('x');
    await client.post(`${RBAC}/clusterroles`, {
      metadata: { name: 'widget-reader' },
      rules: [{ apiGroups: ['test.loopback.dev'], resources: ['widgets'], verbs: ['get', 'list'] }],
    });
    await client.post(`${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: 'reads' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'widget-reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'x', namespace: 'vault' }],
    });
    expect((await client.get(WIDGETS, { token })).status).toBe(200);
    expect((await client.get(`${WIDGETS}?watch=1&timeoutSeconds=1`, { token })).status).toBe(403);
    expect((await client.get(ALL_WIDGETS, { token })).status).toBe(403);
    expect((await client.post(WIDGETS, {}, { token })).status).toBe(403);
    const review = {
      spec: {
        resourceAttributes: {
          group: 'test.loopback.dev',
          resource: 'widgets',
          verb: 'list',
          namespace: 'default',
        },
      },
    };
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    expect((await client.post(path, review, { token })).body['status']).toMatchObject({ allowed: true });
    const subject = { ...review.spec, user: 'somebody' };
    const other = await client.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', { spec: subject });
    expect(other.body['status']).toMatchObject({ allowed: false });
  });
});

describe('service account tokens', () => {
  it('are reviewed with user, groups and audiences', async () => {
    const token = await tokenOf('x', { audiences: ['vault', 'other'] });
    expect(token.split('.')).toHaveLength(3);
    const { status, body } = await client.post(TOKEN_REVIEWS, {
      spec: { token, audiences: ['vault', 'nope'] },
    });
    expect(status).toBe(201);
    expect(body['status']).toMatchObject({
      authenticated: true,
      audiences: ['vault'],
      user: {
        username: 'system:serviceaccount:vault:x',
        uid: server.peek('ServiceAccount', 'vault', 'x')?.metadata.uid,
        groups: ['system:serviceaccounts', 'system:serviceaccounts:vault', 'system:authenticated'],
      },
    });
    const wrong = await client.post(TOKEN_REVIEWS, { spec: { token } });
    expect(wrong.body['status']?.['authenticated']).toBeUndefined();
    expect((await client.get(WIDGETS, { token })).status).toBe(401);
  });

  it('expire, and become invalid when their account is deleted', async () => {
    await client.post(ACCOUNTS, { metadata: { name: 'mortal' } });
    const token = await tokenOf('mortal', { expirationSeconds: 600 });
    const authenticated = async (): Promise<unknown> =>
      (await client.post(TOKEN_REVIEWS, { spec: { token } })).body['status']?.['authenticated'];
    expect(await authenticated()).toBe(true);
    now += 601_000;
    expect(await authenticated()).toBeUndefined();
    now -= 601_000;
    expect(await authenticated()).toBe(true);
    await client.delete(`${ACCOUNTS}/mortal`);
    await client.post(ACCOUNTS, { metadata: { name: 'mortal' } });
    expect(await authenticated()).toBeUndefined();
  });

  it('are refused with a wrong signature', async () => {
    const [header, payload] = (await tokenOf('x')).split('.');
    const forged = `${String(header)}.${String(payload)}.AAAA`;
    expect((await client.get('/api', { token: forged })).status).toBe(401);
    expect((await client.get('/api', { token: 'a.b.c' })).status).toBe(401);
  });

  it('are not issued for less than ten minutes or for an unknown account', async () => {
    const short = await client.post(`${ACCOUNTS}/x/token`, { spec: { expirationSeconds: 60 } });
    expect(short.status).toBe(422);
    expect((await client.post(`${ACCOUNTS}/nobody/token`, { spec: {} })).status).toBe(404);
  });
});
