import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { WebhookFixture } from './webhook-fixture.js';

/**
 * Requests as an API server of Kubernetes 1.36 sent them while `kubectl` 1.32 applied the samples,
 * annotated, patched, applied server-side and deleted them; the ciphertexts are those of the samples.
 */
const FOLDER = 'test/integration/admission-reviews';
const FILES = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));

interface Recorded {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
}

interface Verdict {
  readonly allowed: boolean;
  /** Items that KMS is asked about. */
  readonly decrypts: number;
  readonly warning?: RegExp;
}

const ALLOWED_UNSEEN: Verdict = { allowed: true, decrypts: 0 };

/** By the name of the file, without its kind and version. */
const VERDICTS: Readonly<Record<string, { readonly secret: Verdict; readonly partial: Verdict }>> = {
  create: { secret: { allowed: true, decrypts: 2 }, partial: { allowed: true, decrypts: 1 } },
  'create-dry-run': { secret: { allowed: true, decrypts: 2 }, partial: { allowed: true, decrypts: 1 } },
  'update-annotation': { secret: ALLOWED_UNSEEN, partial: ALLOWED_UNSEEN },
  'update-finalizer': { secret: ALLOWED_UNSEEN, partial: ALLOWED_UNSEEN },
  // The first item became a ciphertext that is cut short.
  'update-spec': {
    secret: { allowed: false, decrypts: 1 },
    partial: { allowed: true, decrypts: 1, warning: /smtp-password.*including resource/ },
  },
  // The first item became whole again; the others stayed.
  'update-server-side-apply': {
    secret: { allowed: true, decrypts: 1 },
    partial: { allowed: true, decrypts: 1 },
  },
  delete: { secret: ALLOWED_UNSEEN, partial: ALLOWED_UNSEEN },
  'delete-dry-run': { secret: ALLOWED_UNSEEN, partial: ALLOWED_UNSEEN },
  // The finalizer is removed from what is being deleted.
  'update-release': { secret: ALLOWED_UNSEEN, partial: ALLOWED_UNSEEN },
};

let fixture: WebhookFixture;

beforeAll(async () => {
  fixture = await WebhookFixture.prepare();
  await fixture.start();
});

beforeEach(() => {
  fixture.kms.requests.clear();
});

afterAll(async () => {
  await fixture.close();
});

function recorded(file: string): Recorded {
  return JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Recorded;
}

function verdictOf(file: string): Verdict {
  const [, kind, name] = /^(secret|partial)-(.+?)(?:-v1beta1)?\.json$/.exec(file) ?? [];
  const verdict = VERDICTS[name ?? '']?.[kind as 'secret' | 'partial'];
  if (verdict === undefined) throw new Error(`no verdict is known for ${file}`);
  return verdict;
}

describe('the webhook, asked as a real API server asks', () => {
  it('is shown every operation, of both kinds, in both versions', () => {
    const seen = new Set(
      FILES.map((file) => {
        const { body } = recorded(file);
        return `${body.apiVersion} ${body.request.operation} ${body.request.kind.kind}`;
      }),
    );
    const versions = ['v1', 'v1beta1'];
    const kinds = ['KMSVaultSecret', 'PartialKMSVaultSecret'];
    for (const kind of kinds) {
      for (const operation of ['CREATE', 'UPDATE', 'DELETE'])
        expect(seen).toContain(`admission.k8s.io/v1 ${operation} ${kind}`);
      for (const version of versions) expect(seen).toContain(`admission.k8s.io/${version} UPDATE ${kind}`);
    }
    for (const name of Object.keys(VERDICTS)) {
      expect(FILES).toContain(`secret-${name}.json`);
      expect(FILES).toContain(`partial-${name}.json`);
    }
  });

  it.each(FILES)('%s', async (file) => {
    const { url, headers, body } = recorded(file);
    const verdict = verdictOf(file);
    const answer = await fixture.call(JSON.stringify(body), { path: url, headers });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.json).toMatchObject({
      kind: 'AdmissionReview',
      apiVersion: body.apiVersion,
      response: { uid: body.request.uid, allowed: verdict.allowed },
    });
    expect(fixture.kms.requests.all).toHaveLength(verdict.decrypts);
    const { warnings, status } = answer.json.response;
    if (verdict.allowed) expect(status).toBeUndefined();
    else expect(status).toMatchObject({ code: 403, message: expect.stringContaining('database-password') });
    if (verdict.warning === undefined) expect(warnings).toBeUndefined();
    else expect(warnings).toEqual([expect.stringMatching(verdict.warning)]);
  });
});
