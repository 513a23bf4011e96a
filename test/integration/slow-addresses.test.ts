import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type LookupFunction } from 'node:net';

import { startKmsServer } from '../servers/kms/server.js';
import { startVaultServer } from '../servers/vault/server.js';
import { SocksProxy } from '../support/socks-proxy.js';
import { UnansweringListener } from '../support/unanswering-listener.js';
import { eventually } from '../support/wait.js';
import { closing } from '../support/closing.js';
import {
  apiServer,
  authority,
  CIPHERTEXT,
  kmsApi,
  kubeClient,
  kubeConfigOf,
  READ,
  useConnections,
  vaultFixture,
} from './connection-fixture.js';
import { iamLogin, stsServer, useWebIdentity } from './sts-fixture.js';
import { plainKubeConfig } from './watch-recording.js';

useConnections();

/** The peer's two addresses, both on this machine, in the order in which they are tried. */
const FIRST = '127.0.0.1';
const SECOND = '127.0.0.2';
const limits = {
  lookup: ((_host, _options, callback) => {
    callback(
      null,
      [FIRST, SECOND].map((address) => ({ address, family: 4 })),
    );
  }) satisfies LookupFunction,
};

interface Peer {
  readonly port: number;
  /** Asks for something at `http://peer.test:PORT` and checks what comes. */
  ask(url: string): Promise<void>;
  /** Requests that the peer has seen. */
  seen(): number;
}

const PEERS: Readonly<Record<string, () => Promise<Peer>>> = {
  Vault: async () => {
    const vault = closing(await startVaultServer({ mounts: { kv: 'v1' } }));
    return {
      port: Number(new URL(vault.url).port),
      ask: async (url) => {
        const { client } = vaultFixture(url, { limits });
        expect((await client.request({ ...READ, token: vault.rootToken })).status).toBe(404);
      },
      seen: () => vault.requests.all.length,
    };
  },
  KMS: async () => {
    const kms = closing(await startKmsServer());
    return {
      port: Number(new URL(kms.url).port),
      ask: async (url) => {
        const value = await kmsApi({ aws: { kmsEndpoint: url }, limits }).decrypt(CIPHERTEXT, {});
        expect(Buffer.from(value).toString()).toBe('value');
      },
      seen: () => kms.decrypts,
    };
  },
  'the API server': async () => {
    const server = await apiServer();
    return {
      port: server.port,
      ask: async (url) => {
        expect(await kubeClient(plainKubeConfig(url), {}, limits).request('GET', '/x')).toEqual({});
      },
      seen: () => server.requests.all.length,
    };
  },
  STS: async () => {
    const sts = await stsServer();
    return {
      port: sts.port,
      ask: async (url) => {
        process.env.AWS_ENDPOINT_URL_STS = url;
        expect(await iamLogin(limits)()).toMatchObject({ token: 'a-token' });
      },
      seen: () => sts.requests.all.length,
    };
  },
};

/** As an address of a machine: passes on what comes to its port. */
async function passOn(host: string, port: number, targetPort: number): Promise<void> {
  const server = createServer((client) => {
    const target = connect(targetPort, FIRST);
    for (const socket of [client, target]) socket.on('error', () => undefined);
    client.on('close', () => target.destroy());
    client.pipe(target);
    target.pipe(client);
  });
  server.listen(port, host);
  await once(server, 'listening');
  closing({ close: () => void server.close() });
}

// What is under way is read from a table of the kernel.
const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('a SOCKS proxy of a kubeconfig with two addresses', () => {
  it('of which the first takes long to connect is reached', async () => {
    const proxy = closing(await SocksProxy.start());
    const slow = closing(await UnansweringListener.start({ host: FIRST, targetPort: proxy.port }));
    const api = await apiServer({ tls: await authority.issue() });
    const kubeConfig = kubeConfigOf(api.url, authority.cert);
    kubeConfig.clusters = kubeConfig.clusters.map((cluster) => ({
      ...cluster,
      proxyUrl: `socks5h://proxy.test:${String(slow.port)}`,
    }));
    const asked = kubeClient(kubeConfig, {}, limits).request('GET', '/x');
    asked.catch(() => undefined);
    await eventually('an attempt', () => slow.isAttempted);
    slow.release();
    // The next repetition comes after a second, when plain Node would long have moved on to the second address.
    expect(await asked).toEqual({});
    expect(proxy.asked).toEqual([`127.0.0.1:${String(api.port)}`]);
  }, 30_000);
});

onLinux('a peer with two addresses', () => {
  useWebIdentity(beforeEach, afterEach);

  it.each(Object.keys(PEERS))(
    'of which the first takes long to connect, and the second longer, is reached: %s',
    async (name) => {
      const peer = await PEERS[name]?.();
      if (peer === undefined) throw new Error('no such peer');
      const slow = closing(await UnansweringListener.start({ host: FIRST, targetPort: peer.port }));
      const hole = closing(await UnansweringListener.start({ host: SECOND, port: slow.port }));
      const asked = peer.ask(`http://peer.test:${String(slow.port)}`);
      asked.catch(() => undefined);
      // Plain Node cancels an attempt before it starts the next one.
      await eventually('both attempts at once', () => slow.isAttempted && hole.isAttempted);
      slow.release();
      await asked;
      expect(peer.seen()).toBe(1);
      await eventually('no attempt', () => !hole.isAttempted);
    },
    30_000,
  );

  it.each(Object.keys(PEERS))(
    'of which the first never answers is reached at the second: %s',
    async (name) => {
      const peer = await PEERS[name]?.();
      if (peer === undefined) throw new Error('no such peer');
      const hole = closing(await UnansweringListener.start({ host: FIRST }));
      await passOn(SECOND, hole.port, peer.port);
      await peer.ask(`http://peer.test:${String(hole.port)}`);
      expect(peer.seen()).toBe(1);
    },
    30_000,
  );
});
