import { Agent } from 'node:https';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { DEMO_ACCESS_KEY } from '../servers/kms/demo-key.js';
import { ChildProgram } from '../support/child-program.js';
import type { Json } from '../support/http-json.js';
import { createOf, updateOf, type WebhookAnswer, WebhookFixture } from './webhook-fixture.js';

const MIB = 1024 * 1024;
/** What V8 takes at most in a pod with the memory limit of the manifests, which is twice as large. */
const HEAP_MIB = 192;
const SPEC = { path: 'kv/app', kvSettings: { engineVersion: 'v1' } };
let fixture: WebhookFixture;
let program: ChildProgram;
let agent: Agent;

beforeAll(async () => {
  fixture = await WebhookFixture.prepare();
  program = new ChildProgram('dist/webhook.js', fixture.flags, {
    NODE_OPTIONS: `--max-old-space-size=${String(HEAP_MIB)}`,
    AWS_REGION: fixture.kms.region,
    AWS_ENDPOINT_URL_KMS: fixture.kms.url,
    AWS_ACCESS_KEY_ID: DEMO_ACCESS_KEY.accessKeyId,
    AWS_SECRET_ACCESS_KEY: DEMO_ACCESS_KEY.secretAccessKey,
  });
  fixture.port = Number(new URL(await program.address('serving admission reviews')).port);
  agent = new Agent({ keepAlive: true, ca: fixture.authority.cert, maxSockets: 20 });
});

afterAll(async () => {
  agent.destroy();
  await program.stop('SIGKILL');
  await fixture.close();
});

function review(request: Json): string {
  return JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request });
}

/** The spec's JSON, which may be too large to be made as an object first. */
function create(spec: string, kind?: string): string {
  return review({ uid: 'u', ...createOf('@', kind) }).replace('"@"', () => spec);
}

/** As many as fit into `bytes` with commas between. */
function repeated(part: string | ((index: number) => string), bytes: number): string {
  const parts: string[] = [];
  for (let size = 0; ;) {
    const text = typeof part === 'string' ? part : part(parts.length);
    size += text.length + 1;
    if (size > bytes) return parts.join(',');
    parts.push(text);
  }
}

function spec(members: string): string {
  return `{"path":"kv/app","kvSettings":{"engineVersion":"v1"},${members}}`;
}

const ALMOST = 8 * MIB - 2_000;
/** Bodies as large as they are read at all, which make as much as possible of their size. */
const HUGE: Readonly<Record<string, () => string>> = {
  numbers: () => create(spec(`"secrets":[${repeated('0', ALMOST)}]`)),
  'empty objects': () => create(spec(`"secrets":[${repeated('{}', ALMOST)}]`)),
  'empty lists': () => create(spec(`"secrets":[${repeated('[]', ALMOST)}]`)),
  'equal keys': () => create(spec(`"secrets":[${repeated('{"key":"a"}', ALMOST)}]`)),
  'unknown fields': () => create(spec(repeated((index) => `"f${String(index)}":0`, ALMOST))),
  includes: () => create(spec(`"includeSecrets":[${repeated((index) => `"p${String(index)}"`, ALMOST)}]`)),
  contexts: () => create(spec(`"secrets":[${repeated('{"key":"a","secretContext":{"a":0}}', ALMOST)}]`)),
  'nested lists': () =>
    create(spec(`"secrets":[${repeated(`${'['.repeat(400)}${']'.repeat(400)}`, ALMOST)}]`)),
  'one ciphertext': () => create(spec(`"secrets":[{"key":"a","encryptedSecret":"${'A'.repeat(ALMOST)}"}]`)),
  'one key': () => create(spec(`"secrets":[{"key":"${'\u202e'.repeat(ALMOST / 4)}","encryptedSecret":"!"}]`)),
  'one path': () => create(`{"path":"${'/a'.repeat(ALMOST / 2)}","kvSettings":{"engineVersion":"v2"}}`),
  'one name': () => review({ uid: 'u', ...createOf(SPEC), name: 'n'.repeat(ALMOST), namespace: '\n' }),
};

