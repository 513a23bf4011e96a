import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import { loadKubeConfig } from '../../src/kube/kubeconfig.js';
import { systemClock } from '../../src/runtime/clock.js';
import { openGate } from '../../src/runtime/write-gate.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { failureOf } from './vault-fixture.js';

let folder: string;
let server: LoopbackServer;
let authority: TestAuthority;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'odd-tokens-'));
  authority = await TestAuthority.create();
  server = await LoopbackServer.start(
    (_seen, _request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    },
    { tls: await authority.issue() },
  );
});

afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** What comes of a request of a user with these fields: the header that arrived, or why none did. */
async function outcome(user: object): Promise<unknown> {
  const file = join(folder, 'config');
  const cluster = { server: server.url, 'certificate-authority-data': base64(authority.cert) };
  const kubeConfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'deployer', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'deployer' } }],
    'current-context': 'x',
  };
  writeFileSync(file, JSON.stringify(kubeConfig));
  let connection: ApiConnection;
  try {
    connection = new ApiConnection(loadKubeConfig({ file, environment: {} }));
  } catch (error) {
    return (error as Error).message;
  }
  const client = new KubeClient(connection, openGate, systemClock);
  const before = server.requests.all.length;
  const sent = client.request('GET', '/x');
  const answered = await sent.then(
    () => true,
    () => false,
  );
  connection.close();
  if (answered) return server.requests.all[before]?.headers.authorization;
  return (await failureOf(sent)).message;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function fileWith(token: string): string {
  writeFileSync(join(folder, 'token'), token);
  return join(folder, 'token');
}

function pluginGiving(token: string): object {
  const credential = {
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    status: { token },
  };
  const script = `console.log(${JSON.stringify(JSON.stringify(credential))})`;
  return { apiVersion: credential.apiVersion, command: process.execPath, args: ['-e', script] };
}

describe("a token of the kubeconfig's user", () => {
  it('that ends in a line break is sent without it', async () => {
    expect(await outcome({ token: 'abc\n' })).toBe('Bearer abc');
    expect(await outcome({ tokenFile: fileWith('abc\r\n') })).toBe('Bearer abc');
  });

  it.each(['abc\ndef', 'abc\u2019def'])(
    'that is not allowed in a header is named with its place: %j',
    async (token) => {
      const file = fileWith(token);
      const [fromFile, inline, plugin] = [
        await outcome({ tokenFile: file }),
        await outcome({ token }),
        await outcome({ exec: pluginGiving(token) }),
      ];
      expect(fromFile).toContain(
        `the token in the file ${file} of the kubeconfig's user deployer contains a line break`,
      );
      expect(inline).toContain("the token of the kubeconfig's user deployer contains");
      expect(plugin).toContain(
        "the token from the credential plugin of the kubeconfig's user deployer contains",
      );
      for (const message of [fromFile, inline, plugin]) expect(message).not.toMatch(/abc|def/);
      expect(server.requests.all).toEqual([]);
    },
  );
});
