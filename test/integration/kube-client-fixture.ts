import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient, type KubeLimits } from '../../src/kube/kube-client.js';
import { loadKubeConfig } from '../../src/kube/kubeconfig.js';
import { systemClock } from '../../src/runtime/clock.js';
import type { Lifecycle } from '../../src/runtime/lifecycle.js';
import { openGate, type WriteGate } from '../../src/runtime/write-gate.js';
import type { TestAuthority } from '../servers/shared/certificates.js';
import { type Handler, LoopbackServer } from '../servers/shared/loopback-server.js';
import { closing, onClose } from '../support/closing.js';
import { plainKubeConfig } from './watch-recording.js';

type KubeClientOptions = KubeLimits & { readonly gate?: WriteGate; readonly lifecycle?: Lifecycle };

export const ok: Handler = (_seen, _request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
};

export async function serve(
  handler: Handler = ok,
  tls?: { cert: string; key: string },
): Promise<LoopbackServer> {
  const server = await LoopbackServer.start(handler, tls === undefined ? {} : { tls });
  closing(server);
  return server;
}

export function clientOf(connection: ApiConnection, options: KubeClientOptions = {}): KubeClient {
  closing(connection);
  return new KubeClient(connection, options.gate ?? openGate, systemClock, options.lifecycle, options);
}

export const plain = (server: LoopbackServer, options: KubeClientOptions = {}): KubeClient =>
  clientOf(new ApiConnection(plainKubeConfig(server.url)), options);

export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'kube-'));
  onClose(() => {
    rmSync(directory, { recursive: true });
  });
  return directory;
}

/** A pod's service-account directory for a server with a certificate of `authority`. */
export async function inCluster(authority: TestAuthority, handler: Handler = ok) {
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