/** Bodies that are reviewed completely, with as many values as the webhook accepts. */
const LARGE: Readonly<Record<string, () => string>> = {
  numbers: () => create(spec(`"secrets":[${repeated('0', 450_000)}]`)),
  'equal keys': () => create(spec(`"secrets":[${repeated('{"key":"a"}', 1_400_000)}]`)),
  'different keys': () =>
    create(spec(`"secrets":[${repeated((index) => `{"key":"${String(index)}"}`, 1.5 * MIB)}]`)),
  'wrong contexts': () =>
    create(spec(`"secrets":[${repeated('{"key":"a","secretContext":{"a":0}}', 1.7 * MIB)}]`)),
  'one context for all': () =>
    create(
      spec(
        `"secretContext":{${repeated((index) => `"c${String(index)}":"x"`, 0.8 * MIB)}},"secrets":[` +
          `${repeated((index) => `{"key":"${String(index)}","encryptedSecret":"AAAA"}`, 2 * MIB)}]`,
      ),
    ),
  'what is no base64': () =>
    create(
      spec(
        `"secrets":[${repeated((index) => `{"key":"${String(index)}","encryptedSecret":"!"}`, 2.4 * MIB)}]`,
      ),
      'PartialKMSVaultSecret',
    ),
  includes: () => create(spec(`"includeSecrets":[${repeated((index) => `"p${String(index)}"`, 1.8 * MIB)}]`)),
  'an update': () => {
    const items = repeated((index) => `{"key":"${String(index)}","encryptedSecret":"AAAA"}`, 1.2 * MIB);
    return review({ uid: 'u', ...updateOf('@', '@') })
      .replace('"@"', () => spec(`"secrets":[${items}]`))
      .replace('"@"', () => spec(`"secretContext":{"a":"b"},"secrets":[${items}]`));
  },
};

function sound(answer: WebhookAnswer): void {
  expect([200, 400, 503]).toContain(answer.status);
  if (answer.status !== 200) {
    expect(answer.text.length).toBeLessThan(500);
    return;
  }
  const {
    allowed,
    status,
    warnings = [],
  } = answer.json.response as {
    allowed: boolean;
    status?: { message: string };
    warnings?: string[];
  };
  expect(typeof allowed).toBe('boolean');
  expect(status?.message.length ?? 0).toBeLessThan(20_000);
  for (const warning of warnings) expect(warning.length).toBeLessThanOrEqual(256);
  expect(warnings.join('').length).toBeLessThanOrEqual(4_096);
}

async function alive(): Promise<void> {
  const answer = await fixture.create({ ...SPEC, secrets: [{ key: 'a', emptySecret: true }] }, undefined, {
    agent,
  });
  expect(answer.allowed).toBe(true);
  expect(program.running).toBe(true);
}

describe('the webhook with the heap of its memory limit', () => {
  it.each(Object.entries(HUGE))(
    'lives through several bodies at once of 8 MiB of %s',
    async (_, make) => {
      const body = make();
      const answers = await Promise.all(Array.from({ length: 3 }, () => fixture.call(body, { agent })));
      answers.forEach(sound);
      await alive();
    },
    60_000,
  );

  it.each(Object.entries(LARGE))(
    'reviews %s by the hundred thousand',
    async (_, make) => {
      const body = make();
      const one = await fixture.call(body, { agent, path: '/?timeout=3s' });
      expect(one.status).toBe(200);
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => fixture.call(body, { agent, path: '/?timeout=3s' })),
      );
      [one, ...answers].forEach(sound);
      await alive();
    },
    60_000,
  );

  it('says how many problems and keys it does not name', async () => {
    const { status } = (await fixture.call(create(spec(`"secrets":[${repeated('0', 150_000)}]`)), { agent }))
      .json.response as { status: { message: string } };
    expect(status.message).toMatch(/spec\.secrets\[0\] must be an object.*and \d+ more problems$/);
    const items = repeated((index) => `{"key":"k${String(index)}","encryptedSecret":"!"}`, 100_000);
    const keys = (await fixture.call(create(spec(`"secrets":[${items}]`)), { agent })).json.response as {
      status: { message: string };
    };
    expect(keys.status.message).toMatch(/keys "k0", .*"k24" and \d+ more: encryptedSecret is not base64/);
  });

  it('takes all sorts at once', async () => {
    const bodies = Object.values({ ...HUGE, ...LARGE }).map((make) => make());
    const answers = await Promise.all(
      bodies.map((body) => fixture.call(body, { agent, path: '/?timeout=3s' })),
    );
    answers.forEach(sound);
    await alive();
  }, 120_000);
});
