import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';

import { ApiCredentials } from '../../../src/kube/api-credentials.js';
import { AgentFactory } from '../../../src/runtime/agents.js';
import { TestAuthority } from '../../servers/shared/certificates.js';
import { silentLogger } from '../../support/loggers.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kms-vault-credentials-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function credentialsOf(user: object, sslCertFile?: string): ApiCredentials {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'c', server: 'https://127.0.0.1:1', skipTLSVerify: false },
    { name: 'u', ...user },
  );
  const network = { sslCertDirs: [], ...(sslCertFile === undefined ? {} : { sslCertFile }) };
  const agents = new AgentFactory(network, silentLogger);
  return new ApiCredentials(config, () => agents.extraRoots());
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

describe('credentials that did not change', () => {
  it.each(['without', 'with'])('are not read again, %s additional roots', async (which) => {
    const roots = join(folder, 'roots.pem');
    if (which === 'with') writeFileSync(roots, (await TestAuthority.create()).cert);
    const credentials = credentialsOf({ token: 'token' }, which === 'with' ? roots : undefined);
    expect(credentials.unchanged()).toBeUndefined();
    const secrets = await credentials.read();
    expect(secrets.headers).toEqual({ Authorization: 'Bearer token' });
    expect(credentials.unchanged()).toBe(secrets);
  });

  it('are read again when the additional roots are replaced', async () => {
    const roots = join(folder, 'roots.pem');
    writeFileSync(roots, (await TestAuthority.create()).cert);
    const credentials = credentialsOf({ token: 'token' }, roots);
    await credentials.read();
    replace(roots, (await TestAuthority.create()).cert);
    expect(credentials.unchanged()).toBeUndefined();
  });

  it('are read again when the token file is replaced or missing', async () => {
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'one');
    const credentials = credentialsOf({ authProvider: { name: 'tokenFile', config: { tokenFile } } });
    const secrets = await credentials.read();
    expect(credentials.unchanged()).toBe(secrets);
    replace(tokenFile, 'two');
    expect(credentials.unchanged()).toBeUndefined();
    expect((await credentials.read()).headers).toEqual({ Authorization: 'Bearer two' });
    rmSync(tokenFile);
    expect(credentials.unchanged()).toBeUndefined();
  });

  it('are requested from a plugin or an auth provider each time', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/sh', args: ['-c', PLUGIN] };
    const credentials = credentialsOf({ exec });
    expect((await credentials.read()).headers).toEqual({ Authorization: 'Bearer given' });
    expect(credentials.unchanged()).toBeUndefined();
  });
});

const PLUGIN = `echo '${JSON.stringify({
  apiVersion: 'client.authentication.k8s.io/v1',
  kind: 'ExecCredential',
  status: { token: 'given' },
})}'`;
