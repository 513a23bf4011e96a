import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';

import type { AwsConfig } from '../../src/config/config.js';
import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { KmsConnection } from '../../src/kms/kms-connection.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { systemClock } from '../../src/runtime/clock.js';
import { iamMethod } from '../../src/vault/auth/iam.js';
import { DEMO_ACCESS_KEY } from '../servers/kms/demo-key.js';
import { ConnectProxy } from '../support/connect-proxy.js';
import { silentLogger } from '../support/loggers.js';
import { closing } from '../support/closing.js';
import { CIPHERTEXT, lookup, useConnections } from './connection-fixture.js';

useConnections();

let environment: NodeJS.ProcessEnv;
let folder: string;
let proxy: ConnectProxy;

beforeEach(async () => {
  environment = { ...process.env };
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('AWS_') && !name.startsWith('AWS_SDK_')) Reflect.deleteProperty(process.env, name);
  }
  folder = mkdtempSync(join(tmpdir(), 'aws-hosts-'));
  writeFileSync(join(folder, 'jwt'), 'jwt');
  Object.assign(process.env, {
    AWS_CONFIG_FILE: join(folder, 'config'),
    AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/operator',
    AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'jwt'),
  });
  proxy = closing(await ConnectProxy.start());
  proxy.refuseWith = 403;
});

afterEach(() => {
  process.env = environment;
  rmSync(folder, { recursive: true });
});

/** Hosts that the proxy was asked for; what goes past it ends on a closed port of this machine. */
async function proxied(run: (agents: AgentFactory) => Promise<unknown>, noProxy = ''): Promise<string[]> {
  proxy.asked.length = 0;
  const network = { sslCertDirs: [], httpsProxy: `http://${proxy.host}`, noProxy };
  await expect(run(new AgentFactory(network, silentLogger, { lookup }))).rejects.toThrow();
  return [...new Set(proxy.asked)];
}

const decrypt = (aws: AwsConfig) => (agents: AgentFactory) => {
  const metrics = new OperatorMetrics(new Registry());
  return closing(new AwsKmsApi(new KmsConnection(aws, agents, 2, metrics))).decrypt(CIPHERTEXT, {});
};
const login = (aws: AwsConfig) => (agents: AgentFactory) => {
  const client = { request: () => Promise.reject(new Error('Vault is not asked')) };
  return iamMethod.create({}, { client, aws, agents, clock: systemClock }).login();
};

describe.each([
  {
    of: 'FIPS',
    env: { AWS_USE_FIPS_ENDPOINT: 'true' },
    region: 'us-east-1',
    kms: 'kms-fips.us-east-1.amazonaws.com',
    sts: 'sts-fips.us-east-1.amazonaws.com',
  },
  {
    of: 'dual stack',
    env: { AWS_USE_DUALSTACK_ENDPOINT: 'true' },
    region: 'eu-west-1',
    kms: 'kms.eu-west-1.api.aws',
    sts: 'sts.eu-west-1.api.aws',
  },
  {
    of: "the profile's region, in another partition",
    profile: 'region = cn-north-1',
    kms: 'kms.cn-north-1.amazonaws.com.cn',
    sts: 'sts.cn-north-1.amazonaws.com.cn',
  },
  {
    of: "the profile's FIPS",
    profile: 'region = us-west-2\nuse_fips_endpoint = true',
    kms: 'kms-fips.us-west-2.amazonaws.com',
    sts: 'sts-fips.us-west-2.amazonaws.com',
  },
  {
    of: 'a URL of its own for STS',
    env: { AWS_ENDPOINT_URL_STS: 'https://sts.test' },
    region: 'eu-west-1',
    kms: 'kms.eu-west-1.amazonaws.com',
    sts: 'sts.test',
  },
])('the hosts of $of', ({ env = {}, profile = '', region, kms, sts }) => {
  const aws: AwsConfig = region === undefined ? {} : { region };

  beforeEach(() => {
    Object.assign(process.env, env);
    writeFileSync(join(folder, 'config'), `[default]\n${profile}\n`);
  });

  it('are asked by KMS, by its credentials and by the iam login, through the proxy', async () => {
    expect(await proxied(decrypt({ ...aws, staticCredentials: DEMO_ACCESS_KEY }))).toEqual([`${kms}:443`]);
    expect(await proxied(decrypt(aws))).toEqual([`${sts}:443`]);
    expect(await proxied(login(aws))).toEqual([`${sts}:443`]);
  });

  it('are asked past the proxy when NO_PROXY names them, each for itself', async () => {
    const staticCredentials = DEMO_ACCESS_KEY;
    expect(await proxied(decrypt({ ...aws, staticCredentials }), kms)).toEqual([]);
    expect(await proxied(decrypt({ ...aws, staticCredentials }), sts)).toEqual([`${kms}:443`]);
    expect(await proxied(decrypt(aws), kms)).toEqual([`${sts}:443`]);
    expect(await proxied(login(aws), sts)).toEqual([]);
  });
});
