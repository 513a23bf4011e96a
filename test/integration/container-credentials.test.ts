import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { awsFromEnvironment } from '../../src/config/network-environment.js';
import { FaultList } from '../../src/config/fault-list.js';
import { secretVariables } from '../../src/config/secret-variables.js';
import { awsCredentialChain } from '../../src/runtime/aws-credential-chain.js';
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
});
