import { describe, expect, it } from '@jest/globals';

import { fixture, plan, reader, secret, tool, usePlanner } from './plan-fixture.js';

usePlanner();

describe('plan', () => {
  it('takes the token as Vault does: VAULT_TOKEN, else the file of vault login', async () => {
    tool.write('web.yaml', secret('web', { a: { value: 'one' } }));
    tool.write('.vault-token', `${reader}\n`, 0o600);
    expect((await tool.run(['plan', '-f', 'web.yaml'], { env: { VAULT_TOKEN: '' } })).code).toBe(2);
    tool.write('.vault-token', 'hvs.wrong');
    expect((await plan('-f', 'web.yaml')).code).toBe(2);
    const wrong = await tool.run(['plan', '-f', 'web.yaml'], { env: { VAULT_TOKEN: '' } });
    expect(wrong.stderr).toContain('Vault does not accept the token of ~/.vault-token');
    expect({ code: wrong.code, stdout: wrong.stdout }).toEqual({ code: 1, stdout: '' });
    tool.write('.vault-token', '');
    const none = await tool.run(['plan', '-f', 'web.yaml'], { env: { VAULT_TOKEN: '' } });
    expect(none.stderr).toContain('there is no token for Vault: log in with vault login, or set VAULT_TOKEN');
    expect(tool.printed).not.toContain('hvs.wrong');
  });

  it('takes the token from the file of VAULT_TOKEN_FILE, and says what is wrong with it', async () => {
    tool.write('web.yaml', secret('web', { a: { value: 'one' } }));
    tool.write('token', `${reader}\n`, 0o600);
    const run = async (env: Record<string, string>): Promise<{ code: number | null; stderr: string }> =>
      await tool.run(['plan', '-f', 'web.yaml'], {
        env: { VAULT_TOKEN: '', VAULT_TOKEN_FILE: 'token', ...env },
      });
    expect((await run({})).code).toBe(2);
    const both = await run({ VAULT_TOKEN: reader });
    expect(both.stderr).toContain('VAULT_TOKEN and VAULT_TOKEN_FILE are both set: set only one of them');
    expect((await run({ VAULT_TOKEN_FILE: 'nowhere' })).stderr).toContain(
      'VAULT_TOKEN_FILE: the file nowhere does not exist',
    );
    tool.write('token', '\n');
    expect((await run({})).stderr).toContain('VAULT_TOKEN_FILE: the file token is empty');
    tool.write('token', 'hvs.wrong');
    const wrong = await run({});
    expect(wrong).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the token of VAULT_TOKEN_FILE'),
    });
    expect(wrong.stderr).not.toContain('hvs.wrong');
  });

  it('says when Vault or KMS cannot be asked', async () => {
    tool.write('web.yaml', secret('web', { a: { value: 'one' } }));
    const noVault = await tool.run(['plan', '-f', 'web.yaml'], {
      env: { VAULT_ADDR: 'http://127.0.0.1:1', VAULT_MAX_RETRIES: '0' },
    });
    expect(noVault.stderr).toMatch(/^error: .*Vault/);
    expect(noVault.code).toBe(1);
    const noKms = await tool.run(['plan', '-f', 'web.yaml'], {
      env: { AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1' },
    });
    expect(noKms.stdout).toContain('cannot be told');
    expect(noKms.stdout).toContain('KmsUnavailable');
    expect(noKms.code).toBe(1);
  });

  it.each([
    ['no file', [], "required option '-f, --filename <file>' not specified"],
    ['a file without resources', ['-f', 'none.yaml'], 'there is no KMSVaultSecret'],
    ['a file that is missing', ['-f', 'nowhere.yaml'], 'there is no such file'],
    ['bad YAML', ['-f', 'bad.yaml'], /error: bad\.yaml:\d+:\d+: /],
    [
      'a resource twice',
      ['-f', 'web.yaml', '-f', 'copy.yaml'],
      'KMSVaultSecret default/web is in web.yaml:1 and in copy.yaml:1',
    ],
    ['another namespace', ['-f', 'web.yaml', '-n', 'team'], 'in another namespace than --namespace team'],
    ['a context without a cluster', ['-f', 'web.yaml', '--context', 'x'], 'belong to --cluster'],
    ['an unknown context', ['-f', 'web.yaml', '--cluster', '--context', 'x'], 'has no context x'],
    [
      'a bad pattern',
      ['-f', 'web.yaml', '--allowed-vault-paths', 'sys/*'],
      '--allowed-vault-paths: pattern "sys/*"',
    ],
  ])('ends with 1 after %s', async (_what, args, problem) => {
    tool.write('none.yaml', 'kind: ConfigMap\n');
    tool.write('bad.yaml', 'kind: [\n');
    tool.write('web.yaml', secret('web', { a: { value: 'one' } }));
    tool.write('copy.yaml', secret('web', { a: { value: 'one' } }));
    tool.write('kubeconfig', fixture.servers.kubernetes.adminKubeconfig());
    const { code, stdout, stderr } = await tool.run(['plan', ...args], {
      env: { KUBECONFIG: tool.path('kubeconfig') },
    });
    expect(stderr).toMatch(problem);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(fixture.servers.kms.requests.all).toEqual([]);
  });
});
