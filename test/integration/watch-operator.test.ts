import { afterEach, describe, expect, it } from '@jest/globals';

import { SECRET_KIND } from '../../src/api/group.js';
import { closeAll } from '../support/closing.js';
import { startApi, startOperator, watching } from './watch-operator-fixture.js';
import { operatorParts, plainKubeConfig, RecordingOperator, until } from './watch-recording.js';

afterEach(closeAll);

describe('ListWatchOperator', () => {
  it.each([
    [404, 'API server does not know the kind: install the CRDs'],
    [403, 'RBAC denies list and watch of the kind: install the ClusterRole'],
    [401, 'API server rejects the credentials: check the kubeconfig or service account'],
  ])('logs once what a %i means, retries, and logs the recovery', async (status, message) => {
    const api = await startApi('a');
    const lift = api.server.faults.inject({ matches: () => true, action: { kind: 'answer', status } });
    const operator = await startOperator(api.server.url);
    await until('some attempts', () => api.server.requests.all.length >= 5);
    expect(operator.heard).toEqual([]);
    lift();
    await watching(api);
    expect(operator.heard).toEqual(['ADDED a']);
    const { logger } = operator.parts;
    expect(logger.entries.filter(({ level }) => level === 'warn').map((entry) => entry.message)).toEqual([
      message,
    ]);
    await until('the recovery', () => logger.count('watch works again') === 1);
  });

  it('logs once that watches are refused while lists work', async () => {
    const api = await startApi('a');
    api.server.faults.inject({
      matches: ({ url }) => url.includes('watch=true'),
      action: { kind: 'answer', status: 403 },
    });
    const operator = await startOperator(api.server.url);
    await until('some attempts', () => api.server.requests.all.length >= 8);
    expect(operator.parts.logger.entries.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect(operator.heard).toEqual(['ADDED a']);
  });

  it('logs a failing handler by the class of its error only, and goes on', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    operator.handler = () => Promise.reject(new TypeError('canary'));
    api.put(SECRET_KIND, 'team', 'b', {});
    api.put(SECRET_KIND, 'team', 'c', {});
    await until('both events', () => operator.heard.length === 3);
    const { logger } = operator.parts;
    await until('two log entries', () => logger.count('handler of a watch event failed') === 2);
    expect(JSON.stringify(logger.entries)).not.toContain('canary');
    expect(api.watches).toBe(1);
  });

  it('stops: open streams end, no request is sent and no event is delivered afterwards', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    let release: () => void = () => undefined;
    operator.handler = () => new Promise((resolve) => (release = resolve));
    api.put(SECRET_KIND, 'team', 'b', {});
    api.put(SECRET_KIND, 'team', 'c', {});
    await until('the handler', () => operator.heard.includes('ADDED b'));
    operator.stop();
    release();
    await operator.whenStopped();
    await until('no stream', () => api.openStreams === 0);
    expect(operator.heard).toEqual(['ADDED a', 'ADDED b']);
    expect(api.server.requests.all).toHaveLength(2);
  });

  it('stops while the API server cannot be reached', async () => {
    const api = await startApi();
    const { url } = api.server;
    await api.server.close();
    const operator = await startOperator(url, { backoffBaseMs: 50_000, backoffCapMs: 50_000 });
    await until('a failure', () => operator.parts.logger.entries.length > 0);
    operator.stop();
    await operator.whenStopped();
    expect(operator.heard).toEqual([]);
  });

  it('builds URIs below a server URL with a path', () => {
    const operator = new RecordingOperator(
      operatorParts(plainKubeConfig('http://127.0.0.1:1/clusters/root/')),
    );
    expect(operator.uriOf('kmsvaultsecrets', 'team')).toBe(
      'http://127.0.0.1:1/clusters/root/apis/k8s.patoarvizu.dev/v1alpha1/namespaces/team/kmsvaultsecrets',
    );
  });

  it('needs no default kubeconfig of the environment', () => {
    const before = process.env.KUBECONFIG;
    process.env.KUBECONFIG = '/nowhere/kubeconfig';
    try {
      expect(() => new RecordingOperator(operatorParts(plainKubeConfig('http://127.0.0.1:1')))).not.toThrow();
    } finally {
      if (before === undefined) delete process.env.KUBECONFIG;
      else process.env.KUBECONFIG = before;
    }
  });
});
