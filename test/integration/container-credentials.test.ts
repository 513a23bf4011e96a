import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { Registry } from 'prom-client';

import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { KmsConnection } from '../../src/kms/kms-connection.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import type { AwsConfig } from '../../src/config/config.js';
import { awsFromEnvironment } from '../../src/config/network-environment.js';
import { FaultList } from '../../src/config/fault-list.js';
import { secretVariables } from '../../src/config/secret-variables.js';
import { awsCredentialChain } from '../../src/runtime/aws-credential-chain.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { classifyCredentialsFailure } from '../../src/runtime/aws-credentials-failure.js';
import { type LoopbackKms, startKmsServer } from '../servers/kms/server.js';
import { whyNoContainerCredentials } from '../../src/runtime/container-endpoint.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { silentLogger } from '../support/loggers.js';
import { failureOf, VaultFixture } from './vault-fixture.js';

describe('the credentials endpoint of a container', () => {
  const before = { ...process.env };
  const seen: unknown[] = [];
  let endpoint: LoopbackServer;

  beforeAll(async () => {
    endpoint = await LoopbackServer.start(({ headers }, _request, response) => {
      seen.push(headers['authorization']);
      response.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          AccessKeyId: 'AKIA1',
          SecretAccessKey: 'secret',
          Token: 'token',
          Expiration: '2099-01-01T00:00:00Z',
        }),
      );
    });
    for (const name of Object.keys(process.env))
      if (name.startsWith('AWS_')) Reflect.deleteProperty(process.env, name);
    process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = `${endpoint.url}/credentials`;
    process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN = 'a-token-of-the-container';
  });

  afterAll(async () => {
    process.env = { ...before };
    await endpoint.close();
  });

  it('is asked with the token, which is not in the environment any more', async () => {
    const aws = awsFromEnvironment(process.env, new FaultList());
    for (const name of secretVariables(process.env, [])) Reflect.deleteProperty(process.env, name);
    expect(process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN).toBeUndefined();
    expect(await awsCredentialChain(aws)()).toMatchObject({ accessKeyId: 'AKIA1' });
    expect(seen).toEqual(['a-token-of-the-container']);
  });

  describe('with the token in a file', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'container-'));
      process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = join(folder, 'token');
      // No file of whoever runs the tests.
      process.env.AWS_SHARED_CREDENTIALS_FILE = join(folder, 'credentials');
      process.env.AWS_CONFIG_FILE = join(folder, 'config');
      seen.length = 0;
    });

    afterEach(() => {
      rmSync(folder, { recursive: true });
    });

    it.each(['\n', '\r\n', ''])(
      'is asked with the token as it is then, without %j at its end',
      async (end) => {
        writeFileSync(join(folder, 'token'), `first${end}`);
        const credentials = awsCredentialChain(awsFromEnvironment(process.env, new FaultList()));
        expect(await credentials()).toMatchObject({ accessKeyId: 'AKIA1' });
        await credentials();
        writeFileSync(join(folder, 'token'), `second${end}`);
        expect(await credentials()).toMatchObject({ accessKeyId: 'AKIA1' });
        expect(seen).toEqual(['first', 'second']);
      },
    );

    it.each(['a\nb', ''])('is not asked without one when the file holds %j', async (text) => {
      writeFileSync(join(folder, 'token'), text);
      const failure: unknown = await awsCredentialChain(
        awsFromEnvironment(process.env, new FaultList()),
      )().catch((error: unknown) => error);
      expect(classifyCredentialsFailure(failure).reason).toMatch(
        /authorization token .*AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE$/,
      );
      expect(seen).toEqual([]);
    });

    it('needs no file where a profile gives the credentials', async () => {
      const profile = '[default]\naws_access_key_id = AKIA2\naws_secret_access_key = secret\n';
      writeFileSync(join(folder, 'credentials'), profile);
      expect(await awsCredentialChain(awsFromEnvironment(process.env, new FaultList()))()).toMatchObject({
        accessKeyId: 'AKIA2',
      });
    });
  });

  describe('that gives none', () => {
    let folder: string;
    let refusing: LoopbackServer;
    let kms: LoopbackKms;
    let answer: { readonly status: number; readonly body: string };

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'container-'));
      process.env.AWS_SHARED_CREDENTIALS_FILE = join(folder, 'credentials');
      process.env.AWS_CONFIG_FILE = join(folder, 'config');
      Reflect.deleteProperty(process.env, 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE');
      refusing = await LoopbackServer.start((_seen, _request, response) => {
        response.writeHead(answer.status).end(answer.body);
      });
      kms = await startKmsServer();
      process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = `${refusing.url}/v1/credentials`;
    });

    afterEach(async () => {
      process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = `${endpoint.url}/credentials`;
      rmSync(folder, { recursive: true });
      await Promise.all([refusing.close(), kms.close()]);
    });

    const aws = (): AwsConfig => awsFromEnvironment(process.env, new FaultList());
    const agent = (name: string): string =>
      `[7c2f]: (${name}): canary: Unauthorized Exception!, fault: client\n`;

    const DENIED = [400, agent('AccessDeniedException')] as const;

    it.each([
      [...DENIED, /refused them: AccessDeniedException \(HTTP 400\): .*pods\.eks/],
      [403, '{"Code":"AccessDeniedException","Message":"canary"}', /AccessDeniedException \(HTTP 403\)/],
      [403, '{"__type":"a.b#AccessDeniedException"}', /refused them: AccessDeniedException \(HTTP 403\)/],
      [404, agent('ResourceNotFoundException'), /ResourceNotFoundException \(HTTP 404\): .*no pod identity/],
      [
        403,
        'Access Denied. (canary): whatever',
        /refused them: HTTP 403: check the pod identity association/,
      ],
      [400, '{"code":"a canary"}', /refused them: HTTP 400: check the pod identity association/],
      [429, 'Too Many Requests. canary', /cannot issue them now: HTTP 429$/],
      [500, agent('InternalServerException'), /cannot issue them now: InternalServerException \(HTTP 500\)$/],
    ])('is said to refuse with %s %s', async (status, body, message) => {
      answer = { status, body };
      const { kind, reason } = classifyCredentialsFailure(
        await whyNoContainerCredentials(`${refusing.url}/v1/credentials`, 'a-token'),
      );
      expect(kind).toBe('refused');
      expect(reason).toMatch(message);
      expect(reason).not.toContain('canary');
      expect(refusing.requests.all.map(({ headers }) => headers.authorization)).toEqual(['a-token']);
    });

    it('is blamed, and not KMS, which is not asked', async () => {
      const [status, body] = DENIED;
      answer = { status, body };
      const api = new AwsKmsApi(
        new KmsConnection(
          { ...aws(), region: kms.region, kmsEndpoint: kms.url, containerToken: 'a-token-of-the-container' },
          new AgentFactory({ sslCertDirs: [] }, silentLogger),
          4,
          new OperatorMetrics(new Registry()),
        ),
      );
      const failures = await Promise.all([1, 2, 3].map(() => failureOf(api.decrypt(new Uint8Array(10), {}))));
      api.close();
      for (const failure of failures) {
        expect(failure).toMatchObject({ failure: 'transient', code: 'CredentialsRefused' });
        expect(failure.message).toContain(
          'KMS, so no request was sent: the credentials endpoint ' +
            `127.0.0.1:${String(refusing.port)} refused them: AccessDeniedException (HTTP 400): `,
        );
      }
      expect(refusing.requests.all.at(-1)?.headers.authorization).toBe('a-token-of-the-container');
      expect(kms.decrypts).toBe(0);
    }, 20_000);

    it('is blamed by the iam login, too', async () => {
      const [status, body] = DENIED;
      answer = { status, body };
      const vault = await LoopbackServer.start((_seen, _request, response) => {
        response.writeHead(400).end('{"errors":[]}');
      });
      const fixture = new VaultFixture(vault.url, { method: 'iam', aws: { ...aws(), region: kms.region } });
      const failure = await failureOf(
        fixture.session.request({ method: 'GET', path: 'kv/app', operation: 'read' }),
      );
      expect(failure.message).toMatch(
        /the credentials endpoint 127\.0\.0\.1:\d+ refused them: AccessDeniedException .*; no request was sent to Vault$/,
      );
      expect(vault.requests.all).toEqual([]);
      await fixture.close();
      await vault.close();
    }, 20_000);

    it('is said not to answer', async () => {
      const { port } = refusing;
      await refusing.close();
      const failure: unknown = await awsCredentialChain(aws())().catch((error: unknown) => error);
      expect(classifyCredentialsFailure(failure)).toEqual({
        kind: 'none',
        reason: `the credentials endpoint 127.0.0.1:${String(port)} does not answer (ECONNREFUSED)`,
      });
    }, 20_000);

    it('is not asked at an address at which the SDK does not ask it', async () => {
      process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = 'http://credentials.test/v1/credentials';
      const failure: unknown = await awsCredentialChain(aws())().catch((error: unknown) => error);
      expect(classifyCredentialsFailure(failure).reason).toBe('CredentialsProviderError');
    });
  });
});
