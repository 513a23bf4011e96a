import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { checkManifests } from '../../scripts/manifests/check.js';
import { hasKubectl } from '../../scripts/manifests/rendering.js';

const withKubectl = hasKubectl() ? it : it.skip;

let folder: string;

/** Runs the check of `npm run check` over the copy. */
async function check(
  path = process.env['PATH'] ?? '',
): Promise<{ code: number; out: string; err: string[] }> {
  const options = { cwd: folder, env: { ...process.env, PATH: path } };
  return await new Promise((done) => {
    execFile(process.execPath, ['scripts/check-manifests.mjs'], options, (error, stdout, stderr) => {
      done({
        code: Number(error?.code ?? 0),
        out: stdout.trim(),
        err: stderr.trim().split('\n').filter(Boolean),
      });
    });
  });
}

function edit(file: string, from: string, to: string): void {
  const path = join(folder, file);
  const text = readFileSync(path, 'utf8');
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
  writeFileSync(path, text.replace(from, to));
}

describe('the check of the manifests', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'manifests-check-'));
    for (const name of ['manifests', 'kustomize']) cpSync(name, join(folder, name), { recursive: true });
    for (const name of ['scripts', 'node_modules', 'package.json'])
      symlinkSync(resolve(name), join(folder, name));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('says by name what it skips without kubectl', async () => {
    const { faults, summary } = await checkManifests(false);
    expect(faults).toEqual([]);
    expect(summary).toMatch(/^\d+ manifest files are valid; skipped, because kubectl is not on the PATH: /);
    expect(summary).toMatch(/: kustomize\/base, kustomize\/components, kustomize\/overlays$/);
    expect(await check('/nowhere')).toEqual({ code: 0, out: summary, err: [] });
  });

  it('fails for what is wrong in a file, and says where', async () => {
    edit('manifests/operator/deployment.yaml', 'replicas: 1', 'replcias: 1');
    edit('manifests/webhook/deployment.yaml', 'allowPrivilegeEscalation: false', 'privileged: true');
    edit('manifests/webhook/service.yaml', 'targetPort: https', 'targetPort: http');
    edit('manifests/rbac/service-account.yaml', 'metadata:', 'metadata: {}');
    const { code, err } = await check('/nowhere');
    expect(code).toBe(1);
    const webhook = 'Deployment vault/kms-vault-validating-webhook';
    expect(err).toEqual(
      expect.arrayContaining([
        'manifests/operator/deployment.yaml: Deployment vault/kms-vault-operator: spec.replcias: unknown field',
        `manifests/webhook/deployment.yaml: ${webhook}: containers[kms-vault-validating-webhook]: privileged`,
        expect.stringMatching(/^manifests\/rbac\/service-account\.yaml: /),
        `manifests: Service vault/kms-vault-validating-webhook: port https: ${webhook} has no port named http`,
      ]),
    );
  }, 60_000);

  withKubectl(
    'fails for what kustomize makes of them (skipped where kubectl is not on the PATH)',
    async () => {
      edit(
        'kustomize/components/monitoring/kustomization.yaml',
        'substitute: disabled',
        'substitute: enabled',
      );
      edit(
        'manifests/operator/deployment.yaml',
        'runAsNonRoot: true',
        'runAsNonRoot: true\n        fsGroup: 1',
      );
      edit('kustomize/components/vault-ca/volume.yaml', 'readOnly: true', 'readOnyl: true');
      edit('kustomize/overlays/dev/kustomization.yaml', 'value: Ignore', 'value: ignore');
      edit(
        'kustomize/overlays/production/kustomization.yaml',
        'components:',
        'patchesJson6902: []\ncomponents:',
      );
      const components = join(folder, 'kustomize/components');
      cpSync(join(components, 'webhook'), join(components, 'new'), { recursive: true });
      const { code, err } = await check();
      expect(code).toBe(1);
      expect(err).toEqual(
        expect.arrayContaining([
          expect.stringMatching(
            /^kustomize\/overlays\/production: ConfigMap .*: Flux would replace \$\{datasource\}: .* is missing$/,
          ),
          "kustomize/base: Deployment vault/kms-vault-operator: OpenShift's restricted-v2: fsGroup 1",
          expect.stringMatching(
            /^kustomize\/overlays\/staging: .*volumeMounts\[0\]\.readOnyl: unknown field$/,
          ),
          expect.stringMatching(
            /^kustomize\/overlays\/dev: .*webhooks\[0\]\.failurePolicy: must be equal to one/,
          ),
          expect.stringMatching(
            /^kustomize\/overlays\/production: # Warning: 'patchesJson6902' is deprecated/,
          ),
        ]),
      );
    },
    60_000,
  );
});
