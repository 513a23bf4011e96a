import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { VaultConfig } from '../../src/config/config.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { closeAll, closing } from '../support/closing.js';
import { ConnectProxy } from '../support/connect-proxy.js';
import { eventually } from '../support/wait.js';
import { failureOf, VaultFixture, type FixtureOptions } from './vault-fixture.js';

const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;

let folder: string;
let authority: TestAuthority;
let other: TestAuthority;
let vault: LoopbackVault;

function fixtureOf(
  config: Partial<VaultConfig>,
  options: FixtureOptions = {},
  address = vault.url,
): VaultFixture {
  return closing(
    new VaultFixture(address, {
      config: { timeoutMs: 5_000, maxRetries: 2, ...config },
      values: { VAULT_TOKEN: vault.rootToken },
      ...options,
    }),
  );
}

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Requests that reach Vault are answered with 404: there is no secret. */
async function works(fixture: VaultFixture): Promise<void> {
  expect((await fixture.session.request(READ)).status).toBe(404);
}

beforeAll(async () => {
  [authority, other] = await Promise.all([TestAuthority.create('first'), TestAuthority.create('second')]);
  vault = await startVaultServer({ tls: await authority.issue(), mounts: { kv: 'v1' } });
  folder = mkdtempSync(join(tmpdir(), 'vault-tls-'));
});

afterEach(async () => {
  await closeAll();
  vault.requests.clear();
});

