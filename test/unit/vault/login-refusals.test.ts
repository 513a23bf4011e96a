import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from '@jest/globals';

import { AgentFactory } from '../../../src/runtime/agents.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { appRoleMethod } from '../../../src/vault/auth/approle.js';
import { certMethod } from '../../../src/vault/auth/cert.js';
import { iamMethod } from '../../../src/vault/auth/iam.js';
import { jwtMethod } from '../../../src/vault/auth/jwt.js';
import { kubernetesMethod } from '../../../src/vault/auth/kubernetes.js';
import { ldapMethod } from '../../../src/vault/auth/ldap.js';
import { userpassMethod } from '../../../src/vault/auth/userpass.js';
import type { VaultAuthMethod } from '../../../src/vault/authenticator.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { silentLogger } from '../../support/loggers.js';

const folder = mkdtempSync(join(tmpdir(), 'login-refusals-'));
const FILE = join(folder, 'token');
writeFileSync(FILE, 'a.signed.token');
const VALUES = {
  VAULT_K8S_TOKEN_PATH: FILE,
  VAULT_JWT_TOKEN_PATH: FILE,
  VAULT_IAM_AWS_ACCESS_KEY_ID: 'AKIA',
  VAULT_IAM_AWS_SECRET_ACCESS_KEY: 'key',
};
const errors = (...texts: string[]): string => JSON.stringify({ errors: texts });

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What the login fails with when Vault answers so. */
async function refusal(method: VaultAuthMethod, text: string, status = 400): Promise<VaultError> {
  const authenticator = method.create(VALUES, {
    client: { request: () => Promise.resolve({ status, text }) },
    aws: { region: 'eu-west-1' },
    agents: new AgentFactory({ sslCertDirs: [] }, silentLogger),
    clock: systemClock,
  });
  try {
    await authenticator.login();
  } catch (error) {
    if (error instanceof VaultError) return error;
    throw error;
  }
  throw new Error('logged in');
}

const AUDIENCE = 'audience claim does not match any expected audience';

describe('a refused login', () => {
  it.each([
    [
      kubernetesMethod,
      `invalid audience (aud) claim: ${AUDIENCE}`,
      'invalid audience (aud) claim; the token is for another audience than the role in Vault asks for',
    ],
    [kubernetesMethod, 'invalid role name "nope"', 'invalid role name; Vault has no such role'],
    [
      kubernetesMethod,
      'namespace not authorized',
      'namespace not authorized; the role is bound to other namespaces',
    ],
    [appRoleMethod, 'invalid role or secret ID', 'invalid role or secret ID'],
    [appRoleMethod, 'invalid secret_id "5ecret"', 'invalid secret_id'],
    [
      iamMethod,
      'error making upstream request: received error code 403 from STS: 5ecret',
      'error making upstream request; Vault cannot reach STS, or STS rejects the request',
    ],
    [
      iamMethod,
      'IAM Principal "arn:aws:iam::1:user/x" does not belong to the role "r"',
      'IAM Principal; the role is bound to other principals',
    ],
    [
      jwtMethod,
      `error validating token: invalid audience (aud) claim: ${AUDIENCE}`,
      'error validating token: invalid audience (aud) claim; the token is for another audience than the role in Vault asks for',
    ],
    [
      jwtMethod,
      'error validating token: error verifying token signature: no known key successfully validated the token signature',
      'error validating token: error verifying token signature; Vault does not have the key that signed the token; check the configuration of the auth method',
    ],
    [
      jwtMethod,
      'error validating claims: claim "env" does not match any associated bound claim values',
      'error validating claims; the claims of the token do not match those that the role is bound to',
    ],
    [jwtMethod, 'role "5ecret" could not be found', 'role could not be found; Vault has no such role'],
    [
      ldapMethod,
      'ldap operation failed: failed to bind as user',
      'ldap operation failed: failed to bind as user; the LDAP server rejects the user name and password, or Vault cannot find the user there',
    ],
    [
      certMethod,
      'no client certificate found',
      'no client certificate found; Vault received no client certificate: a proxy or load balancer terminates TLS in front of it, or its listener sets tls_disable_client_certs',
    ],
    [
      certMethod,
      // As OpenBao has it.
      'invalid certificate or no client certificate supplied; additionally got errors during verification: <nil>',
      'invalid certificate or no client certificate supplied; no role trusts the issuer of the client certificate, or Vault has no such role',
    ],
  ])('of $name with %s says %s', async (method, text, expected) => {
    const { failure, message } = await refusal(method, errors('another', text));
    expect(failure).toBe('rejected');
    expect(message).toBe(
      `Vault refused the login (HTTP 400: ${expected}); check the credentials, the role and the login endpoint`,
    );
  });

  it.each([
    errors('5ecret'),
    errors('failed: invalid secret_id'),
    errors('invalid secret_ids 5ecret'),
    errors(),
    '<html>invalid secret_id</html>',
    '',
  ])('says nothing of %s', async (text) => {
    const { message } = await refusal(appRoleMethod, text);
    expect(message).toMatch(/^Vault refused the login \(HTTP 400\)/);
  });

  it('says what a bare denial means with the method', async () => {
    const denied = errors('permission denied');
    const bare = await refusal(kubernetesMethod, denied, 403);
    expect(bare.failure).toBe('forbidden');
    expect(bare.message).toContain('HTTP 403: permission denied; the API server rejected the token');
    for (const cause of ['token_bound_cidrs', 'signature', 'cannot reach it or is not allowed']) {
      expect(bare.message).toContain(cause);
    }
    expect((await refusal(ldapMethod, denied, 403)).message).toContain('locked the user');
    expect((await refusal(userpassMethod, denied, 403)).message).toContain('locked the user');
    expect((await refusal(appRoleMethod, denied, 403)).message).toContain('locked the role id');
    expect((await refusal(appRoleMethod, denied, 403)).message).not.toContain('API server');
    const more = errors('permission denied: 5ecret');
    expect((await refusal(kubernetesMethod, more, 403)).message).not.toContain('API server');
  });
});

