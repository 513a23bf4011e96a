import { beforeEach, describe, expect, it } from '@jest/globals';

import type { Spec } from '../../chaos/desired.js';
import { quietOf } from '../../chaos/quiet.js';
import { HistoryBuilder, ready } from './history-builder.js';

const V1 = { path: 'kv/app', kvSettings: { engineVersion: 'v1' } };
const V2 = { path: 'secret/data/app', kvSettings: { engineVersion: 'v2' } };

let history: HistoryBuilder;
let spec: (values: Readonly<Record<string, string>>, more?: Spec) => Spec;

beforeEach(() => {
  history = new HistoryBuilder().leading(60_000);
  spec = (values, more = V1) => ({ secrets: history.items(values), ...more });
});

describe('the rule for quiet', () => {
  const at = (...seconds: number[]): { atMs: number; what: string }[] =>
    seconds.map((second) => ({ atMs: second * 1_000, what: 'a request to KMS' }));
  const quiet = (nowS: number, ...seconds: number[]): readonly string[] | undefined =>
    quietOf(at(...seconds), { convergedMs: 100_000, nowMs: nowS * 1_000, periodMs: 8_000 });

  it('holds once a period has passed with nothing, also after the first look of a new leader', () => {
    expect(quiet(105, 99)).toBeUndefined();
    expect(quiet(109, 99)).toEqual([]);
    expect(quiet(120, 104, 112)).toBeUndefined();
    expect(quiet(121, 104, 112)).toEqual([]);
  });

  it('is broken by something that comes back with every period', () => {
    expect(quiet(127, 104, 112, 119, 127)).toEqual(['a request to KMS']);
  });
});

