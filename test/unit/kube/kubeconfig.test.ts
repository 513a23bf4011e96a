import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { KubeConfig } from '@kubernetes/client-node';

import { tokenFileOf } from '../../../src/kube/api-credentials.js';
import {
  KubeConfigError,
  type KubeConfigSources,
  loadKubeConfig,
  namespaceOf,
  passToExecPlugin,
} from '../../../src/kube/kubeconfig.js';

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
});

afterEach(() => {
  rmSync(home, { recursive: true });
});

function write(name: string, text: string): string {
  const file = join(home, name);
  writeFileSync(file, text);
  return file;
}

const config = (server: string, user: object = {}, more: object = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u', namespace: 'team' } }],
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user }],
    ...more,
  });

function load(sources: Partial<KubeConfigSources> = {}) {
  return loadKubeConfig({
    file: undefined,
    environment: {},
    home,
    serviceAccountDir: join(home, 'serviceaccount'),
    ...sources,
  });
}

const serverOf = (sources: Partial<KubeConfigSources>): string | undefined =>
  load(sources).getCurrentCluster()?.server;

const IN_CLUSTER = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' };

function writeServiceAccount(): void {
  mkdirSync(join(home, 'serviceaccount'));
  for (const name of ['token', 'ca.crt', 'namespace']) write(`serviceaccount/${name}`, `${name}\n`);
}

