import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { ItemCheck } from '../../../../src/admission/item-check.js';
import { ResourceReviewer } from '../../../../src/admission/resource-reviewer.js';
import { SpecReview } from '../../../../src/admission/spec-review.js';
import { VaultPathRules } from '../../../../src/admission/vault-path-rules.js';
import { AllowedPaths } from '../../../../src/api/allowed-paths.js';
import { RequiredContext } from '../../../../src/api/required-context.js';
import { NoMetrics } from '../../../../src/observability/no-metrics.js';
import type { Kind } from '../../../../src/api/group.js';
import type { Problem } from '../../../../src/cli/checking/problem.js';
import { ValidateFiles, type ValidateRequest } from '../../../../src/cli/checking/validate-files.js';
import { Console } from '../../../../src/cli/console.js';
import type { DecryptRequest } from '../../../../src/kms/decryptor.js';
import { KmsError } from '../../../../src/kms/kms-error.js';
import { silentLogger } from '../../../support/loggers.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'validate-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const GOOD = Buffer.alloc(100, 1).toString('base64');
const BAD = Buffer.alloc(100, 2).toString('base64');
const LINE = Buffer.alloc(100, 3).toString('base64');
const DENIED = Buffer.alloc(100, 4).toString('base64');
const PATTERNS = ['secret/data/{{namespace}}/**', 'secret/data/app', 'kv/**'];

/** What KMS would say. */
const inspector = {
  inspect: async ({ encryptedSecret }: DecryptRequest): Promise<{ endsWithLineBreak: boolean }> => {
    await Promise.resolve();
    if (encryptedSecret === BAD) throw new KmsError('wrong-input', 'InvalidCiphertext', 'KMS rejected it');
    if (encryptedSecret === DENIED) throw new KmsError('administrator', 'AccessDenied', 'KMS denied it');
    return { endsWithLineBreak: encryptedSecret === LINE };
  },
};

interface Checked {
  readonly ok: boolean;
  readonly problems: readonly Problem[];
  readonly stderr: string;
}

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

async function validate(
  files: Readonly<Record<string, string>>,
  request: Partial<ValidateRequest> = {},
  kms: { inspect: (request: DecryptRequest) => Promise<{ endsWithLineBreak: boolean }> } = inspector,
): Promise<Checked> {
  write(files);
  let stdout = '';
  let stderr = '';
  const console = new Console({
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    environment: {},
  });
  const keys = {
    reEncrypt: (): never => {
      throw new Error('without a sink key');
    },
  };
  const command = new ValidateFiles(console, kms, keys, 5);
  const ok = await command.run({
    paths: [folder],
    format: 'json',
    kms: true,
    namespace: 'default',
    refusePlaintext: false,
    policy: {},
    ...request,
  });
  return { ok, problems: (JSON.parse(stdout) as { problems: Problem[] }).problems, stderr };
}

function resource(kind: Kind, spec: unknown): Record<string, unknown> {
  return {
    apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
    kind,
    metadata: { name: 'web', namespace: 'team' },
    spec,
  };
}

const V2 = { path: 'secret/data/app', kvSettings: { engineVersion: 'v2' } };
const item = (key: string, encryptedSecret: string, more = {}): object => ({ key, encryptedSecret, ...more });

