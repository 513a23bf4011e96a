import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { eventually } from '../support/wait.js';
import { E2eServers } from './servers.js';

/** A module that prints what would keep the process alive, right before it ends. */
const PRINTS_OPEN_HANDLES =
  'data:text/javascript,process.on(`exit`,()=>console.log(JSON.stringify({msg:`at%20the%20end`,open:process.getActiveResourcesInfo()})))';

let servers: E2eServers;

beforeAll(async () => {
  servers = await E2eServers.prepare();
}, 120_000);

afterAll(async () => {
  await (servers as E2eServers | undefined)?.cleanUp();
}, 60_000);

async function apply(name: string, value: string, engineVersion = 'v2'): Promise<string> {
  const path = engineVersion === 'v2' ? `${servers.v2}/data/${name}` : `${servers.v1}/${name}`;
  const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt(value) }];
  await servers.kube.apply(servers.secret(name, { path, kvSettings: { engineVersion }, secrets }));
  return path;
}

describe('the program', () => {
  it('serves health and metrics, and ends with 0 on SIGTERM and SIGINT', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const operator = await servers.startOperator();
      const health = await operator.address('serving health');
      expect((await fetch(`${health}/healthz`)).status).toBe(200);
      await eventually('it is ready', async () => (await fetch(`${health}/readyz`)).status === 200);
      const metrics = await (await fetch(`${await operator.address('serving metrics')}/metrics`)).text();
      expect(metrics).toContain('kms_vault_operator_build_info{');
      expect(metrics).toContain('process_cpu_seconds_total');
      expect(await operator.stop(signal)).toBe(0);
    }
  });

  it.each([
    ['an unknown flag', ['--no-such-flag'], {}, /unknown flag --no-such-flag/],
    ['a bad value', ['--sync-period-seconds=soon'], {}, /--sync-period-seconds must be a whole number/],
    [
      'a missing variable',
      ['--vault-authentication-method=userpass'],
      { VAULT_PASSWORD: 'x' },
      /VAULT_USERNAME is missing/,
    ],
    ['an unknown auth method', ['--vault-authentication-method=kerberos'], {}, /must be one of token, k8s/],
  ])('refuses %s with one line and 2', async (_what, flags, env, line) => {
    const operator = servers.spawnOperator(flags, env);
    expect((await operator.exited).code).toBe(2);
    expect(operator.output).toMatch(line);
    expect(operator.output.trim().split('\n')).toHaveLength(1);
  });

  it('refuses an unreadable kubeconfig with one line and 1', async () => {
    const operator = servers.spawnOperator(['--kubeconfig=/no/such/file']);
    expect((await operator.exited).code).toBe(1);
    expect(operator.output.trim().split('\n')).toHaveLength(1);
    expect(operator.output).toContain('/no/such/file');
  });

  it('converges after SIGKILL, and asks KMS nothing for v2 secrets that are as the status says', async () => {
    const first = await servers.startOperator();
    const names = ['restart-a', 'restart-b', 'restart-c'];
    for (const name of names) await apply(name, `value-of-${name}`);
    for (const name of names) await servers.reason(name, 'Synced');
    await first.stop('SIGKILL');
    const second = await servers.startOperator();
    await eventually(
      'everything was looked at',
      async () => (await servers.metric(second, 'kms_vault_operator_resource_ready')) === names.length,
    );
    expect(await servers.metric(second, 'kms_vault_operator_kms_requests_total')).toBe(0);
    expect(await servers.metric(second, 'kms_vault_operator_vault_writes_total')).toBe(0);
    expect(await second.stop()).toBe(0);
  });

  it('notices after a restart what happened meanwhile: changed, rolled back, deleted, destroyed, re-created', async () => {
    const first = await servers.startOperator();
    const paths = Object.fromEntries(
      await Promise.all(
        ['changed', 'deleted', 'destroyed', 'recreated'].map(async (name) => [
          name,
          await apply(name, 'the-right-value'),
        ]),
      ),
    ) as Record<string, string>;
    for (const name of Object.keys(paths)) await servers.reason(name, 'Synced');
    await first.stop();
    const { changed = '', deleted = '', destroyed = '', recreated = '' } = paths;
    await servers.vault.write(changed, { data: { a: 'changed' } });
    await servers.vault.delete(deleted);
    await servers.vault.write(destroyed.replace('/data/', '/destroy/'), { versions: [1] });
    await servers.vault.delete(recreated.replace('/data/', '/metadata/'));
    await servers.vault.write(recreated, { data: { a: 'foreign' } });
    expect(await servers.vault.version(recreated)).toBe(1);
    const second = await servers.startOperator();
    for (const path of Object.values(paths)) await servers.inVault(path, { a: 'the-right-value' });
    expect(await second.stop()).toBe(0);
  });

  it('finishes a deletion that began while it was away', async () => {
    const first = await servers.startOperator();
    const path = `${servers.v1}/deleted-away`;
    const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('deleted-while-away') }];
    const manifest = servers.secret(
      'deleted-away',
      { path, kvSettings: { engineVersion: 'v1' }, secrets },
      { finalizers: ['delete.k8s.patoarvizu.dev'] },
    );
    await servers.kube.apply(manifest);
    await servers.reason('deleted-away', 'Synced');
    await first.stop();
    await servers.kube.delete('KMSVaultSecret', servers.namespace, 'deleted-away');
    const second = await servers.startOperator();
    await servers.inVault(path, undefined);
    await eventually('the resource is gone', async () => (await servers.get('deleted-away')) === undefined);
    expect(await second.stop()).toBe(0);
  });

  it('leaves no timer and no connection open when it ends', async () => {
    const operator = await servers.startOperator([], { NODE_OPTIONS: `--import="${PRINTS_OPEN_HANDLES}"` });
    await servers.inVault(await apply('before-the-end', 'value'), { a: 'value' });
    expect(await operator.stop()).toBe(0);
    const { open } = operator.lines.find((line) => line.msg === 'at the end') ?? {};
    // Those of this turn of the event loop keep nothing open.
    const lasting = (open as string[]).filter((handle) => handle !== 'Immediate');
    // Its output, and the servers for health and metrics, which answer until the end.
    expect(lasting).toEqual(['PipeWrap', 'PipeWrap', 'TCPServerWrap', 'TCPServerWrap']);
  });
});
