import { afterEach, beforeEach } from '@jest/globals';

import { AuthorTool, type ToolResult } from '../support/author-tool.js';
import type { Json } from '../support/http-json.js';
import { OperatorFixture } from '../support/operator-fixture.js';

export let fixture: OperatorFixture;
export let tool: AuthorTool;
/** The token of the person who plans: may read, and nothing else. */
export let reader: string;

const READER = `
path "secret/data/*" { capabilities = ["read"] }
path "kv/*" { capabilities = ["read"] }
path "secret/data/hidden" { capabilities = ["deny"] }
`;

/** New servers and a new folder for each test; to be called once in a file. */
export function usePlanner(): void {
  beforeEach(async () => {
    fixture = await OperatorFixture.prepare();
    await fixture.vault.write('sys/policies/acl/reader', { policy: READER });
    const created = await fixture.vault.write('auth/token/create', { policies: ['reader'], ttl: '1h' });
    reader = String(created.auth.client_token);
    tool = new AuthorTool(fixture.servers.kms.url, {
      VAULT_ADDR: fixture.servers.vault.url,
      VAULT_TOKEN: reader,
    });
  });

  afterEach(async () => {
    tool.close();
    await fixture.close();
  });
}

interface Item {
  readonly value?: string;
  readonly context?: Readonly<Record<string, string>>;
  /** Instead of a ciphertext of the value. */
  readonly ciphertext?: string;
}

/** JSON is YAML, too. */
export function secret(
  name: string,
  items: Readonly<Record<string, Item>>,
  spec: Json = {},
  metadata: Json = {},
): string {
  return JSON.stringify(
    fixture.secret(
      name,
      {
        path: `secret/data/${name}`,
        kvSettings: { engineVersion: 'v2' },
        secrets: Object.entries(items).map(([key, { value, context, ciphertext }]) => ({
          key,
          encryptedSecret: ciphertext ?? fixture.encrypt(value ?? '', context),
          ...(context === undefined ? {} : { secretContext: context }),
        })),
        ...spec,
      },
      metadata,
    ),
  );
}

export const partial = (name: string, items: Readonly<Record<string, string>>): string =>
  JSON.stringify({
    apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
    kind: 'PartialKMSVaultSecret',
    metadata: { name, namespace: 'default' },
    spec: {
      secrets: Object.entries(items).map(([key, value]) => ({
        key,
        encryptedSecret: fixture.encrypt(value),
      })),
    },
  });

export async function plan(...args: readonly string[]): Promise<ToolResult> {
  return await tool.run(['plan', ...args]);
}

export async function planned(...args: readonly string[]): Promise<Json> {
  const { code, stdout, stderr } = await plan('-o', 'json', ...args);
  if (stdout === '') throw new Error(stderr);
  return { code, stderr, ...JSON.parse(stdout) };
}

export const inVault = async (path: string, data: Readonly<Record<string, string>>): Promise<Json> =>
  await fixture.vault.write(path, path.startsWith('kv/') ? data : { data });

/** Requests with the token of the person who plans. */
export function requestsOfReader(): string[] {
  return fixture.servers.vault.requests.all
    .filter(({ headers }) => headers['x-vault-token'] === reader)
    .map(({ method, url }) => `${method} ${url}`);
}
