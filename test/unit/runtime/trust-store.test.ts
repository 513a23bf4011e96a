import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { TrustStore } from '../../../src/runtime/trust-store.js';
import { TestAuthority } from '../../servers/shared/certificates.js';
import { FakeClock } from '../../support/fake-clock.js';
import { RecordingLogger } from '../../support/loggers.js';

let folder: string;
let [first, second]: string[] = [];
let logger: RecordingLogger;
let clock: FakeClock;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kms-vault-roots-'));
  [first, second] = [(await TestAuthority.create()).cert.trim(), (await TestAuthority.create()).cert.trim()];
  logger = new RecordingLogger();
  clock = new FakeClock();
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function storeOf(...files: readonly string[]): TrustStore {
  return new TrustStore({ files, directories: [], builtIn: false }, logger, clock);
}

describe('the roots of a file', () => {
  it('are the same array until it is replaced', () => {
    const file = join(folder, 'ca.pem');
    writeFileSync(file, first ?? '');
    const store = storeOf(file);
    const before = store.roots();
    expect(before).toEqual([first]);
    expect(store.roots()).toBe(before);
    writeFileSync(`${file}.new`, second ?? '');
    renameSync(`${file}.new`, file);
    expect(store.roots()).toEqual([second]);
  });

  it('stay while it is missing or unusable, and follow it when it is back', () => {
    const file = join(folder, 'ca.pem');
    writeFileSync(file, first ?? '');
    const store = storeOf(file);
    expect(store.roots()).toEqual([first]);
    rmSync(file);
    expect(store.roots()).toEqual([first]);
    writeFileSync(file, 'half of it');
    expect(store.roots()).toEqual([first]);
    expect(logger.entries).toHaveLength(1);
    writeFileSync(`${file}.new`, second ?? '');
    renameSync(`${file}.new`, file);
    expect(store.roots()).toEqual([second]);
  });
});

describe('the roots of a directory', () => {
  let directory: string;

  beforeEach(() => {
    directory = join(folder, 'certs');
    mkdirSync(directory);
    writeFileSync(join(directory, 'a.pem'), first ?? '');
  });

  it('follow at once a file that comes or goes', () => {
    const store = storeOf(directory);
    expect(store.roots()).toEqual([first]);
    writeFileSync(join(directory, 'b.pem'), second ?? '');
    expect(store.roots()).toEqual([first, second]);
    rmSync(join(directory, 'a.pem'));
    expect(store.roots()).toEqual([second]);
  });

  it('are not read for each request: hundreds of files would take longer than the request', async () => {
    const store = storeOf(directory);
    const before = store.roots();
    writeFileSync(join(directory, 'a.pem'), second ?? '');
    await clock.advance(999);
    expect(store.roots()).toBe(before);
    await clock.advance(1);
    expect(store.roots()).toEqual([second]);
  });
});
