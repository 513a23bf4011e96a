import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { ChildProgram } from '../support/child-program.js';
import type { Json } from '../support/http-json.js';
import type { Manifest } from '../support/kube-api.js';
import { eventually } from '../support/wait.js';
import { configureWebhook, postTo, REACHABLE, refusalInForce } from './admission.js';
import { E2eServers } from './servers.js';
import { v2 } from './suite-run.js';

const REQUIRED = 'required-context=namespace={{namespace}},name={{name}}';
const FOREIGN = { namespace: 'elsewhere', name: 'victim' };
const AUDIT = 'required-context-mode=audit';
const withWebhook = REACHABLE ? it : it.skip;

let servers: E2eServers;
let operator: ChildProgram;

beforeAll(async () => {
  servers = await E2eServers.prepare();
  operator = await servers.startOperator([`--${REQUIRED}`]);
}, 120_000);

afterAll(async () => {
  await (servers as E2eServers | undefined)?.cleanUp();
}, 60_000);

const pathOf = (name: string): string => `${servers.v1}/${name}`;

/** @param context beside the ciphertext; @param madeFor the one that it was encrypted with. */
async function secret(
  name: string,
  value: string,
  context: Readonly<Record<string, string>> = { namespace: servers.namespace, name },
  madeFor = context,
): Promise<Manifest> {
  return servers.secret(name, {
    path: pathOf(name),
    kvSettings: { engineVersion: 'v1' },
    secretContext: context,
    secrets: [{ key: 'a', encryptedSecret: await servers.encrypt(value, madeFor) }],
  });
}

async function condition(name: string, type: string): Promise<Json> {
  const { status } = await servers.get(name);
  return status?.conditions?.find((one: Json) => one.type === type);
}

const violations = async (): Promise<number> =>
  await servers.metric(operator, 'kms_vault_operator_context_violations_total');
const reviewed = async (webhook: ChildProgram): Promise<number> =>
  await servers.metric(webhook, 'kms_vault_webhook_context_violations_total', 'serving metrics and health');

describe('--required-context', () => {
  it('refuses a ciphertext that was made for another resource, and keeps what is in Vault', async () => {
    await servers.kube.apply(await secret('fenced', 'made-for-this-resource'));
    await servers.inVault(pathOf('fenced'), { a: 'made-for-this-resource' });
    await servers.reason('fenced', 'Synced');
    expect(await violations()).toBe(0);
    await servers.kube.apply(await secret('fenced', 'copied-from-elsewhere', FOREIGN));
    const { message } = await servers.reason('fenced', 'ContextNotAllowed');
    expect(message).toContain(`has namespace=elsewhere instead of namespace=${servers.namespace}`);
    expect(message).toContain('name=victim instead of name=fenced');
    await eventually('it is stalled', async () => {
      const stalled = await condition('fenced', 'Stalled');
      return stalled?.status === 'True' && stalled.reason === 'ContextNotAllowed';
    });
    expect(await servers.event('fenced', 'ContextNotAllowed')).toMatchObject({ type: 'Warning' });
    expect(await violations()).toBe(1);
    await servers.inVault(pathOf('fenced'), { a: 'made-for-this-resource' });
    await servers.kube.apply(await secret('fenced', 'made-again-for-this-resource'));
    await servers.inVault(pathOf('fenced'), { a: 'made-again-for-this-resource' });
    await servers.reason('fenced', 'Synced');
    expect(await condition('fenced', 'Stalled')).toBeUndefined();
  });

  it('is no way around KMS: a copied ciphertext with a context of this resource does not decrypt', async () => {
    const own = { namespace: servers.namespace, name: 'pretender' };
    await servers.kube.apply(await secret('pretender', 'copied-with-other-words', own, FOREIGN));
    await servers.reason('pretender', 'DecryptionFailed');
    await servers.inVault(pathOf('pretender'), undefined);
  });

  withWebhook('lets the webhook deny the one and admit the other', async () => {
    const { program, clientConfig } = await servers.startWebhook([`-${REQUIRED}`]);
    await configureWebhook(servers, clientConfig);
    const foreign = await secret('reviewed', 'denied-by-the-webhook', FOREIGN);
    await refusalInForce(servers, foreign, /denied the request/);
    const { status, json } = await postTo(servers, foreign);
    expect(status).toBe(403);
    expect(json.message).toContain(
      `has namespace=elsewhere instead of namespace=${servers.namespace} and has name=victim instead of name=reviewed, ` +
        'required by --required-context',
    );
    expect(await servers.get('reviewed')).toBeUndefined();
    const own = await postTo(servers, await secret('reviewed', 'admitted-by-the-webhook'));
    expect({ status: own.status, warnings: own.warnings }).toEqual({ status: 201, warnings: [] });
    await servers.inVault(pathOf('reviewed'), { a: 'admitted-by-the-webhook' });
    expect(await reviewed(program)).toBeGreaterThanOrEqual(2);
  });
});

