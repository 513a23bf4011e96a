import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '../../src/runtime/clock.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import type { ConnectionLimits } from '../../src/runtime/connector.js';
import type { VaultToken } from '../../src/vault/authenticator.js';
import { iamMethod } from '../../src/vault/auth/iam.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { silentLogger } from '../support/loggers.js';
import { closing } from '../support/closing.js';

/** Answers `AssumeRoleWithWebIdentity` (AWS STS API reference) with credentials that the SDK replaces at the next use. */
export async function stsServer(): Promise<LoopbackServer> {
  const sts = await LoopbackServer.start((_seen, _request, response) => {
    // Within the five minutes in which the SDK asks for new ones while these still serve.
    const expiration = new Date(Date.now() + 60_000).toISOString();
    response
      .writeHead(200, { 'content-type': 'text/xml' })
      .end(
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">' +
          '<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIALOOPBACKDEMO0000</AccessKeyId>' +
          '<SecretAccessKey>a-secret</SecretAccessKey><SessionToken>a-session</SessionToken>' +
          `<Expiration>${expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>` +
          '</AssumeRoleWithWebIdentityResponse>',
      );
  });
  return closing(sts);
}

/** The `iam` login with the credentials of a web identity, at a Vault that takes any. */
export function iamLogin(limits: ConnectionLimits = {}): () => Promise<VaultToken> {
  const auth = { client_token: 'a-token', lease_duration: 60, renewable: false };
  const authenticator = iamMethod.create(
    {},
    {
      client: { request: () => Promise.resolve({ status: 200, text: JSON.stringify({ auth }) }) },
      aws: { region: 'eu-west-1' },
      agents: new AgentFactory({ sslCertDirs: [] }, silentLogger, limits),
      clock: systemClock,
    },
  );
  return () => authenticator.login();
}

type Hook = (run: () => void) => void;

/** A web identity, and nothing else of AWS, is in the environment of each test. */
export function useWebIdentity(beforeEach: Hook, afterEach: Hook): void {
  let before: NodeJS.ProcessEnv;
  let folder: string;

  beforeEach(() => {
    before = { ...process.env };
    for (const name of Object.keys(process.env))
      if (name.startsWith('AWS_')) Reflect.deleteProperty(process.env, name);
    folder = mkdtempSync(join(tmpdir(), 'web-identity-'));
    writeFileSync(join(folder, 'token'), 'a-web-identity');
    Object.assign(process.env, {
      AWS_CONFIG_FILE: join(folder, 'config'),
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/operator',
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
    });
  });

  afterEach(() => {
    process.env = before;
    rmSync(folder, { recursive: true });
  });
}
