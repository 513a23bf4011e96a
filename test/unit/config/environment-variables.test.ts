import { readdirSync, readFileSync } from 'node:fs';
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

  it('are taken from the process by the entry points only', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    const users = files.filter((file) => readFileSync(join('src', file), 'utf8').includes('process.env'));
    // `process-guard.ts` removes the secret ones.
    expect(users.sort()).toEqual(['operator.ts', 'process-guard.ts', 'validating-webhook.ts']);
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
