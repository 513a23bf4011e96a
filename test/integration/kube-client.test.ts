import { afterEach, describe, expect, it } from '@jest/globals';

import { ApiConnection } from '../../src/kube/api-connection.js';
import type { KubeError } from '../../src/kube/kube-error.js';
import { closeAll } from '../support/closing.js';
import { plainKubeConfig, until } from './watch-recording.js';

import { clientOf, plain, serve } from './kube-client-fixture.js';

afterEach(closeAll);

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

  it.each(['', '/', '?a=b', '/?a=b#c', '#c'])('works below a server URL with a path and %j', async (rest) => {
    const server = await serve();
    const kubeConfig = plainKubeConfig(`${server.url}/clusters/root:org${rest}`);
    await clientOf(new ApiConnection(kubeConfig)).request('GET', '/api/v1/x');
    expect(server.requests.all[0]?.url).toBe('/clusters/root:org/api/v1/x');
  });

  it('reports a refusal by status, reason and object, without free text', async () => {
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
  ])('reports that the connection %s', async (_how, code) => {
    const server = await serve();
    const client = plain(server);
    if (code === 'ECONNREFUSED') await server.close();
    else server.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    await expect(client.request('GET', '/api/v1/x')).rejects.toMatchObject({
      name: 'KubeError',
      status: undefined,
      message: `GET /api/v1/x: no response from the API server (${code})`,
    });
  });

  it('sends the request once more when a kept connection turns out to be closed', async () => {
    const server = await serve();
    const client = plain(server);
    await client.request('GET', '/one');
    server.faults.inject({ matches: () => true, action: { kind: 'reset' }, times: 1 });
    expect(await client.request('GET', '/two')).toEqual({ ok: true });
    expect(server.requests.all.map(({ url }) => url)).toEqual(['/one', '/two', '/two']);
  });

  it('aborts after the timeout, also in the middle of an answer, and leaves no connection behind', async () => {
    const server = await serve((seen, _request, response) => {
      if (seen.url === '/half') response.writeHead(200).write('{"a":');
    });
    const client = plain(server, { timeoutMs: 50 });
    for (const path of ['/none', '/half']) {
      await expect(client.request('GET', path)).rejects.toMatchObject({
        message: `GET ${path}: no response from the API server within 50 ms`,
        status: undefined,
      });
    }
    await until('closed connections', () => server.requests.all.every(({ status }) => status !== undefined));
  });

  it('waits while bytes keep arriving where only inactivity is limited', async () => {
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

  it('aborts when the caller aborts', async () => {
    const server = await serve(() => undefined);
    const abort = new AbortController();
    const request = plain(server).request('GET', '/x', { signal: abort.signal });
    const failure = expect(request).rejects.toThrow('GET /x: cancelled');
    await until('the request', () => server.requests.all.length === 1);
    abort.abort();
    await failure;
    await expect(plain(server).request('GET', '/x', { signal: abort.signal })).rejects.toThrow('cancelled');
  });

  it('refuses an answer that breaks off or is too large', async () => {
    const server = await serve((seen, _request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('x'.repeat(60));
      if (seen.url === '/broken') setImmediate(() => response.destroy());
    });
    await expect(plain(server).request('GET', '/broken')).rejects.toThrow(
      "the API server's response was cut off",
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
});
