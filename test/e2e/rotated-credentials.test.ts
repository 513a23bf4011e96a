import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { MountedFiles } from '../support/mounted-files.js';
import { eventually } from '../support/wait.js';
import { E2eServers } from './servers.js';

let servers: E2eServers;
const mounts: string[] = [];

beforeAll(async () => {
  servers = await E2eServers.prepare();
}, 120_000);

afterAll(async () => {
  const prepared = servers as E2eServers | undefined;
  for (const mount of mounts) await prepared?.vault.delete(`sys/${mount}`);
  await prepared?.cleanUp();
}, 60_000);

/** A credential that can be replaced while the operator runs. */
interface Rotating {
  readonly env: Readonly<Record<string, string>>;
  /** The variable that names the file. */
  readonly variable: string;
  /** A new credential, before the old one goes. */
  readonly issue: () => Promise<string>;
  /** Afterwards neither the credential nor a session that began with it is of any use. */
  readonly withdraw: (old: string) => Promise<void>;
  /**
   * How often it is replaced here. A session that ends so soon after its login looks like one that no other node of Vault
   * knows yet; that costs seconds and a Warning event, and more each time.
   */
  readonly turns: 1 | 2;
}

async function enable(type: string): Promise<string> {
  const mount = `auth/team/rotated-${type}-${servers.runId}`;
  await servers.vault.write(`sys/${mount}`, { type });
  mounts.push(mount);
  return mount;
}

const endSessions = async (mount: string): Promise<void> => {
  await servers.vault.write(`sys/leases/revoke-prefix/${mount}/login`);
};

const METHODS: Readonly<Record<string, () => Promise<Rotating>>> = {
  token: () =>
    Promise.resolve({
      env: {},
      variable: 'VAULT_TOKEN_FILE',
      turns: 2,
      issue: async () => {
        const { auth } = await servers.vault.write('auth/token/create', {
          policies: [servers.runId],
          ttl: '1h',
        });
        return String(auth.client_token);
      },
      withdraw: async (token) => {
        await servers.vault.write('auth/token/revoke', { token });
      },
    }),
  approle: async () => {
    const mount = await enable('approle');
    const role = `${mount}/role/operator`;
    await servers.vault.write(role, { token_policies: servers.runId, token_ttl: '1h' });
    const { json } = await servers.vault.send('GET', `${role}/role-id`);
    return {
      env: { VAULT_APPROLE_ROLE_ID: String(json.data.role_id), VAULT_APPROLE_ENDPOINT: `${mount}/login` },
      variable: 'VAULT_APPROLE_SECRET_ID_FILE',
      turns: 1,
      issue: async () => String((await servers.vault.write(`${role}/secret-id`)).data.secret_id),
      withdraw: async (old) => {
        await servers.vault.write(`${role}/secret-id/destroy`, { secret_id: old });
        await endSessions(mount);
      },
    };
  },
  userpass: async () => {
    const mount = await enable('userpass');
    let turn = 0;
    return {
      env: { VAULT_USERNAME: 'op.erator', VAULT_USERPASS_ENDPOINT: `${mount}/login` },
      variable: 'VAULT_PASSWORD_FILE',
      turns: 1,
      issue: async () => {
        const password = `pass word ${String((turn += 1))} of ${servers.runId}`;
        const user = { password, token_policies: servers.runId, token_ttl: '1h' };
        await servers.vault.write(`${mount}/users/op.erator`, user);
        return password;
      },
      // The old password went with the new one.
      withdraw: () => endSessions(mount),
    };
  },
};

describe('a credential in a mounted Secret', () => {
  it.each(Object.keys(METHODS))(
    'is replaced while the operator runs: %s',
    async (method) => {
      const rotating = await METHODS[method]?.();
      if (rotating === undefined) throw new Error(method);
      const credentials = [await rotating.issue()];
      const files = new MountedFiles(join(servers.directory, method), { value: `${credentials[0] ?? ''}\n` });
      const operator = await servers.startOperator([`--vault-authentication-method=${method}`], {
        ...rotating.env,
        [rotating.variable]: files.path('value'),
      });
      const name = `rotated-${method}`;
      const path = `${servers.v2}/data/${name}`;
      const apply = async (value: string): Promise<void> => {
        const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt(value) }];
        await servers.kube.apply(
          servers.secret(name, { path, kvSettings: { engineVersion: 'v2' }, secrets }),
        );
        await servers.inVault(path, { a: value });
        await servers.reason(name, 'Synced');
      };
      await apply(`${method}-before-any-change`);
      for (let turn = 1; turn <= rotating.turns; turn += 1) {
        const next = await rotating.issue();
        files.swap({ value: `${next}\n` });
        await rotating.withdraw(credentials.at(-1) ?? '');
        credentials.push(next);
        await apply(`${method}-after-change-${String(turn)}`);
        await eventually(
          'one login for each credential',
          async () => (await servers.metric(operator, 'kms_vault_operator_vault_logins_total')) === turn + 1,
        );
      }
      if (method === 'token') {
        const events = await servers.kube.events(servers.namespace, name);
        expect(events.filter(({ type }) => type === 'Warning')).toEqual([]);
      }
      for (const credential of credentials) expect(operator.output.includes(credential)).toBe(false);
      expect(await operator.stop()).toBe(0);
      await servers.kube.delete('KMSVaultSecret', servers.namespace, name);
    },
    120_000,
  );
});