describe('a login that Vault could not check', () => {
  it.each([
    [
      403,
      'namespace not authorized err=Get "https://10.0.0.1:443/api/v1/namespaces/vault": dial tcp: 5ecret',
      kubernetesMethod,
      'namespace not authorized; Vault could not read the namespace',
    ],
    [
      400,
      'error validating token: error verifying token signature: fetching keys oidc: get keys failed: Get "5ecret"',
      jwtMethod,
      'fetching keys; Vault cannot get the keys of the issuer',
    ],
    [
      400,
      'error configuring token validator: Get "https://5ecret/.well-known/openid-configuration": dial tcp',
      jwtMethod,
      'error configuring token validator; Vault cannot reach the issuer',
    ],
    [
      400,
      'error looking up full ARN of entity &{aws 5ecret}: RequestError: send request failed',
      iamMethod,
      'error looking up full ARN of entity; Vault cannot look up the principal in IAM',
    ],
    [
      400,
      'LDAP search failed for detecting user: LDAP Result Code 200 "Network Error": 5ecret',
      ldapMethod,
      'LDAP search failed; Vault cannot reach the LDAP server',
    ],
    [
      400,
      'LDAP bind (service) failed: LDAP Result Code 52 "Unavailable": 5ecret',
      ldapMethod,
      'LDAP bind (service) failed; Vault cannot reach the LDAP server',
    ],
  ])('is an outage: HTTP %i %s', async (status, text, method, expected) => {
    const { failure, message } = await refusal(method, errors(text), status);
    expect(failure).toBe('unavailable');
    expect(message).toContain('Vault could not check the login');
    expect(message).toContain(expected);
    expect(message).not.toContain('5ecret');
  });

  it.each([
    // Go's multierror, as sdk/helper/ldaputil gives it for each of its urls.
    '1 error occurred:\n\t* error connecting to host "ldap://x": LDAP Result Code 200 "Network Error": 5ecret\n\n',
    '2 errors occurred:\n\t* error connecting to host "ldap://x": y\n\t* error connecting to host "ldap://z": y\n\n',
    'ldap operation failed: failed to connect to LDAP server',
  ])('is an outage, and no failure that could lock the user out: %j', async (text) => {
    const { failure, message } = await refusal(ldapMethod, errors(text));
    expect(failure).toBe('unavailable');
    expect(message).toMatch(/^Vault could not check the login \(HTTP 400: .*reach/);
    expect(message).not.toContain('5ecret');
  });
});
