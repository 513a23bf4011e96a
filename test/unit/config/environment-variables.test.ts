import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import type { Environment } from '../../../src/config/config.js';
import { ENVIRONMENT_VARIABLES } from '../../../src/config/environment-variables.js';
import { FaultList } from '../../../src/config/fault-list.js';
import { awsFromEnvironment, networkFromEnvironment } from '../../../src/config/network-environment.js';
import { secretsOfOtherPrograms, secretVariables } from '../../../src/config/secret-variables.js';
import { withoutStrayCharacters } from '../../../src/config/stray-characters.js';
import { vaultFromEnvironment } from '../../../src/config/vault-environment.js';
import { loadKubeConfig } from '../../../src/kube/kubeconfig.js';
import { mayRunCredentialProcess } from '../../../src/runtime/credential-process.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

const DESCRIBED = ENVIRONMENT_VARIABLES.map(({ name }) => name);

/** The names that everything that reads the environment asks for. */
function namesRead(values: Environment): Set<string> {
  const names = new Set<string>();
  const environment = new Proxy(values, {
    get: (target, name) => {
      names.add(String(name));
      return target[String(name)];
    },
  });
  vaultFromEnvironment(environment, new FaultList());
  awsFromEnvironment(environment, new FaultList());
  networkFromEnvironment(environment, new FaultList());
  secretVariables(environment, []);
  const nowhere = join(import.meta.dirname, 'no-such-folder');
  expect(() =>
    loadKubeConfig({ file: undefined, environment, home: nowhere, serviceAccountDir: nowhere }),
  ).toThrow();
  return names;
}

describe('environment variables', () => {
  const read = new Set([
    ...namesRead({}),
    ...namesRead(Object.fromEntries(DESCRIBED.map((name) => [name, 'value']))),
  ]);

  it('are described when they are read', () => {
    expect(read.size).toBeGreaterThan(30);
    expect([...read].filter((name) => !DESCRIBED.includes(name))).toEqual([]);
  });

  it('are read when they are described, by us or by a library', () => {
    // The command line is parsed with it: a warning says that it is ignored.
    const elsewhere = ['WATCH_NAMESPACE'];
    const ours = ENVIRONMENT_VARIABLES.filter(({ library }) => library !== true).map(({ name }) => name);
    expect(ours.filter((name) => !read.has(name) && !elsewhere.includes(name))).toEqual([]);
  });

  it('reach the configuration only when they are described', () => {
    const faults = new FaultList();
    expect(withoutStrayCharacters({ VAULT_ADDR: 'a', NOBODY_DESCRIBES_ME: 'b' }, [], faults)).toEqual({
      VAULT_ADDR: 'a',
    });
  });

  it('have one description each, which is a sentence', () => {
    const all = [...DESCRIBED, ...AUTH_METHODS.flatMap(({ variables }) => variables.map(({ name }) => name))];
    expect(all.filter((name, index) => all.indexOf(name) !== index)).toEqual([]);
    for (const { description } of ENVIRONMENT_VARIABLES) expect(description).toMatch(/^[A-Z].*\.$/);
  });

  it('with the password of a proxy stay for a credential_process, which inherits them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'profiles-'));
    const env = {
      HTTPS_PROXY: 'http://user:password@proxy',
      VAULT_PROXY_ADDR: 'http://user:password@proxy',
      AWS_CONFIG_FILE: join(folder, 'config'),
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
    };
    const removed = (): string[] =>
      secretVariables(env, [], { keepProxies: mayRunCredentialProcess(env) }).filter((name) =>
        name.includes('PROXY'),
      );
    expect(removed()).toEqual(['VAULT_PROXY_ADDR', 'HTTPS_PROXY']);
    writeFileSync(env.AWS_CONFIG_FILE, '[default]\nregion = eu-west-1\n# credential_process = /old\n');
    expect(removed()).toEqual(['VAULT_PROXY_ADDR', 'HTTPS_PROXY']);
    writeFileSync(env.AWS_SHARED_CREDENTIALS_FILE, '[default]\ncredential_process = /bin/vend\n');
    expect(removed()).toEqual(['VAULT_PROXY_ADDR']);
    rmSync(folder, { recursive: true });
  });

  it('are described when the AWS SDK reads them for KMS, STS or credentials', () => {
    const packages = ['@aws-sdk', '@smithy'].flatMap((scope) =>
      readdirSync(join('node_modules', scope)).map((name) => join('node_modules', scope, name, 'dist-cjs')),
    );
    const files = packages.filter(existsSync).flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((file) => /^(?!.*\.(browser|native)\.).*\.js$/.test(file))
        .map((file) => join(folder, file)),
    );
    const names = files.flatMap((file) => [
      ...readFileSync(file, 'utf8').matchAll(/(?:["'`]|env\.)(AWS_[A-Z0-9_]+)\b/g),
    ]);
    const found = new Set(names.map(([, name = '']) => name));
    expect(found.size).toBeGreaterThan(30);
    const others = new Set([
      // Values in the API of KMS.
      ...['AWS_CLOUDHSM', 'AWS_KMS'],
      // Only beside static credentials, which we give ourselves, and for hosts by account, which KMS and STS have not.
      ...[
        'AWS_ACCOUNT_ID',
        'AWS_ACCOUNT_ID_ENDPOINT_MODE',
        'AWS_CREDENTIAL_EXPIRATION',
        'AWS_CREDENTIAL_SCOPE',
      ],
      // Of Lambda, and of a signature for several regions, whose package is not there.
      ...['AWS_LAMBDA_FUNCTION_NAME', 'AWS_SIGV4A_SIGNING_REGION_SET'],
      // Of services that are asked with a bearer token.
      'AWS_BEARER_TOKEN_',
      // A warning about versions of Node.
      'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED',
    ]);
    expect([...found].filter((name) => !others.has(name) && !DESCRIBED.includes(name))).toEqual([]);
  });

  it('are taken from the process by the entry points only', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    const users = files.filter((file) => readFileSync(join('src', file), 'utf8').includes('process.env'));
    // `process-guard.ts` removes the secret ones; the kubeconfig is found by others.
    expect(users.sort()).toEqual(['operator.ts', 'program/process-guard.ts', 'program/run-program.ts']);
  });
});

describe('secretsOfOtherPrograms', () => {
  it('are those that leave the environment and are set, and none of Vault', () => {
    const environment = {
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_REGION: 'eu-west-1',
      HTTPS_PROXY: 'http://user:word@proxy:3128',
      HTTP_PROXY: 'http://proxy:3128',
      VAULT_HEADERS: '{}',
    };
    expect(
      secretsOfOtherPrograms(environment)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'HTTPS_PROXY']);
  });
});
