import { expect, it } from '@jest/globals';
import { request } from 'node:https';
import { TestAuthority } from './certificates.js';
import { LoopbackServer } from './loopback-server.js';

it('serves over TLS, records requests and injects faults', async () => {
  const authority = await TestAuthority.create();
  const tls = await authority.issue();
  const server = await LoopbackServer.start(
    (_seen, _request, response) => {
      response.end('hello');
    },
    { tls },
  );
  const get = (): Promise<number> =>
    new Promise((resolve, reject) => {
      request(server.url, { ca: authority.cert, agent: false }, (r) => {
        r.resume();
        resolve(r.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });
  expect(await get()).toBe(200);
  server.faults.inject({ matches: () => true, action: { kind: 'answer', status: 503 }, times: 1 });
  expect(await get()).toBe(503);
  server.faults.inject({ matches: () => true, action: { kind: 'reset' }, times: 1 });
  await expect(get()).rejects.toThrow();
  expect(await get()).toBe(200);
  expect(server.requests.all.map((r) => r.status)).toEqual([200, 503, 0, 200]);
  await server.close();
});
