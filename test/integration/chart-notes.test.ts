import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { hasHelm, renderChart } from '../../scripts/chart/golden.js';
import { parseObjects } from '../../scripts/manifests/rendering.js';
import { the } from '../unit/manifests/rendered.js';

const withHelm = hasHelm() ? describe : describe.skip;
type Values = Readonly<Record<string, unknown>>;

/** What `helm install` would print: `helm template` leaves it out. */
function notesOf(values: Values): string {
  const folder = mkdtempSync(join(tmpdir(), 'chart-notes-'));
  try {
    cpSync('charts/kms-vault-operator', folder, { recursive: true });
    const notes = readFileSync(join(folder, 'templates/NOTES.txt'), 'utf8');
    writeFileSync(join(folder, 'templates/_notes.tpl'), `{{ define "notes" }}${notes}{{ end }}`);
    const head = 'apiVersion: v1\nkind: Notes\nmetadata:\n  name: notes\n';
    writeFileSync(join(folder, 'templates/notes.yaml'), `${head}text: {{ include "notes" . | quote }}\n`);
    const { status, stdout, stderr } = renderChart({ values }, folder);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return String(the(parseObjects(stdout).objects, 'Notes', 'notes')['text']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

withHelm('notes of the chart (skipped where helm is not on the PATH)', () => {
  it.each<[string, Values, string | undefined]>([
    ['nothing', {}, undefined],
    [
      'what the login and the authority need',
      { vaultAuthenticationMethod: 'approle', tls: { enable: true, configMapName: 'vault-ca' } },
      'Secret kms-vault-operator-approle, ConfigMap vault-ca',
    ],
    [
      'certificates that nobody issues',
      {
        metrics: { secure: true },
        auth: { secretName: 'login' },
        vaultAuthenticationMethod: 'token',
        validatingWebhook: { enabled: true, certManager: { injectSecret: false } },
      },
      'Secret login, Secret kms-vault-operator-metrics-tls, Secret kms-vault-validating-webhook',
    ],
    ['nothing when cert-manager issues them', { metrics: { secure: true, certManager: true } }, undefined],
  ])('say that the pods wait for %s', (_, values, expected) => {
    const waits = /^Its pods start when this is in the namespace: (.*)\.$/m;
    expect(waits.exec(notesOf(values))?.[1]).toBe(expected);
  });
});
