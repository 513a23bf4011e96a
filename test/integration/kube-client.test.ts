import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient, type KubeLimits } from '../../src/kube/kube-client.js';
import type { KubeError } from '../../src/kube/kube-error.js';
import { loadKubeConfig } from '../../src/kube/kubeconfig.js';
import { systemClock } from '../../src/runtime/clock.js';
import { openGate, type WriteGate, WriteGateClosedError } from '../../src/runtime/write-gate.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { type Handler, LoopbackServer } from '../servers/shared/loopback-server.js';
import { operatorParts, plainKubeConfig, RecordingOperator, until } from './watch-recording.js';
import { ScriptedApi } from './watch-scripted-api.js';

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type KubeClientOptions = KubeLimits & { readonly gate?: WriteGate; readonly givingUp?: AbortSignal };

const ok: Handler = (_seen, _request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
};

async function serve(handler: Handler = ok, tls?: { cert: string; key: string }): Promise<LoopbackServer> {
  const server = await LoopbackServer.start(handler, tls === undefined ? {} : { tls });
  cleanups.push(() => server.close());
  return server;
}

function clientOf(connection: ApiConnection, options: KubeClientOptions = {}): KubeClient {
  cleanups.push(() => {
    connection.close();
  });
  return new KubeClient(connection, options.gate ?? openGate, systemClock, options.givingUp, options);
}

const plain = (server: LoopbackServer, options: KubeClientOptions = {}): KubeClient =>
  clientOf(new ApiConnection(plainKubeConfig(server.url)), options);

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'kube-'));
  cleanups.push(() => {
    rmSync(directory, { recursive: true });
  });
  return directory;
}

/** A pod's service-account directory for a server with a certificate of `authority`. */
async function inCluster(authority: TestAuthority, handler: Handler = ok) {
  const directory = scratch();
  writeFileSync(join(directory, 'token'), 'first\n');
  writeFileSync(join(directory, 'ca.crt'), authority.cert);
  writeFileSync(join(directory, 'namespace'), 'vault');
  const server = await serve(handler, await authority.issue());
  const kubeConfig = loadKubeConfig({
    file: undefined,
    environment: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(server.port) },
    serviceAccountDir: directory,
  });
  return { directory, server, kubeConfig };
}