describe('loadKubeConfig', () => {
  it('takes the flag, then KUBECONFIG, then the pod, then the default file', () => {
    const file = write('flag', config('https://flag'));
    const environment = { ...IN_CLUSTER, KUBECONFIG: write('environment', config('https://environment')) };
    writeServiceAccount();
    mkdirSync(join(home, '.kube'));
    write('.kube/config', config('https://default'));
    expect(serverOf({ file, environment })).toBe('https://flag');
    expect(serverOf({ environment })).toBe('https://environment');
    expect(serverOf({ environment: IN_CLUSTER })).toBe('https://10.0.0.1:443');
    expect(serverOf({})).toBe('https://default');
  });

  it('reads a pod: token file, authority, namespace, an IPv6 address in brackets', () => {
    writeServiceAccount();
    const loaded = load({ environment: { ...IN_CLUSTER, KUBERNETES_SERVICE_HOST: 'fd00::1' } });
    expect(loaded.getCurrentCluster()).toMatchObject({
      server: 'https://[fd00::1]:443',
      caFile: join(home, 'serviceaccount', 'ca.crt'),
      skipTLSVerify: false,
    });
    expect(tokenFileOf(loaded)).toBe(join(home, 'serviceaccount', 'token'));
    expect(namespaceOf(loaded)).toBe('namespace');
  });

  it('merges the files of KUBECONFIG: the first to name a thing wins, missing ones are skipped', () => {
    const first = write(
      'first',
      config('https://first', { token: 'one' }, { 'current-context': 'second-main' }),
    );
    const second = write(
      'second',
      config(
        'https://second',
        {},
        { contexts: [{ name: 'second-main', context: { cluster: 'c', user: 'u' } }] },
      ),
    );
    const loaded = load({ environment: { KUBECONFIG: [join(home, 'none'), first, second].join(delimiter) } });
    expect(loaded.getCurrentContext()).toBe('second-main');
    expect(loaded.getCurrentCluster()?.server).toBe('https://first');
    expect(loaded.getCurrentUser()?.token).toBe('one');
    expect(namespaceOf(loaded)).toBeUndefined();
  });

  it.each(['tokenFile', 'token-file'])(
    'reads %s relative to the kubeconfig, and prefers it to a token',
    (field) => {
      write('the-token', 'x');
      const file = write('config', config('https://x', { [field]: 'the-token', token: 'old' }));
      const loaded = load({ file });
      expect(tokenFileOf(loaded)).toBe(join(home, 'the-token'));
      expect(loaded.getCurrentUser()?.token).toBeUndefined();
    },
  );

  it('keeps the path of a server URL', () => {
    expect(serverOf({ file: write('c', config('https://host:6443/clusters/root:org/')) })).toBe(
      'https://host:6443/clusters/root:org',
    );
  });

  it.each([
    ['HTTPS://Host:6443/Path', 'SOCKS5://Proxy:1080', 'https://Host:6443/Path', 'socks5://Proxy:1080'],
    ['https://host', 'Http://user:Pw@proxy', 'https://host', 'http://user:Pw@proxy'],
    ['https://host', 'socks5h://proxy', 'https://host', 'socks5h://proxy'],
    ['https://host', '', 'https://host', undefined],
  ])('reads schemes in any case, and an empty proxy-url as none: %s, %j', (server, proxy, url, proxyUrl) => {
    const text = config(server).replace('"server"', `"proxy-url":"${proxy}","server"`);
    expect(load({ file: write('c', text) }).getCurrentCluster()).toMatchObject({ server: url, proxyUrl });
  });

  it.each<[string, string, RegExp]>([
    ['YAML that is none', 'a: [b\n c: d: canary', /is not valid YAML, see line \d+$/],
    ['a text', 'canary', /contains no configuration$/],
    ['nothing', '', /is not valid YAML$/],
    [
      'no current-context',
      config('https://x', {}, { 'current-context': undefined }),
      /no current-context: set one/,
    ],
    ['an unknown context', config('https://x', {}, { 'current-context': 'other' }), /no context other/],
    [
      'an unknown cluster',
      config('https://x', {}, { clusters: [] }),
      /no cluster c, which the context main names/,
    ],
    ['an unknown user', config('https://x', {}, { users: [] }), /no user u, which the context main names/],
    [
      'a cluster without a server',
      config('', {}),
      /is incomplete: clusters\[0\]\.cluster\.server is missing$/,
    ],
    ['a server that is no URL', config('canary'), /is not an http or https URL$/],
    ...['proxy.test:3128', 'ftp://canary@proxy.test', '//proxy.test', 'canary'].map(
      (proxy): [string, string, RegExp] => [
        `the proxy-url ${proxy}`,
        config('https://x').replace('"server"', `"proxy-url":"${proxy}","server"`),
        /the proxy-url of the kubeconfig's cluster c is not an http, https or socks5 URL$/,
      ],
    ),
    [
      'a missing authority',
      config('https://x', {}, {}).replace('"server"', '"certificate-authority":"ca","server"'),
      /cannot read .*ca \(ENOENT\), the certificate-authority file/,
    ],
    [
      'a missing client certificate',
      config('https://x', { 'client-certificate': 'crt' }),
      /the client-certificate file/,
    ],
    [
      'a missing token file',
      config('https://x', { tokenFile: 'gone' }),
      /cannot read .*gone \(ENOENT\), the token file/,
    ],
  ])('says what is wrong with %s', (_what, text, message) => {
    const file = write('config', text);
    expect(() => load({ file })).toThrow(KubeConfigError);
    expect(() => load({ file })).toThrow(message);
    expect(() => load({ file })).not.toThrow(/canary/);
  });

  it.each<[string, Partial<KubeConfigSources>, RegExp]>([
    ['the flag', { file: '/nowhere/config' }, /^cannot read the kubeconfig \/nowhere\/config \(ENOENT\)$/],
    [
      'KUBECONFIG',
      { environment: { KUBECONFIG: '/nowhere/a' } },
      /^none of the files in KUBECONFIG exists: \/nowhere\/a$/,
    ],
    ['nothing at all', {}, /set --kubeconfig or KUBECONFIG/],
  ])('says which file is missing: %s', (_what, sources, message) => {
    expect(() => load(sources)).toThrow(message);
  });
});

describe('passToExecPlugin', () => {
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: 'plugin',
    env: [{ name: 'A', value: '1' }],
  };
  const loaded = (user: object): KubeConfig => {
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [{ name: 'c', server: 'https://x' }],
      users: [{ name: 'u', ...user }],
      contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
      currentContext: 'x',
    });
    return config;
  };

  it('gives it what leaves the environment, and the kubeconfig has the last word', () => {
    const config = loaded({ exec });
    passToExecPlugin(config, [
      { name: 'A', value: 'of the environment' },
      { name: 'AWS_SECRET_ACCESS_KEY', value: 'b' },
    ]);
    expect((config.getCurrentUser()?.exec as { env: unknown }).env).toEqual([
      { name: 'A', value: '1' },
      { name: 'AWS_SECRET_ACCESS_KEY', value: 'b' },
    ]);
  });

  it('leaves a user without one alone', () => {
    const config = loaded({ token: 't' });
    passToExecPlugin(config, [{ name: 'AWS_SECRET_ACCESS_KEY', value: 'b' }]);
    expect(config.getCurrentUser()).toEqual(loaded({ token: 't' }).getCurrentUser());
  });
});
