import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { InspectedProgram } from '../support/inspected-program.js';
import {
  installInCluster,
  installInVault,
  OPERATOR_POLICY,
  operatorKubeToken,
  operatorVaultToken,
} from '../support/installation.js';
import { KubeApi } from '../support/kube-api.js';
import { type LoopbackFixture, startLoopbackFixture } from '../support/loopback-fixture.js';
import { VaultApi } from '../support/vault-api.js';
import { eventually } from '../support/wait.js';

let folder: string;
let servers: LoopbackFixture;
let kube: KubeApi;
let vault: VaultApi;
let operator: InspectedProgram | undefined;

const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-in-files-'));
  servers = await startLoopbackFixture();
  kube = new KubeApi(servers.kubernetes.adminKubeconfig());
  await installInCluster(kube);
  writeFileSync(file('kubeconfig'), kube.kubeconfigFor(await operatorKubeToken(kube)));
  vault = new VaultApi(servers.vault.url, servers.vault.rootToken);
  await installInVault(vault);
}, 60_000);

afterEach(async () => {
  await operator?.close();
  operator = undefined;
});

afterAll(async () => {
  (kube as KubeApi | undefined)?.close();
  (vault as VaultApi | undefined)?.close();
  await (servers as LoopbackFixture | undefined)?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

async function start(method: string, env: Readonly<Record<string, string>>): Promise<InspectedProgram> {
  const flags = ['--metrics-addr=0', '--health-addr=0', '--sync-period-seconds=0'];
  operator = await InspectedProgram.start(
    'operator',
    [...flags, `--vault-authentication-method=${method}`, `--kubeconfig=${file('kubeconfig')}`],
    { ...servers.awsEnvironment, VAULT_ADDR: servers.vault.url, ...env },
  );
  return operator;
}

/** How often each text occurs in the heap and in buffers. */
async function held(program: InspectedProgram, texts: readonly string[]): Promise<number[]> {
  await eventually('no request in flight', () =>
    servers.vault.requests.all.every(({ status }) => status !== undefined),
  );
  const snapshot = readFileSync(
    await program.ask({ ask: 'snapshot', file: file('operator.heapsnapshot') }),
    'latin1',
  );
  const buffers = await Promise.all([program.inBuffers(...texts)]);
  return [...texts.map((text) => snapshot.split(text).length - 1), ...buffers];
}

const lookUps = (): number =>
  servers.vault.requests.count(({ url, status }) => url.endsWith('/lookup-self') && status === 200);

describe('the memory of the operator, with credentials in files', () => {
  it('holds the token in use and none that it has replaced', async () => {
    const tokens = [await operatorVaultToken(vault), await operatorVaultToken(vault)];
    const [first = '', second = ''] = tokens;
    writeFileSync(file('token'), `${first}\n`);
    const program = await start('token', { VAULT_TOKEN_FILE: file('token') });
    await eventually('the first token to be in use', () => lookUps() === 1);
    writeFileSync(file('token.new'), second);
    renameSync(file('token.new'), file('token'));
    await eventually('the second token to be in use', () => lookUps() === 2);
    expect(await held(program, tokens)).toEqual([0, 1, 0]);
    expect(program.output).not.toContain(first);
    expect(program.output).not.toContain(second);
  }, 180_000);

  it('holds no password between two logins', async () => {
    const password = `password-${randomBytes(12).toString('hex')}`;
    await vault.write('sys/auth/userpass', { type: 'userpass' });
    await vault.write('auth/userpass/users/operator', { password, token_policies: OPERATOR_POLICY });
    writeFileSync(file('password'), password);
    const program = await start('userpass', {
      VAULT_USERNAME: 'operator',
      VAULT_PASSWORD_FILE: file('password'),
    });
    await eventually('the login', () => program.output.includes('logged in to Vault'));
    expect(await held(program, [password])).toEqual([0, 0]);
  }, 180_000);
});
