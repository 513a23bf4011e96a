import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import type { Json } from '../support/http-json.js';
import { InspectedProgram } from '../support/inspected-program.js';
import {
  installInCluster,
  installInVault,
  OPERATOR_POLICY,
  operatorKubeToken,
} from '../support/installation.js';
import { KubeApi } from '../support/kube-api.js';
import { type LoopbackFixture, startLoopbackFixture } from '../support/loopback-fixture.js';
import { VaultApi } from '../support/vault-api.js';
import { eventually } from '../support/wait.js';

/** How every value begins; of 12 bytes, so that its base64 does not depend on what follows. */
const MARK = 'canary-held-';
const MARK_BASE64 = Buffer.from(MARK).toString('base64');
const NAMESPACE = 'default';
const RESOURCES = 20;
const KEYS = 10;

type Values = Readonly<Record<string, string>>;

let folder: string;
let servers: LoopbackFixture;
let kube: KubeApi;
let vault: VaultApi;
let operator: InspectedProgram;
const password = `password-${randomBytes(12).toString('hex')}`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-in-memory-'));
  const authority = await TestAuthority.create();
  writeFileSync(join(folder, 'ca.pem'), authority.cert);
  servers = await startLoopbackFixture({ vaultTls: await authority.issue() });
  await prepareKubernetes();
  vault = new VaultApi(servers.vault.url, servers.vault.rootToken, { ca: authority.cert });
  await prepareVault();
  operator = await startOperator();
}, 60_000);

afterAll(async () => {
  await (operator as InspectedProgram | undefined)?.close();
  (kube as KubeApi | undefined)?.close();
  (vault as VaultApi | undefined)?.close();
  await (servers as LoopbackFixture | undefined)?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

async function prepareKubernetes(): Promise<void> {
  kube = new KubeApi(servers.kubernetes.adminKubeconfig());
  await installInCluster(kube);
  const token = await operatorKubeToken(kube);
  writeFileSync(join(folder, 'kubeconfig'), kube.kubeconfigFor(token));
}

async function prepareVault(): Promise<void> {
  await installInVault(vault);
  await vault.write('sys/auth/userpass', { type: 'userpass' });
  await vault.write('auth/userpass/users/operator', { password, token_policies: OPERATOR_POLICY });
}

async function startOperator(): Promise<InspectedProgram> {
  return await InspectedProgram.start(
    'operator',
    [
      '--metrics-addr=0',
      '--health-addr=0',
      '--sync-period-seconds=0',
      '--vault-authentication-method=userpass',
      `--kubeconfig=${join(folder, 'kubeconfig')}`,
    ],
    {
      ...servers.awsEnvironment,
      VAULT_ADDR: servers.vault.url,
      VAULT_CACERT: join(folder, 'ca.pem'),
      VAULT_USERNAME: 'operator',
      VAULT_PASSWORD: password,
    },
  );
}

function canary(): string {
  return `${MARK}${randomBytes(12).toString('hex')}`;
}

function canaries(): Values {
  return Object.fromEntries(Array.from({ length: KEYS }, (_, index) => [`key-${String(index)}`, canary()]));
}

function pathOf(index: number): string {
  return index % 2 === 0 ? `kv/app-${String(index)}` : `secret/data/app-${String(index)}`;
}

async function apply(index: number, values: Values): Promise<void> {
  await kube.apply({
    apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
    kind: 'KMSVaultSecret',
    metadata: { name: `app-${String(index)}`, namespace: NAMESPACE },
    spec: {
      path: pathOf(index),
      kvSettings: { engineVersion: index % 2 === 0 ? 'v1' : 'v2' },
      secrets: Object.entries(values).map(([key, value]) => ({
        key,
        encryptedSecret: seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(value), {}).toString('base64'),
      })),
    },
  });
}

/** Waits until every value is in Vault, every status says so, and nothing is in flight. */
async function synced(wanted: readonly Values[]): Promise<void> {
  for (const [index, values] of wanted.entries()) {
    const inSync = async (): Promise<boolean> => {
      const object = await kube.get('KMSVaultSecret', NAMESPACE, `app-${String(index)}`);
      const ready = object?.status?.conditions?.find((condition: Json) => condition.type === 'Ready');
      if (ready?.status !== 'True' || ready.observedGeneration !== object.metadata.generation) return false;
      const found = (await vault.read(pathOf(index))) ?? {};
      return Object.entries(values).every(([key, value]) => found[key] === value);
    };
    // The inspected program pauses for every snapshot, and the machine may be busy.
    await eventually(`app-${String(index)} to be in sync`, inSync, 60_000);
  }
  await eventually('no request in flight', () =>
    [servers.vault, servers.kms].every(({ requests }) =>
      requests.all.every(({ status }) => status !== undefined),
    ),
  );
}

function tokenInUse(): string {
  const ofOperator = servers.vault.requests.all.findLast(
    ({ headers }) => ![undefined, servers.vault.rootToken].includes(headers['x-vault-token'] as string),
  );
  return String(ofOperator?.headers['x-vault-token']);
}

describe('the memory of the operator', () => {
  it('holds no value, no earlier token and no request or answer with a secret once everything is in sync', async () => {
    const wanted = Array.from({ length: RESOURCES }, canaries);
    await Promise.all(wanted.map((values, index) => apply(index, values)));
    await synced(wanted);
    const firstToken = tokenInUse();
    // The next connections are opened by requests whose answers hold values, and by a login.
    servers.vault.cutConnections();
    await eventually('Vault is reached', async () => (await vault.send('GET', 'sys/mounts')).status === 200);
    for (const index of wanted.keys()) {
      const drifted = { 'key-1': canary() };
      await vault.write(pathOf(index), index % 2 === 0 ? drifted : { data: drifted });
      if (index === RESOURCES / 2) servers.vault.revokeToken(firstToken);
      wanted[index] = { ...wanted[index], 'key-0': canary() };
      await apply(index, wanted[index]);
    }
    await synced(wanted);
    const token = tokenInUse();
    expect(token).not.toBe(firstToken);

    const control = `control-${randomBytes(12).toString('hex')}`;
    await operator.ask({ ask: 'hold', text: control });
    expect(await operator.inBuffers(control)).toBe(1);
    // The server may have sent an answer that the operator has not read yet.
    await eventually('no value in a buffer', async () => (await operator.inBuffers(MARK, MARK_BASE64)) === 0);

    const file = await operator.ask({ ask: 'snapshot', file: join(folder, 'operator.heapsnapshot') });
    const snapshot = readFileSync(file, 'latin1');
    const occurrences = (text: string): number => snapshot.split(text).length - 1;
    expect(occurrences(control)).toBeGreaterThan(0);
    expect(occurrences(MARK)).toBe(0);
    expect(occurrences(MARK_BASE64)).toBe(0);
    expect(occurrences(firstToken)).toBe(0);
    // Both are needed; nothing else has them in it, such as a header, the body of the login or its answer.
    expect(occurrences(token)).toBe(1);
    expect(occurrences(password)).toBe(1);
  }, 240_000);
});