describe('--required-context-mode=audit', () => {
  beforeAll(async () => {
    expect(await operator.stop()).toBe(0);
    await servers.kube.delete('ValidatingWebhookConfiguration', '', servers.runId);
    operator = await servers.startOperator([`--${REQUIRED}`, `--${AUDIT}`]);
  }, 60_000);

  it('syncs such a ciphertext, with an event and a metric', async () => {
    const before = await violations();
    await servers.kube.apply(await secret('audited', 'written-with-a-warning', FOREIGN));
    await servers.inVault(pathOf('audited'), { a: 'written-with-a-warning' });
    await servers.reason('audited', 'Synced');
    expect(await servers.event('audited', 'ContextNotAllowed')).toMatchObject({
      type: 'Warning',
      message: expect.stringContaining(`namespace=${servers.namespace}`),
    });
    expect(await violations()).toBe(before + 1);
    expect(await condition('audited', 'Stalled')).toBeUndefined();
  });

  withWebhook('lets the webhook admit it with a warning', async () => {
    const { program, clientConfig } = await servers.startWebhook([`-${REQUIRED}`, `-${AUDIT}`]);
    await configureWebhook(servers, clientConfig);
    const foreign = await secret('warned', 'admitted-with-a-warning', FOREIGN);
    const { status, warnings } = await eventually('the warning of the webhook', async () => {
      const answer = await postTo(servers, foreign, '?dryRun=All');
      return answer.warnings.length > 0 && answer;
    });
    expect(status).toBe(201);
    expect(warnings).toEqual([
      expect.stringMatching(
        /key "a": its encryption context .*accepted, because --required-context-mode is audit/,
      ),
    ]);
    expect((await postTo(servers, foreign)).status).toBe(201);
    await servers.inVault(pathOf('warned'), { a: 'admitted-with-a-warning' });
    expect(await reviewed(program)).toBeGreaterThanOrEqual(2);
  });
});

describe('a change from audit to enforce, with --provenance', () => {
  beforeAll(async () => {
    expect(await operator.stop()).toBe(0);
    await servers.kube.delete('ValidatingWebhookConfiguration', '', servers.runId);
  });

  it('keeps what was written, refuses the next value, and names the resource in the metadata', async () => {
    const { namespace, vault } = servers;
    // The operator's token may write metadata at this path only.
    const path = `${servers.v2}/data/described`;
    const metadataPath = path.replace('/data/', '/metadata/');
    const apply = async (value: string, context?: Readonly<Record<string, string>>): Promise<void> => {
      const manifest = await secret('copied', value, context);
      await servers.kube.apply({ ...manifest, spec: { ...manifest.spec, path, kvSettings: v2 } });
    };
    const auditing = await servers.startOperator([`--${REQUIRED}`, `--${AUDIT}`]);
    await apply('value-of-the-victim', FOREIGN);
    await servers.inVault(path, { a: 'value-of-the-victim' });
    await servers.reason('copied', 'Synced');
    expect(await auditing.stop()).toBe(0);

    await vault.write(metadataPath, { custom_metadata: { theirs: 'x' } });
    operator = await servers.startOperator([`--${REQUIRED}`, '--provenance']);
    await servers.reason('copied', 'ContextNotAllowed');
    await apply('next-value-of-the-victim', FOREIGN);
    await servers.reason('copied', 'ContextNotAllowed');
    await servers.inVault(path, { a: 'value-of-the-victim' });

    await apply('value-of-its-own');
    await servers.reason('copied', 'Synced');
    await servers.inVault(path, { a: 'value-of-its-own' });
    const { metadata } = await servers.get('copied');
    expect((await vault.read(metadataPath))?.custom_metadata).toEqual({
      theirs: 'x',
      'managed-by': 'kms-vault-operator',
      resource: `${namespace}/copied`,
      generation: String(metadata.generation),
    });
  }, 120_000);

  it('says nothing secret', () => {
    for (const canary of servers.secrets) expect(servers.output().includes(canary)).toBe(false);
  });
});