const SPECS: readonly (readonly [string, Kind, unknown])[] = [
  ['a good resource', 'KMSVaultSecret', { ...V2, secrets: [item('a', GOOD)] }],
  ['no spec', 'KMSVaultSecret', undefined],
  ['nothing to sync', 'KMSVaultSecret', V2],
  ['a path without data/', 'KMSVaultSecret', { ...V2, path: 'secret/app', secrets: [item('a', GOOD)] }],
  [
    'a path outside of the allowed',
    'KMSVaultSecret',
    { ...V2, path: 'secret/data/x', secrets: [item('a', GOOD)] },
  ],
  [
    'a path of its namespace',
    'KMSVaultSecret',
    { ...V2, path: 'secret/data/team/x', secrets: [item('a', GOOD)] },
  ],
  [
    'a path that leaves the mount',
    'KMSVaultSecret',
    { ...V2, path: 'secret/../sys', secrets: [item('a', GOOD)] },
  ],
  ['a key twice', 'KMSVaultSecret', { ...V2, secrets: [item('a', GOOD), item('a', GOOD)] }],
  ['what is no base64', 'KMSVaultSecret', { ...V2, secrets: [item('a', 'hunter2!')] }],
  ['what is too long', 'KMSVaultSecret', { ...V2, secrets: [item('a', 'AAAA'.repeat(3_000))] }],
  [
    'wrong types',
    'KMSVaultSecret',
    { ...V2, secrets: [{ key: 1, encryptedSecret: true }], secretContext: { a: 1 } },
  ],
  ['a wrong engine', 'KMSVaultSecret', { path: 'kv/x', kvSettings: { engineVersion: 'v3', casIndex: -1 } }],
  [
    'casIndex on v1',
    'KMSVaultSecret',
    { path: 'kv/x', kvSettings: { engineVersion: 'v1', casIndex: 1 }, secrets: [] },
  ],
  ['a rejected ciphertext', 'KMSVaultSecret', { ...V2, secrets: [item('a', GOOD), item('b', BAD)] }],
  ['a line break', 'KMSVaultSecret', { ...V2, secrets: [item('a', LINE)] }],
  ['a denied key', 'KMSVaultSecret', { ...V2, secrets: [item('a', DENIED)] }],
  [
    'items without value or context',
    'KMSVaultSecret',
    {
      ...V2,
      secrets: [
        item('a', GOOD, { secretContext: { x: 'y' } }),
        item('b', GOOD),
        { key: 'c' },
        item('d', BAD, { emptySecret: true }),
        { key: '', emptySecret: true },
      ],
    },
  ],
  ['a good partial', 'PartialKMSVaultSecret', { secrets: [item('a', GOOD)] }],
  ['a partial with a rejected ciphertext', 'PartialKMSVaultSecret', { secrets: [item('a', BAD)] }],
  ['a partial with what is no base64', 'PartialKMSVaultSecret', { secrets: [item('a', 'no')] }],
];

const BOUND = [{ name: 'of', value: 'web' }];
const AUDIT = { requiredPartialContext: 'of=web', requiredContextMode: 'audit' };

describe('the verdict on a file', () => {
  it.each(SPECS)("is the webhook's, for %s", async (_what, kind, spec) => {
    const required = RequiredContext.of({ mode: 'audit', own: BOUND, partial: BOUND, exemptNamespaces: [] });
    const paths = new VaultPathRules(AllowedPaths.of(PATTERNS));
    const specs = new SpecReview(new ItemCheck(inspector, 5), paths, required);
    const object = resource(kind, spec);
    const answer = await new ResourceReviewer(specs, 'deny', silentLogger, required, new NoMetrics()).review(
      {
        version: 'admission.k8s.io/v1',
        uid: 'uid',
        operation: 'CREATE',
        kind,
        subresource: '',
        namespace: 'team',
        name: 'web',
        dryRun: false,
        object,
        oldObject: undefined,
      },
      new AbortController().signal,
    );
    const { ok, problems } = await validate(
      { 'web.json': JSON.stringify(object) },
      { policy: { allowedVaultPaths: PATTERNS.join(','), requiredContext: 'of={{name}}', ...AUDIT } },
    );
    expect(ok).toBe(answer.allowed);
    const said = [answer.status?.message ?? '', ...answer.warnings].join('\n');
    for (const { message } of problems) {
      // The webhook cuts warnings, and names keys apart from the text.
      const text = message.replace(/^key "[^"]*": /, '').replace(/^could not be checked: /, '');
      expect(said).toContain(text.slice(0, 150));
    }
    const warnings = problems.filter(({ severity }) => severity === 'warning');
    expect(warnings.length > 0).toBe(answer.warnings.length > 0);
  });
});

const WEB = `# comment
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
apiVersion: k8s.patoarvizu.dev/v1alpha1
kind: KMSVaultSecret
metadata:
  name: web
spec:
  path: secret/app
  kvSettings: {engineVersion: v2}
  secrets:
    - key: good
      encryptedSecret: ${GOOD}
    - key: bad
      encryptedSecret: >-
        ${BAD}
`;