describe('KubeClient', () => {
  it('sends verb, path, query and body, and keeps its connection', async () => {
    const server = await serve();
    const client = plain(server);
    const body = { a: 'é' };
    await client.request('PATCH', '/api/v1/x', { body, contentType: 'application/merge-patch+json' });
    expect(await client.request('GET', '/api/v1/x', { query: { limit: '2', continue: 'a&b' } })).toEqual({
      ok: true,
    });
    const [patch, get] = server.requests.all;
    expect(patch).toMatchObject({ method: 'PATCH', url: '/api/v1/x', body: JSON.stringify(body) });
    expect(patch?.headers['content-type']).toBe('application/merge-patch+json');
    expect(get?.url).toBe('/api/v1/x?limit=2&continue=a%26b');
    expect(server.connections).toBe(1);
  });

  it('works below a server URL with a path', async () => {
    const server = await serve();
    const kubeConfig = plainKubeConfig(`${server.url}/clusters/root:org/`);
    await clientOf(new ApiConnection(kubeConfig)).request('GET', '/api/v1/x');
    expect(server.requests.all[0]?.url).toBe('/clusters/root:org/api/v1/x');
  });

  it('tells of a refusal by status, reason and object, and quotes no free text', async () => {
    const server = await serve((_seen, _request, response) => {
      response.writeHead(409, { 'retry-after': '7' }).end(
        JSON.stringify({
          kind: 'Status',
          message: 'canary',
          reason: 'Conflict',
          details: { name: 'app', causes: [{ reason: 'FieldValueInvalid', message: 'canary' }] },
        }),
      );
    });
    const error = (await plain(server)
      .request('PATCH', '/api/v1/x')
      .catch((e: unknown) => e)) as KubeError;
    expect(error.message).toBe('PATCH /api/v1/x: the API server answered 409 (Conflict)');
    expect(error).toMatchObject({
      status: 409,
      retryAfterMs: 7_000,
      facts: { reason: 'Conflict', objectName: 'app', causes: ['FieldValueInvalid'] },
    });
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('canary');
  });

  it.each([
    ['is refused', 'ECONNREFUSED'],
    ['is reset', 'ECONNRESET'],
  ])('says so when the connection %s', async (_how, code) => {
    const server = await serve();
    const client = plain(server);
    if (code === 'ECONNREFUSED') await server.close();
    else server.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    await expect(client.request('GET', '/api/v1/x')).rejects.toMatchObject({
      name: 'KubeError',
      status: undefined,
      message: `GET /api/v1/x: no answer from the API server (${code})`,
    });
  });

  it('tries once more when a kept connection turns out to be closed', async () => {
    const server = await serve();
    const client = plain(server);
    await client.request('GET', '/one');
    server.faults.inject({ matches: () => true, action: { kind: 'reset' }, times: 1 });
    expect(await client.request('GET', '/two')).toEqual({ ok: true });
    expect(server.requests.all.map(({ url }) => url)).toEqual(['/one', '/two', '/two']);
  });

  it('gives up after the timeout, also in the middle of an answer, and leaves no connection behind', async () => {
    const server = await serve((seen, _request, response) => {
      if (seen.url === '/half') response.writeHead(200).write('{"a":');
    });
    const client = plain(server, { timeoutMs: 50 });
    for (const path of ['/none', '/half']) {
      await expect(client.request('GET', path)).rejects.toMatchObject({
        message: `GET ${path}: no answer from the API server within 50 ms`,
        status: undefined,
      });
    }
    await until('closed connections', () => server.requests.all.every(({ status }) => status !== undefined));
  });

  it('takes as long as bytes keep coming where only inactivity is limited', async () => {
    const server = await serve((_seen, _request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      let sent = 0;
      const timer = setInterval(() => {
        sent += 1;
        if (sent < 10) response.write(' ');
        else {
          clearInterval(timer);
          response.end('{"ok":true}');
        }
      }, 100);
      response.on('close', () => {
        clearInterval(timer);
      });
    });
    const client = plain(server, { timeoutMs: 400 });
    expect(await client.request('GET', '/x', { inactivityMs: 700 })).toEqual({ ok: true });
    await expect(client.request('GET', '/x')).rejects.toThrow('within 400 ms');
    await expect(client.request('GET', '/x', { inactivityMs: 20 })).rejects.toThrow('within 20 ms');
  });

  it('gives up when the caller does', async () => {
    const server = await serve(() => undefined);
    const abort = new AbortController();
    const request = plain(server).request('GET', '/x', { signal: abort.signal });
    const failure = expect(request).rejects.toThrow('GET /x: given up');
    await until('the request', () => server.requests.all.length === 1);
    abort.abort();
    await failure;
    await expect(plain(server).request('GET', '/x', { signal: abort.signal })).rejects.toThrow('given up');
  });

  it('refuses an answer that breaks off or is too large', async () => {
    const server = await serve((seen, _request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('x'.repeat(60));
      if (seen.url === '/broken') setImmediate(() => response.destroy());
    });
    await expect(plain(server).request('GET', '/broken')).rejects.toThrow(
      "the API server's answer broke off",
    );
    await expect(plain(server, { maxAnswerBytes: 50 }).request('GET', '/large')).rejects.toThrow(
      'larger than 50',
    );
  });

  it('follows no redirect', async () => {
    const server = await serve((_seen, _request, response) => {
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    await expect(plain(server).request('GET', '/x')).rejects.toMatchObject({ status: 302 });
    expect(server.requests.all).toHaveLength(1);
  });

  it('changes nothing while the gate is closed, and reads all the same', async () => {
    const server = await serve();
    const gate: WriteGate = {
      assertOpen: () => {
        throw new WriteGateClosedError();
      },
      signal: new AbortController().signal,
    };
    const client = plain(server, { gate });
    for (const verb of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      await expect(client.request(verb, '/x')).rejects.toThrow(WriteGateClosedError);
    }
    await client.request('GET', '/x');
    expect(server.requests.all.map(({ method }) => method)).toEqual(['GET']);
  });

  it('asks the gate again when the connection stands, right before the first byte', async () => {
    const server = await serve();
    let asked = 0;
    const gate: WriteGate = {
      assertOpen: () => {
        asked += 1;
        if (asked > 1) throw new WriteGateClosedError();
      },
      signal: new AbortController().signal,
    };
    await expect(plain(server, { gate }).request('PATCH', '/x', { body: {} })).rejects.toThrow(
      WriteGateClosedError,
    );
    expect(asked).toBe(2);
    expect(server.connections).toBe(1);
    expect(server.requests.all).toEqual([]);
  });

  it('cuts a change in flight when the gate says so', async () => {
    const server = await serve(() => undefined);
    const abort = new AbortController();
    const gate: WriteGate = { assertOpen: () => undefined, signal: abort.signal };
    const request = plain(server, { gate }).request('PATCH', '/x', { body: {} });
    const failure = expect(request).rejects.toThrow(WriteGateClosedError);
    await until('the request', () => server.requests.all.length === 1);
    abort.abort();
    await failure;
  });

  it('sends no credentials over plain HTTP', async () => {
    const server = await serve();
    const kubeConfig = plainKubeConfig(server.url);
    kubeConfig.users.splice(0, 1, { name: 'nobody', token: 'canary' });
    await clientOf(new ApiConnection(kubeConfig)).request('GET', '/x');
    expect(JSON.stringify(server.requests.all)).not.toContain('canary');
  });

  it('uses a rotated service-account token from the next request on, and the last one while it is away', async () => {
    const { directory, server, kubeConfig } = await inCluster(await TestAuthority.create());
    const client = clientOf(new ApiConnection(kubeConfig));
    await client.request('GET', '/1');
    writeFileSync(join(directory, 'token'), 'second\n');
    await client.request('GET', '/2');
    writeFileSync(join(directory, 'token'), '');
    await client.request('GET', '/3');
    rmSync(join(directory, 'token'));
    rmSync(join(directory, 'ca.crt'));
    await client.request('GET', '/4');
    expect(server.requests.all.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer first',
      'Bearer second',
      'Bearer second',
      'Bearer second',
    ]);
    expect(server.connections).toBe(1);
  });

  it('trusts a rotated certificate authority without a restart, and nobody else', async () => {
    const [first, second] = await Promise.all([
      TestAuthority.create('first'),
      TestAuthority.create('second'),
    ]);
    const { directory, server, kubeConfig } = await inCluster(first);
    const client = clientOf(new ApiConnection(kubeConfig));
    await client.request('GET', '/1');
    const { port } = server;
    await server.close();
    const rotated = await LoopbackServer.start(ok, { tls: await second.issue(), port });
    cleanups.push(() => rotated.close());
    await expect(client.request('GET', '/2')).rejects.toThrow(/no answer from the API server \([A-Z_]+\)/);
    writeFileSync(join(directory, 'ca.crt'), second.cert);
    await client.request('GET', '/3');
    expect(rotated.requests.all.map(({ url }) => url)).toEqual(['/3']);
  });

  it('trusts extra roots beside those of the kubeconfig', async () => {
    const [cluster, extra] = await Promise.all([
      TestAuthority.create('cluster'),
      TestAuthority.create('extra'),
    ]);
    const { server, kubeConfig } = await inCluster(cluster);
    const other = await serve(ok, await extra.issue());
    const request = async (url: string, roots: string[]) => {
      const cluster = kubeConfig.getCurrentCluster();
      kubeConfig.clusters.splice(0, 1, { ...cluster!, server: url });
      await clientOf(new ApiConnection(kubeConfig, { extraRoots: () => roots })).request('GET', '/x');
    };
    await request(server.url, [extra.cert]);
    await request(other.url, [extra.cert]);
    await expect(request(other.url, [])).rejects.toThrow('no answer');
    expect(other.requests.all).toHaveLength(1);
  });

  it('goes through the proxy that the environment names', async () => {
    const { kubeConfig, server } = await inCluster(await TestAuthority.create());
    const tunnels: string[] = [];
    const proxy = createServer();
    proxy.on('connect', (request: IncomingMessage, socket) => {
      tunnels.push(request.url ?? '');
      const target = connect(server.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(target).pipe(socket);
      });
      for (const end of [socket, target]) end.on('error', () => undefined);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    cleanups.push(() => {
      proxy.close();
    });
    const proxyUrl = `http://127.0.0.1:${String((proxy.address() as AddressInfo).port)}`;
    const client = clientOf(new ApiConnection(kubeConfig, { proxyFor: () => proxyUrl }));
    await client.request('GET', '/1');
    await client.request('PATCH', '/2', { body: {} });
    expect(server.requests.all.map(({ url }) => url)).toEqual(['/1', '/2']);
    expect(tunnels).toEqual([`127.0.0.1:${String(server.port)}`]);
  });
});

describe('ListWatchOperator in a pod', () => {
  it('uses rotated token and authority files at the next reconnect', async () => {
    const [first, second] = await Promise.all([
      TestAuthority.create('first'),
      TestAuthority.create('second'),
    ]);
    const directory = scratch();
    writeFileSync(join(directory, 'token'), 'old');
    writeFileSync(join(directory, 'ca.crt'), first.cert);
    const api = await ScriptedApi.start(await first.issue());
    const { port } = api.server;
    const kubeConfig = loadKubeConfig({
      file: undefined,
      environment: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) },
      serviceAccountDir: directory,
    });
    const operator = new RecordingOperator(operatorParts(kubeConfig));
    cleanups.push(async () => {
      operator.stop();
      await operator.whenStopped();
      operator.parts.connection.close();
    });
    await operator.start();
    await until('a stream', () => api.openStreams === 1);
    expect(api.server.requests.all.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer old',
      'Bearer old',
    ]);
    writeFileSync(join(directory, 'token'), 'new');
    api.endStreams();
    await until('a second stream', () => api.watches === 2);
    expect(api.server.requests.all.at(-1)?.headers.authorization).toBe('Bearer new');
    await api.server.close();
    const rotated = await LoopbackServer.start(ok, { tls: await second.issue(), port });
    cleanups.push(() => rotated.close());
    writeFileSync(join(directory, 'ca.crt'), second.cert);
    await until('a request over the new authority', () => rotated.requests.all.length > 0);
  });
});
