import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { type LoopbackKms, startKmsServer } from '../servers/kms/server.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { silentLogger } from '../support/loggers.js';

/** What STS answers when the role's trust policy does not admit the caller. */
const DENIED =
  '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>' +
  '<Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error>' +
  '<RequestId>1</RequestId></ErrorResponse>';

describe('AwsKmsApi with a web identity', () => {
  const before = { ...process.env };
  const directory = mkdtempSync(join(tmpdir(), 'kms-credentials-'));
  let kms: LoopbackKms;
  let sts: LoopbackServer;

  beforeAll(async () => {
    kms = await startKmsServer();
    sts = await LoopbackServer.start((_seen, _request, response) => {
      response.writeHead(403, { 'content-type': 'text/xml' }).end(DENIED);
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

  it('does not take a denial by STS for one by KMS', async () => {
    const api = new AwsKmsApi({
      aws: { region: kms.region, kmsEndpoint: kms.url },
      agents: new AgentFactory({ network: { sslCertDirs: [] }, logger: silentLogger }),
      maxSockets: 4,
      metrics: new OperatorMetrics(new Registry()),
    });
    await expect(api.decrypt(new Uint8Array(10), {})).rejects.toMatchObject({
      failure: 'transient',
      reason: 'KmsUnavailable',
      code: 'CredentialsRefused',
      message: expect.stringMatching(/STS.*AccessDenied \(HTTP 403\).*trust policy/) as unknown,
    });
    expect(sts.requests.all.length).toBeGreaterThan(0);
    expect(kms.decrypts).toBe(0);
    api.close();
  });
});