describe('convergence', () => {
  it('is reached when Vault holds what is desired and the status says so', () => {
    history.secret('s', 1_000, spec({ a: 'one' }), { status: ready('Synced') });
    history.write('kv/app', 2_000, { a: 'one' });
    expect(history.unconverged(3_000)).toEqual([]);
  });

  it.each([
    ['a value is missing', { a: 'other' }, 'Synced', /holds what is not wanted/],
    ['a value is too much', { a: 'one', b: 'two' }, 'Synced', /although nobody wants it/],
    ['the status says something else', { a: 'one' }, 'VaultUnavailable', /instead of Synced/],
  ])('is not reached while %s', (_what, data, reason, message) => {
    history.secret('s', 1_000, spec({ a: 'one' }), { status: ready(reason) });
    history.write('kv/app', 2_000, data, { by: undefined });
    expect(history.unconverged(3_000)).toEqual([expect.stringMatching(message)]);
  });

  it('is not reached while a resource is being deleted, or its value has stayed behind', () => {
    history.secret('s', 1_000, spec({ a: 'one' }), { finalizer: true });
    history.write('kv/app', 2_000, { a: 'one' });
    history.secret('s', 3_000, spec({ a: 'one' }), { finalizer: true, going: true });
    expect(history.unconverged(3_500)).toEqual([expect.stringContaining('still being deleted')]);
    history.gone('s', 4_000);
    expect(history.unconverged(5_000)).toEqual([expect.stringContaining('deleted with the finalizer')]);
    history.remove('kv/app', 6_000);
    expect(history.unconverged(7_000)).toEqual([]);
  });

  it('is not reached while a key still holds what it held during a fault of KMS', () => {
    const item = (value: string): Spec => ({
      ...V2,
      kvSettings: { engineVersion: 'v2', casIndex: 1 },
      secrets: [{ key: 'a', encryptedSecret: history.sealed.seal(value, {}, true) }],
    });
    history.write(V2.path, 500, { theirs: 'x' }, { version: 1, by: undefined });
    history.secret('s', 1_000, item('one'));
    history.write(V2.path, 2_000, { a: 'one' }, { version: 2 });
    history.secret('s', 3_000, item('two'), { status: ready('CasIndexStale') });
    expect(history.unconverged(4_000)).toEqual([]);
    history.secret('s', 5_000, item('two'), { status: ready('Synced') });
    expect(history.unconverged(6_000)).toEqual([expect.stringContaining('instead of CasIndexStale')]);
  });

  it('expects that a secret which another client re-created stays when the resource is deleted', () => {
    history.secret('s', 1_000, spec({ a: 'one' }, V2), { finalizer: true });
    history.write(V2.path, 2_000, { a: 'one' }, { version: 1 });
    history.remove(V2.path, 3_000, undefined);
    history.write(V2.path, 4_000, { theirs: 'x' }, { version: 1, by: undefined });
    history.secret('s', 5_000, spec({ a: 'one' }, V2), { finalizer: true, going: true });
    history.gone('s', 6_000);
    expect(history.unconverged(7_000)).toEqual([]);
  });

  it('expects nothing of a finalizer while another engine is in the place of the mount', () => {
    history.secret('s', 10_000, spec({ a: 'one' }), { finalizer: true });
    history.write('kv/app', 20_000, { a: 'one' });
    history.secret('s', 50_000, spec({ a: 'one' }), { finalizer: true, going: true });
    history.gone('s', 60_000);
    expect(history.unconverged(70_000)).toHaveLength(1);
    history.oracle.replacedMounts.push(
      { mount: 'kv', fromMs: 100, toMs: 9_000 },
      { mount: 'kv', fromMs: 65_000 },
      { mount: 'other', fromMs: 100 },
    );
    expect(history.unconverged(70_000)).toHaveLength(1);
    history.oracle.replacedMounts.push({ mount: 'kv', fromMs: 40_000, toMs: 55_000 });
    expect(history.unconverged(70_000)).toEqual([]);
  });

  it('expects nothing of a finalizer while reads are forbidden', () => {
    history.secret('s', 10_000, spec({ a: 'one' }), { finalizer: true });
    history.write('kv/app', 20_000, { a: 'one' });
    history.secret('s', 50_000, spec({ a: 'one' }), { finalizer: true, going: true });
    history.gone('s', 60_000);
    history.oracle.forbiddenReads.push({ fromMs: 20_000, toMs: 40_000 }, { fromMs: 65_000 });
    expect(history.unconverged(70_000)).toHaveLength(1);
    history.oracle.forbiddenReads.push({ fromMs: 40_000, toMs: 51_000 });
    expect(history.unconverged(70_000)).toEqual([]);
  });

  it.each([
    { by: 'a hand', marked: true, orphans: 0 },
    { by: 'a hand', marked: false, orphans: 1 },
    { by: 'a replica', marked: true, orphans: 1 },
  ])(
    'after the mark of a removal, expects that a value of $by may stay: $marked',
    ({ by, marked, orphans }) => {
      history.secret('s', 1_000, spec({ a: 'one' }), { finalizer: true });
      history.write('kv/app', 2_000, { a: 'one' });
      if (by === 'a hand') history.write('kv/app', 3_000, { a: 'by hand' }, { by: undefined });
      const status = marked ? { created: true, path: 'kv/app', claim: { path: 'kv/app' } } : {};
      history.secret('s', 4_000, spec({ a: 'one' }), { finalizer: true, going: true, status });
      history.gone('s', 5_000);
      expect(history.unconverged(6_000)).toHaveLength(orphans);
    },
  );

  it('expects the reason of the second resource at a path, and of another engine', () => {
    history.secret('a', 1_000, spec({ a: 'one' }), { status: ready('Synced') });
    history.secret('b', 1_000, spec({ a: 'two' }), { status: ready('PathConflict') });
    const mismatch = { path: 'secret/data/c', kvSettings: { engineVersion: 'v1' } };
    history.secret('c', 1_000, spec({ a: 'x' }, mismatch), { status: ready('EngineMismatch') });
    history.write('kv/app', 2_000, { a: 'one' });
    expect(history.unconverged(3_000)).toEqual([]);
  });
});
