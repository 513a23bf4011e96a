import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { KmsConnection } from '../../src/kms/kms-connection.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { type LoopbackKms, startKmsServer } from '../servers/kms/server.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { silentLogger } from '../support/loggers.js';
import { failureOf, VaultFixture } from './vault-fixture.js';

interface Refusal {
  readonly status: number;
  readonly code: string;
}

const DENIED: Refusal = { status: 403, code: 'AccessDenied' };

/** As STS refuses; the text may quote what was sent. */
function refusalText({ code }: Refusal): string {
  return (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>' +
    `<Code>${code}</Code><Message>canary: not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error>` +
    '<RequestId>1</RequestId></ErrorResponse>'
  );
}

describe('a web identity that STS refuses', () => {
  let refusal = DENIED;
  const before = { ...process.env };
  const directory = mkdtempSync(join(tmpdir(), 'kms-credentials-'));
  let kms: LoopbackKms;
  let sts: LoopbackServer;

  beforeAll(async () => {
    kms = await startKmsServer();
    sts = await LoopbackServer.start((_seen, _request, response) => {
      response.writeHead(refusal.status, { 'content-type': 'text/xml' }).end(refusalText(refusal));
    });
    for (const name of Object.keys(process.env))
      if (name.startsWith('AWS_')) Reflect.deleteProperty(process.env, name);
    writeFileSync(join(directory, 'token'), 'a-token');
    process.env.AWS_WEB_IDENTITY_TOKEN_FILE = join(directory, 'token');
    process.env.AWS_ROLE_ARN = 'arn:aws:iam::111122223333:role/operator';
    process.env.AWS_ENDPOINT_URL_STS = sts.url;
    process.env.AWS_EC2_METADATA_DISABLED = 'true';
  });

  afterAll(async () => {
    process.env = { ...before };
    rmSync(directory, { recursive: true });
    await Promise.all([kms.close(), sts.close()]);
  });

  it('is not taken for a denial by KMS', async () => {
    const api = new AwsKmsApi(
      new KmsConnection(
        { region: kms.region, kmsEndpoint: kms.url },
        new AgentFactory({ sslCertDirs: [] }, silentLogger),
        4,
        new OperatorMetrics(new Registry()),
      ),
    );
    await expect(api.decrypt(new Uint8Array(10), {})).rejects.toMatchObject({
      failure: 'transient',
      reason: 'KmsUnavailable',
      code: 'CredentialsRefused',
      message: expect.stringMatching(
        /KMS, so no request was sent: AWS STS refused them: AccessDenied \(HTTP 403\): the trust policy of the role/,
      ) as unknown,
    });
    expect(sts.requests.all.length).toBeGreaterThan(0);
    expect(kms.decrypts).toBe(0);
    api.close();
  });

  it.each<[Refusal, RegExp]>([
    [DENIED, /AWS STS refused them: AccessDenied \(HTTP 403\): the trust policy of the role/],
    [{ status: 400, code: 'InvalidIdentityToken' }, /InvalidIdentityToken.*no IAM identity provider/],
    [{ status: 400, code: 'ExpiredTokenException' }, /ExpiredTokenException.*has expired/],
    [{ status: 400, code: 'ValidationError' }, /ValidationError.*role of the operator's service account/],
    [{ status: 500, code: 'InternalFailure' }, /AWS STS cannot issue them now: InternalFailure \(HTTP 500\)/],
  ])('is not taken for a lack of credentials by the iam login: %j', async (how, message) => {
    refusal = how;
    const vault = await LoopbackServer.start((_seen, _request, response) => {
      response.writeHead(400).end('{"errors":[]}');
    });
    const fixture = new VaultFixture(vault.url, { method: 'iam', aws: { region: kms.region } });
    const failure = await failureOf(
      fixture.session.request({ method: 'GET', path: 'kv/app', operation: 'read' }),
    );
    expect(failure.message).toMatch(message);
    expect(failure.message).toMatch(/iam login: .*; no request was sent to Vault$/);
    expect(failure.message).not.toContain('canary');
    expect(vault.requests.all).toEqual([]);
    await fixture.close();
    await vault.close();
    refusal = DENIED;
  });
});
