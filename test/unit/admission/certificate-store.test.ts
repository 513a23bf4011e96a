import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import type { ServingCertificate } from '../../../src/admission/serving-certificate.js';
import { CertificateStore } from '../../../src/admission/certificate-store.js';
import { WebhookMetrics } from '../../../src/observability/webhook-metrics.js';
import { type CertificatePair as IssuedPair, TestAuthority } from '../../servers/shared/certificates.js';
import { FakeClock } from '../../support/fake-clock.js';
import { RecordingLogger } from '../../support/loggers.js';
import { eventually } from '../../support/wait.js';

const DAY_MS = 86_400_000;
const NOW = new Date();

let authority: TestAuthority;
let first: IssuedPair;
let second: IssuedPair;
let directory: string;
let clock: FakeClock;
let logger: RecordingLogger;
let registry: Registry;
let store: CertificateStore;
let used: ServingCertificate[];

beforeAll(async () => {
  authority = await TestAuthority.create();
  first = await authority.issue();
  second = await authority.issue();
});

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'certificates-'));
  clock = new FakeClock(NOW);
  logger = new RecordingLogger();
  registry = new Registry();
  used = [];
  store = new CertificateStore(
    join(directory, 'tls.crt'),
    join(directory, 'tls.key'),
    clock,
    logger,
    new WebhookMetrics(registry),
  );
});

afterEach(() => {
  store.stop();
  rmSync(directory, { recursive: true });
});

function write(pair: Partial<IssuedPair>): void {
  if (pair.cert !== undefined) writeFileSync(join(directory, 'tls.crt'), pair.cert);
  if (pair.key !== undefined) writeFileSync(join(directory, 'tls.key'), pair.key);
}

async function start(): Promise<void> {
  store.start((pair) => used.push(pair));
}

/** Lets the store read its files once more. */
async function poll(): Promise<void> {
  await eventually('the store waits for its next look', () => clock.waiting.length === 1);
  await clock.advance(1_000);
  await eventually('the store has looked', () => clock.waiting.length === 1);
}

async function reloads(result: 'success' | 'failure'): Promise<number> {
  const text = await registry.metrics();
  const match = new RegExp(`certificate_reloads_total\\{result="${result}"\\} (\\d+)`).exec(text);
  return Number(match?.[1]);
}

describe('CertificateStore', () => {
  it('serves a pair, and a new one at the next look', async () => {
    write(first);
    await start();
    expect(used.map(({ cert }) => cert)).toEqual([first.cert]);
    expect(store.problem()).toBeUndefined();
    await poll();
    write(second);
    await poll();
    expect(used.map(({ cert }) => cert)).toEqual([first.cert, second.cert]);
    expect([await reloads('success'), await reloads('failure')]).toEqual([2, 0]);
    const expiry = /certificate_expiry_timestamp_seconds (\d+)/.exec(await registry.metrics())?.[1];
    expect(Number(expiry)).toBe((store.current?.notAfter.getTime() ?? 0) / 1_000);
  });

  it.each([
    ['half-written certificate', () => ({ cert: second.cert.slice(0, 300) })],
    ['half-written key', () => ({ key: second.key.slice(0, 60) })],
    ['empty files', () => ({ cert: '', key: '' })],
    ['key of another certificate', () => ({ cert: second.cert })],
    ['expired certificate', async () => await authority.issue({ notAfter: new Date(NOW.getTime() - 1_000) })],
    [
      'certificate that is not valid yet',
      async () => await authority.issue({ notBefore: new Date(NOW.getTime() + DAY_MS / 2) }),
    ],
  ])(
    'stays with the last good pair over a %s, says so once, and takes the next good one',
    async (_what, bad) => {
      write(first);
      await start();
      write(await bad());
      await poll();
      await poll();
      expect(store.current?.cert).toBe(first.cert);
      expect(store.problem()).toBeUndefined();
      expect(await reloads('failure')).toBe(1);
      expect(logger.entries.filter(({ level }) => level === 'warn')).toHaveLength(1);
      write(second);
      await poll();
      expect(store.current?.cert).toBe(second.cert);
      expect(JSON.stringify(logger.entries)).not.toContain('BEGIN');
    },
  );

  it('stays with the last good pair when the files are removed', async () => {
    write(first);
    await start();
    rmSync(join(directory, 'tls.key'));
    await poll();
    await poll();
    expect([store.current?.cert, await reloads('failure')]).toEqual([first.cert, 1]);
    write(first);
    await poll();
    rmSync(join(directory, 'tls.crt'));
    await poll();
    expect([used.length, await reloads('failure')]).toEqual([1, 2]);
  });

  it('begins without a pair and is ready once there is one', async () => {
    await start();
    expect(store.problem()).toBe('no valid serving certificate has been loaded yet');
    expect(logger.entries.map(({ level }) => level)).toEqual(['error']);
    write(first);
    await poll();
    expect([used.length, store.problem()]).toEqual([1, undefined]);
  });

  it('takes a pair when its time has come', async () => {
    const early = await authority.issue({ notBefore: new Date(NOW.getTime() + 2_000) });
    write(early);
    await start();
    await poll();
    expect(used).toEqual([]);
    await poll();
    await poll();
    expect(used.map(({ cert }) => cert)).toEqual([early.cert]);
  });

  it('says that the serving certificate has expired, and goes on', async () => {
    write(await authority.issue({ notAfter: new Date(NOW.getTime() + 5_000) }));
    await start();
    for (let seconds = 0; seconds < 7; seconds += 1) await poll();
    expect(store.problem()).toBe('the serving certificate has expired');
    expect(logger.entries.filter(({ level }) => level === 'error')).toHaveLength(1);
    write(second);
    await poll();
    expect(store.problem()).toBeUndefined();
  });
});