afterAll(async () => {
  await vault.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('certificate authorities', () => {
  it('come from a file, from bytes, and from a path that is a folder or a file', async () => {
    const caCertFile = file('ca.pem', authority.cert);
    const caPath = join(folder, 'cas');
    mkdirSync(caPath);
    writeFileSync(join(caPath, 'a.pem'), other.cert);
    writeFileSync(join(caPath, 'b.pem'), authority.cert);
    await works(fixtureOf({ caCertFile }));
    await works(fixtureOf({ caCertBytes: authority.cert }));
    await works(fixtureOf({ caPath }));
    await works(fixtureOf({ caPath: caCertFile }));
    await works(fixtureOf({}, { network: { sslCertFile: caCertFile, sslCertDirs: [] } }));
    // The first of them counts, as in the official client.
    const mixed = fixtureOf({ caCertFile: file('other.pem', other.cert), caCertBytes: authority.cert });
    expect(await failureOf(mixed.session.request(READ))).toMatchObject({ failure: 'unavailable' });
  });

  it.each([
    ['nothing is configured', (): Partial<VaultConfig> => ({})],
    ['another authority is', (): Partial<VaultConfig> => ({ caCertBytes: other.cert })],
    ['the file is missing', (): Partial<VaultConfig> => ({ caCertFile: join(folder, 'missing.pem') })],
    [
      'the file holds no certificate',
      (): Partial<VaultConfig> => ({ caCertFile: file('empty.pem', 'nothing') }),
    ],
    ['the folder is empty', (): Partial<VaultConfig> => ({ caPath: mkdtempSync(join(folder, 'none-')) })],
  ])('refuse the server when %s', async (_what, config) => {
    const error = await failureOf(fixtureOf(config()).session.request(READ));
    expect(error).toMatchObject({ failure: 'unavailable' });
    expect(error.message).toMatch(/cannot verify Vault.s certificate \([A-Z_]+\).*VAULT_CACERT/);
    expect(vault.requests.all).toEqual([]);
  });

  it('are replaced without a restart or a login, also as Kubernetes updates mounted files', async () => {
    const mounted = mkdtempSync(join(folder, 'mounted-'));
    const publish = (version: string, cert: string): void => {
      mkdirSync(join(mounted, `..${version}`));
      writeFileSync(join(mounted, `..${version}`, 'ca.crt'), cert);
      symlinkSync(`..${version}`, join(mounted, '..tmp'));
      renameSync(join(mounted, '..tmp'), join(mounted, '..data'));
    };
    publish('one', authority.cert);
    symlinkSync('..data/ca.crt', join(mounted, 'ca.crt'));
    const server = closing(
      await startVaultServer({
        tls: await authority.issue(),
        mounts: { kv: 'v1' },
        rootToken: vault.rootToken,
      }),
    );
    const byFile = fixtureOf({ caCertFile: join(mounted, 'ca.crt') }, {}, server.url);
    const byPath = fixtureOf({ caPath: mounted }, {}, server.url);
    await works(byFile);
    await works(byPath);

    server.replaceCertificate(await other.issue());
    server.cutConnections();
    expect((await failureOf(byFile.session.request(READ))).message).toContain(
      "cannot verify Vault's certificate",
    );
    publish('two', other.cert);
    await works(byFile);
    await works(byPath);
    expect(server.requests.count(({ url }) => url.includes('lookup-self'))).toBe(2);
  });

  it('stay in use while a file is half-written', async () => {
    const caCertFile = file('rewritten.pem', authority.cert);
    const fixture = fixtureOf({ caCertFile });
    await works(fixture);
    truncateSync(caCertFile, 40);
    vault.cutConnections();
    await works(fixture);
    rmSync(caCertFile);
    vault.cutConnections();
    await works(fixture);
    expect(fixture.logger.entries.filter(({ level }) => level === 'warn').length).toBeGreaterThan(0);
  });

  it('leave no connection open that was made with the previous ones, idle or in flight', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const server = createHttpsServer(await authority.issue(), (request, response) => {
      void (request.url?.includes('slow') === true ? held : Promise.resolve()).then(() =>
        response.writeHead(404).end('{"errors":[]}'),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const open = (): Promise<number> =>
      new Promise((resolve) => {
        server.getConnections((_error, count) => {
          resolve(count);
        });
      });
    const caCertFile = file('extended.pem', authority.cert);
    const { client } = fixtureOf({ caCertFile }, {}, url);
    const slow = client.request({ ...READ, path: 'kv/slow' });
    await client.request(READ);
    expect(await open()).toBe(2);
    writeFileSync(caCertFile, `${authority.cert}\n${other.cert}`);
    await client.request(READ);
    release();
    expect((await slow).status).toBe(404);
    await eventually('one connection', async () => (await open()) === 1);
    server.closeAllConnections();
    server.close();
  });

  it('end the use of connections once they are no longer trusted', async () => {
    const caCertFile = file('distrusted.pem', authority.cert);
    const fixture = fixtureOf({ caCertFile });
    await works(fixture);
    writeFileSync(caCertFile, other.cert);
    expect((await failureOf(fixture.session.request(READ))).message).toContain(
      "cannot verify Vault's certificate",
    );
  });
});

describe('verification', () => {
  it.each([
    ['expired', { notAfter: new Date(Date.now() - 60_000) }, 'CERT_HAS_EXPIRED'],
    ['not valid yet', { notBefore: new Date(Date.now() + 3_600_000) }, 'CERT_NOT_YET_VALID'],
    [
      'for another name',
      { dnsNames: ['vault.example'], ipAddresses: ['10.0.0.1'] },
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
  ])('reports a certificate that is %s, and is never switched off', async (_what, leaf, code) => {
    const server = closing(
      await startVaultServer({
        tls: await authority.issue(leaf),
        mounts: { kv: 'v1' },
        rootToken: vault.rootToken,
      }),
    );
    const strict = fixtureOf({ caCertBytes: authority.cert, maxRetries: 2 }, {}, server.url);
    const error = await failureOf(strict.session.request(READ));
    expect(error.message).toContain(`(${code})`);
    expect(server.requests.all).toEqual([]);
    // Only VAULT_SKIP_VERIFY does that.
    const trusting = fixtureOf({ skipVerify: true }, {}, server.url);
    await works(trusting);
    expect(trusting.logger.entries).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        message: "VAULT_SKIP_VERIFY is set: Vault's certificate is not verified",
      }),
    );
  });

  it('uses VAULT_TLS_SERVER_NAME', async () => {
    const tls = await authority.issue({ dnsNames: ['vault.example'], ipAddresses: [] });
    const server = closing(await startVaultServer({ tls, mounts: { kv: 'v1' }, rootToken: vault.rootToken }));
    await works(fixtureOf({ caCertBytes: authority.cert, tlsServerName: 'vault.example' }, {}, server.url));
    const wrong = fixtureOf({ caCertBytes: authority.cert, tlsServerName: 'other.example' }, {}, server.url);
    expect((await failureOf(wrong.session.request(READ))).message).toContain('VAULT_TLS_SERVER_NAME');
  });

  it('says what is wrong when TLS meets plain HTTP', async () => {
    const plain = closing(await startVaultServer({ mounts: { kv: 'v1' } }));
    const fixture = fixtureOf({}, {}, plain.url.replace('http:', 'https:'));
    expect((await failureOf(fixture.session.request(READ))).message).toMatch(
      /cannot (establish a TLS connection to|reach) Vault \(\w+\)/,
    );
  });
});

describe('client certificate', () => {
  it('is sent to Vault, reloaded when it changes, and kept while it is half-written', async () => {
    const seen: string[] = [];
    const server = closing(
      await LoopbackServer.start(
        (_seen, request, response) => {
          const socket = request.socket as unknown as { getPeerCertificate(): { subject?: { CN?: string } } };
          seen.push(socket.getPeerCertificate().subject?.CN ?? '');
          response.writeHead(404).end('{"errors":[]}');
        },
        {
          tls: {
            ...(await authority.issue()),
            requestCert: true,
            rejectUnauthorized: true,
            ca: authority.cert,
          },
        },
      ),
    );
    const write = async (commonName: string): Promise<{ clientCertFile: string; clientKeyFile: string }> => {
      const pair = await authority.issue({ commonName });
      return { clientCertFile: file('client.pem', pair.cert), clientKeyFile: file('client.key', pair.key) };
    };
    const files = await write('one');
    const config = { caCertBytes: authority.cert, ...files };
    const request = { ...READ, path: 'kv/app' };
    const { client } = fixtureOf(config, {}, server.url);
    await client.request(request);
    await write('two');
    await client.request(request);
    truncateSync(files.clientKeyFile, 30);
    await client.request(request);
    expect(seen).toEqual(['one', 'two', 'two']);
    const unusable = await failureOf(fixtureOf(config, {}, server.url).client.request(request));
    expect(unusable).toMatchObject({ failure: 'unavailable' });
    expect(unusable.message).toContain('VAULT_CLIENT_CERT and VAULT_CLIENT_KEY');
    expect(
      await failureOf(fixtureOf({ caCertBytes: authority.cert }, {}, server.url).client.request(request)),
    ).toMatchObject({
      failure: 'unavailable',
    });
  });
});

describe('connections', () => {
  it('are few for 1,000 requests', async () => {
    const server = closing(
      await startVaultServer({
        tls: await authority.issue(),
        mounts: { kv: 'v1' },
        rootToken: vault.rootToken,
      }),
    );
    const fixture = fixtureOf({ caCertBytes: authority.cert, timeoutMs: 30_000 }, {}, server.url);
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => fixture.session.request(READ)));
      expect(answers.every(({ status }) => status === 404)).toBe(true);
    }
    expect(server.requests.count(({ url }) => url === '/v1/kv/app')).toBe(1_000);
    // As many as keys of the default concurrency can be in process, and some for the session.
    expect(server.connections).toBeLessThanOrEqual(28);
  });

  it('go through the proxy of VAULT_PROXY_ADDR rather than that of the environment', async () => {
    const wanted = closing(await ConnectProxy.start());
    const environment = closing(await ConnectProxy.start());
    const network = { httpsProxy: `http://${environment.host}`, sslCertDirs: [] };
    const proxy = `http://${wanted.host}`;
    const fixture = fixtureOf({ caCertBytes: authority.cert, proxy }, { network });
    await works(fixture);
    await works(fixture);
    expect([wanted.asked, environment.asked]).toEqual([[new URL(vault.url).host], []]);
  });
});