describe('what is checked', () => {
  it('is told with its place', async () => {
    const { ok, problems } = await validate({ 'web.yaml': WEB });
    expect(ok).toBe(false);
    expect(problems).toEqual([
      expect.objectContaining({ line: 11, column: 9, code: 'InvalidPath', resource: 'KMSVaultSecret web' }),
      expect.objectContaining({ line: 17, column: 24, code: 'InvalidCiphertext', key: 'bad' }),
    ]);
  });

  it('is without KMS shape, base64, sizes, paths and duplicates', async () => {
    const { problems } = await validate({ 'web.yaml': WEB }, { kms: false });
    expect(problems.map(({ code }) => code)).toEqual(['InvalidPath']);
  });

  it('skips other files, and templates that are no YAML', async () => {
    const files = {
      'a.yaml': '{{- if .Values.a }}\na: b\n{{- end }}\n',
      'b.yaml': 'kind: Pod\n',
      'c.json': '[]',
      'd.txt': '{',
    };
    expect(await validate(files)).toMatchObject({ ok: true, problems: [] });
    expect(await validate({}, { paths: [join(folder, 'a.yaml')] })).toMatchObject({ ok: true, problems: [] });
  });

  it('tells where YAML is not valid', async () => {
    const { ok, problems } = await validate({ 'web.yaml': `${WEB}    - key: "open\n` });
    expect(ok).toBe(false);
    expect(problems.map(({ code }) => code)).toContain('InvalidYaml');
  });

  it('of a patch is its items', async () => {
    const patch = `kind: KMSVaultSecret\nmetadata: {name: web}\nspec:\n  secrets:\n  - key: a\n    encryptedSecret: ${BAD}\n  - key: b\n    encryptedSecret: no base64\n`;
    const kustomization = 'resources: [../base]\npatches:\n- path: patches/web.yaml\n';
    const files = { 'prod/kustomization.yaml': kustomization, 'prod/patches/web.yaml': patch };
    const { problems } = await validate(files);
    expect(problems.map(({ code, severity, line }) => ({ code, severity, line }))).toEqual([
      { code: 'InvalidCiphertext', severity: 'warning', line: 6 },
      { code: 'NotBase64', severity: 'error', line: 8 },
    ]);
    // Found above a file that is named, too.
    const named = await validate({}, { paths: [join(folder, 'prod/patches/web.yaml')] });
    expect(named.problems).toHaveLength(2);
    const without = await validate({ 'prod/kustomization.yaml': 'resources: [patches/web.yaml]\n' });
    expect(without.problems.map(({ message }) => message)).toContain('spec.path is missing');
  });

  it('is not asked for again after an outage, which is an error', async () => {
    let asked = 0;
    const kms = {
      inspect: (): Promise<never> => {
        asked += 1;
        return Promise.reject(new KmsError('transient', 'ECONNREFUSED', 'KMS is unavailable: ECONNREFUSED'));
      },
    };
    const files = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [
        `${String(index)}.yaml`,
        WEB.replace('secret/app', 'secret/data/app'),
      ]),
    );
    const { ok, problems, stderr } = await validate(files, {}, kms);
    expect(ok).toBe(false);
    expect(problems).toEqual([]);
    expect(stderr).toContain('error: KMS is unavailable: ECONNREFUSED; 120 ciphertexts were not checked');
    // Those that were under way, and nobody else.
    expect(asked).toBeLessThanOrEqual(40);
  });

  it('is, where it is asked for, whether somebody has forgotten to encrypt', async () => {
    const items = [
      { key: 'text', encryptedSecret: Buffer.from('hunter2, a password\n').toString('base64') },
      { key: 'short', encryptedSecret: Buffer.alloc(44, 0xff).toString('base64') },
      { key: 'long', encryptedSecret: Buffer.from('ü'.repeat(500)).toString('base64') },
      { key: 'other', encryptedSecret: GOOD, value: 'hunter2' },
      { key: 'good', encryptedSecret: GOOD },
      { key: 'empty', emptySecret: true },
    ];
    const file = { 'web.json': JSON.stringify(resource('KMSVaultSecret', { ...V2, secrets: items })) };
    expect(await validate(file)).toMatchObject({ ok: true, problems: [] });
    const { ok, problems } = await validate(file, { refusePlaintext: true, kms: false });
    expect(ok).toBe(false);
    expect(problems.map(({ code, key }) => [code, key])).toEqual([
      ['LooksLikePlaintext', 'text'],
      ['LooksLikePlaintext', 'short'],
      ['LooksLikePlaintext', 'long'],
      ['UnknownField', undefined],
    ]);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });

  it('refuses options that contradict each other, and patterns that are not valid', async () => {
    await expect(validate({ 'a.yaml': '' }, { kms: false, sinkKey: 'x' })).rejects.toThrow('only one of');
    await expect(validate({}, { policy: { allowedVaultPaths: 'sys/**' } })).rejects.toThrow(
      '--allowed-vault-paths',
    );
  });
});
