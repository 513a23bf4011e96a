import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';
import { HttpRequest } from '@smithy/core/protocols';

import { AgentFactory } from '../../../src/runtime/agents.js';
import { AwsRequestHandler } from '../../../src/runtime/aws-request-handler.js';
import { RecordingLogger } from '../../support/loggers.js';

describe('AwsRequestHandler', () => {
  let server: Server | undefined;
  let handler: AwsRequestHandler | undefined;
  const lost: unknown[] = [];

  afterEach(() => {
    handler?.destroy();
    server?.closeAllConnections();
    server?.close();
    lost.length = 0;
  });

  async function serve(listener: RequestListener, requestTimeoutMs = 10_000): Promise<() => HttpRequest> {
    const started = createServer(listener);
    server = started;
    await new Promise<void>((resolve) =>
      started.listen(0, '127.0.0.1', () => {
        resolve();
      }),
    );
    const { port } = started.address() as AddressInfo;
    const parts = { method: 'POST', path: '/', body: '{}', query: { a: ['1', 'x y'] } };
    const headers = { 'content-type': 'application/x-amz-json-1.1' };
    handler = new AwsRequestHandler({
      agents: new AgentFactory({ sslCertDirs: [], noProxy: '' }, new RecordingLogger()),
      maxSockets: 1,
      aws: {},
      requestTimeoutMs,
      onLost: (_request, error) => lost.push(error),
    });
    return () => new HttpRequest({ protocol: 'http:', hostname: '127.0.0.1', port, headers, ...parts });
  }

  it('gives the answer in one buffer, however many parts it came in', async () => {
    const request = await serve((incoming, response) => {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1', 'x-url': incoming.url ?? '' });
      response.write('{"Plain');
      setImmediate(() => response.end('text":""}'));
    });
    const { response } = await handler!.handle(request());
    expect(response).toMatchObject({ statusCode: 200, headers: { 'x-url': '/?a=1&a=x%20y' } });
    expect(Buffer.from(response.body).toString()).toBe('{"Plaintext":""}');
  });

  it.each<[string, RequestListener]>([
    ['without an answer', () => undefined],
    ['with half an answer', (_incoming, response) => response.writeHead(200).write('{')],
  ])(
    'ends a request %s after its time, with the code and name that the SDK tries again',
    async (_how, listener) => {
      const request = await serve(listener, 200);
      await expect(handler!.handle(request())).rejects.toMatchObject({
        code: 'ETIMEDOUT',
        name: 'TimeoutError',
      });
    },
  );

  it('ends a request when its signal aborts, also while the body is on its way', async () => {
    const abort = new AbortController();
    const request = await serve((_incoming, response) => {
      response.writeHead(200).write('{');
      setImmediate(() => {
        abort.abort();
      });
    });
    await expect(handler!.handle(request(), { abortSignal: abort.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    await expect(handler!.handle(request(), { abortSignal: abort.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it('sends a request again when a reused connection is reset before the answer, but not after its beginning', async () => {
    let answered = 0;
    const breaks = { before: false, within: false };
    const request = await serve((incoming, response) => {
      answered += 1;
      if (breaks.before) {
        breaks.before = false;
        incoming.socket.resetAndDestroy();
        return;
      }
      response.writeHead(200, { 'content-length': 2 }).write('{');
      if (breaks.within) setImmediate(() => incoming.socket.resetAndDestroy());
      else response.end('}');
    });
    await handler!.handle(request());
    breaks.before = true;
    await handler!.handle(request());
    expect({ answered, lost: lost.length }).toEqual({ answered: 3, lost: 1 });
    breaks.within = true;
    await expect(handler!.handle(request())).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect({ answered, lost: lost.length }).toEqual({ answered: 4, lost: 1 });
  });
});
