import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { awsFromEnvironment } from '../../src/config/network-environment.js';
import { FaultList } from '../../src/config/fault-list.js';
import { secretVariables } from '../../src/config/secret-variables.js';
import { awsCredentialChain } from '../../src/runtime/aws-credential-chain.js';
import { classifyCredentialsFailure } from '../../src/runtime/aws-credentials-failure.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';

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
});
