import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { KubeConfigError, leaseNamespace } from '../../../src/kube/kubeconfig.js';

let serviceAccountDir: string;

beforeEach(() => {
  serviceAccountDir = mkdtempSync(join(tmpdir(), 'service-account-'));
});

afterEach(() => {
  rmSync(serviceAccountDir, { recursive: true });
});

function contextIn(namespace?: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server: 'https://127.0.0.1', skipTLSVerify: false }],
    users: [{ name: 'u' }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u', ...(namespace === undefined ? {} : { namespace }) }],
    currentContext: 'x',
  });
  return config;
}

describe('leaseNamespace', () => {
  it('is that of the current context', () => {
    writeFileSync(join(serviceAccountDir, 'namespace'), 'pods\n');
    expect(leaseNamespace(contextIn('team'), serviceAccountDir)).toBe('team');
  });

  it('is else that of the pod', () => {
    writeFileSync(join(serviceAccountDir, 'namespace'), 'pods\n');
    expect(leaseNamespace(contextIn(), serviceAccountDir)).toBe('pods');
  });

  it.each([
    ['no file', undefined],
    ['an empty file', ' \n'],
  ])('is asked for by name with %s', (_, text) => {
    if (text !== undefined) writeFileSync(join(serviceAccountDir, 'namespace'), text);
    const look = (): string => leaseNamespace(contextIn(), serviceAccountDir);
    expect(look).toThrow(KubeConfigError);
    expect(look).toThrow('--leader-election-namespace');
  });
});
