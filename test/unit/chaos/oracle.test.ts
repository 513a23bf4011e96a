import { beforeEach, describe, expect, it } from '@jest/globals';

import type { Spec } from '../../chaos/desired.js';
import { HistoryBuilder } from './history-builder.js';

const V1 = { path: 'kv/app', kvSettings: { engineVersion: 'v1' } };
const V2 = { path: 'secret/data/app', kvSettings: { engineVersion: 'v2' } };

let history: HistoryBuilder;
let spec: (values: Readonly<Record<string, string>>, more?: Spec) => Spec;

beforeEach(() => {
  history = new HistoryBuilder().leading(60_000);
  spec = (values, more = V1) => ({ secrets: history.items(values), ...more });
});

describe('the rule for values', () => {
  it('holds for a write of what is desired, over whatever stood there', () => {
    history.write('kv/app', 500, { theirs: 'x' }, { by: undefined });
    history.secret('s', 1_000, spec({ a: 'one' }));
    history.write('kv/app', 2_000, { a: 'one' });
    history.secret('s', 3_000, spec({ a: 'two', b: 'more' }));
    history.write('kv/app', 4_000, { a: 'two', b: 'more' });
    expect(history.oracle.violations).toEqual([]);
  });

  it('is broken when a desired key vanishes', () => {
    history.secret('s', 1_000, spec({ a: 'one', b: 'two' }));
    history.write('kv/app', 2_000, { a: 'one', b: 'two' });
    history.write('kv/app', 3_000, { a: 'one' });
    expect(history.oracle.violations).toMatchObject([
      { rule: 'values', text: expect.stringContaining('b is desired and vanished') },
    ]);
  });

  it('is broken when a key holds what was never wanted for it', () => {
    history.secret('s', 1_000, spec({ a: 'one', b: 'two' }));
    history.write('kv/app', 2_000, { a: 'two', b: 'one' });
    expect(history.broken).toEqual(['values']);
  });

  it('is broken when a key that cannot be decrypted loses its value', () => {
    const secrets = [
      ...history.items({ good: 'one' }),
      { key: 'bad', encryptedSecret: history.sealed.seal('never', { another: 'context' }) },
    ];
    history.write('kv/app', 500, { bad: 'as it was' }, { by: undefined });
    history.secret('s', 1_000, { ...V1, secrets });
    history.write('kv/app', 2_000, { good: 'one', bad: 'as it was' });
    expect(history.broken).toEqual([]);
    history.write('kv/app', 30_000, { good: 'one' });
    expect(history.broken).toEqual(['values']);
  });

  it('is broken when a missing include takes keys away, and holds when the finalizer asks for it', () => {
    const includes = { ...V1, includeSecrets: ['p'] };
    history.partial('p', 500, spec({ shared: 'value' }, {}));
    history.secret('s', 1_000, spec({ own: 'one' }, includes));
    history.write('kv/app', 2_000, { own: 'one', shared: 'value' });
    history.oracle.partials.record('default/p', undefined, 3_000);
    history.write('kv/app', 50_000, { own: 'one' });
    expect(history.broken).toEqual(['values']);

    const other = new HistoryBuilder().leading(60_000);
    const going = { finalizer: true, going: true };
    other.partial('p', 500, { secrets: other.items({ shared: 'value' }) }, going);
    other.secret('s', 1_000, { ...includes, secrets: other.items({ own: 'one' }) });
    other.write('kv/app', 2_000, { own: 'one', shared: 'value' }, { by: undefined });
    other.write('kv/app', 3_000, { own: 'one' });
    expect(other.broken).toEqual([]);
  });

  it('is broken when a new leader writes what was desired before its term', () => {
    history.secret('s', 1_000, spec({ a: 'old' }));
    history.secret('s', 60_000, spec({ a: 'new' }));
    history.lease('r2', 80_000);
    history.write('kv/app', 81_000, { a: 'old' }, { by: 'r2' });
    expect(history.broken).toEqual(['values']);
  });

  it('holds for a write that was under way when the resource changed', () => {
    history.secret('s', 1_000, spec({ a: 'old' }));
    history.secret('s', 5_000, spec({ a: 'new' }));
    history.write('kv/app', 6_000, { a: 'old' });
    expect(history.broken).toEqual([]);
  });

  it('is broken by a removal although a resource names the path', () => {
    history.secret('s', 1_000, spec({ a: 'one' }));
    history.write('kv/app', 2_000, { a: 'one' });
    history.remove('kv/app', 50_000);
    expect(history.broken).toEqual(['values']);
  });

  it('is broken when a younger resource writes over the owner of the path', () => {
    history.secret('older', 1_000, spec({ a: 'one' }), { created: '2026-01-01T00:00:00Z' });
    history.secret('younger', 1_500, spec({ a: 'two' }), { created: '2026-01-01T00:00:09Z' });
    history.write('kv/app', 2_000, { a: 'two' });
    expect(history.broken).toEqual(['values']);
  });
});

describe('the rule for paths', () => {
  it('is broken by a write where no resource is', () => {
    history.secret('s', 1_000, spec({ a: 'one' }));
    history.write('kv/stranger', 2_000, { a: 'one' });
    expect(history.broken).toEqual(['paths']);
  });

  it('is broken by a write to a path that was given up long ago', () => {
    history.secret('s', 0, spec({ a: 'one' }));
    history.secret('s', 1_000, spec({ a: 'one' }, { ...V1, path: 'kv/elsewhere' }));
    history.write('kv/app', 58_000, { a: 'one' });
    expect(history.broken).toEqual(['paths']);
  });

  it("is broken when a finalizer removes a stranger's secret, and holds for the resource's own", () => {
    history.write('kv/app', 500, { theirs: 'x' }, { by: undefined });
    history.secret('s', 1_000, spec({ a: 'one' }), { finalizer: true });
    history.secret('s', 2_000, spec({ a: 'one' }), { finalizer: true, going: true });
    history.remove('kv/app', 3_000);
    expect(history.broken).toEqual(['paths']);

    const own = new HistoryBuilder().leading(10_000);
    const wanted = { ...V1, secrets: own.items({ a: 'one' }) };
    own.secret('s', 1_000, wanted, { finalizer: true });
    own.write('kv/app', 2_000, { a: 'one' });
    own.secret('s', 3_000, wanted, { finalizer: true, going: true });
    own.remove('kv/app', 4_000);
    expect(own.broken).toEqual([]);
  });

  it('holds when an owner that wants nothing removes what a hand put there', () => {
    history.secret('s', 1_000, spec({ a: 'one' }));
    history.write('kv/app', 2_000, { a: 'one' });
    history.secret('s', 3_000, spec({}));
    history.remove('kv/app', 4_000);
    history.write('kv/app', 5_000, { theirs: 'x' }, { by: undefined });
    history.remove('kv/app', 6_000);
    expect(history.broken).toEqual([]);
  });

  it('is broken by a removal without a finalizer', () => {
    history.secret('s', 1_000, spec({ a: 'one' }));
    history.write('kv/app', 2_000, { a: 'one' });
    history.secret('s', 3_000, spec({ a: 'one' }, { ...V1, path: 'kv/next' }));
    history.remove('kv/app', 4_000);
    expect(history.broken).toEqual(['paths']);
  });
});

describe('the rule for versions', () => {
  it('is broken by a version that equals the one before it', () => {
    history.secret('s', 1_000, spec({ a: 'one' }, V2));
    history.write('secret/data/app', 2_000, { a: 'one' }, { version: 1 });
    history.write('secret/data/app', 3_000, { a: 'one' }, { version: 2 });
    expect(history.broken).toEqual(['versions']);
  });

  it('is broken by a write without check-and-set', () => {
    history.secret('s', 1_000, spec({ a: 'one' }, V2));
    history.oracle.vaultChanged({
      atMs: 2_000,
      by: 'r1',
      path: 'secret/data/app',
      engine: 'v2',
      operation: 'write',
      data: new Map([['a', 'one']]),
      version: 1,
    });
    expect(history.broken).toEqual(['versions']);
  });

  it('holds for the step of a pinned index, and is broken by a replaced version beyond it', () => {
    const pinned = { ...V2, kvSettings: { engineVersion: 'v2', casIndex: 1 } };
    history.write('secret/data/app', 500, { a: 'one' }, { version: 1, by: undefined });
    history.secret('s', 1_000, spec({ a: 'one' }, pinned));
    history.write('secret/data/app', 2_000, { a: 'one' }, { version: 2 });
    expect(history.broken).toEqual([]);
    history.write('secret/data/app', 3_000, { a: 'theirs' }, { version: 3, by: undefined });
    history.write('secret/data/app', 4_000, { a: 'one' }, { version: 4 });
    expect(history.broken).toEqual(['values']);
  });
});

describe('the rule for writers', () => {
  it('holds within the renew deadline, also while a stranger holds the lease', () => {
    history.lease('', 60_100);
    const other = new HistoryBuilder().leading(10_000);
    other.oracle.leaseChanged({ atMs: 11_000, holder: 'stranger', durationMs: 3_000 });
    other.oracle.writeArrived('r1', 12_000, 'POST kv/app');
    expect(other.broken).toEqual([]);
  });

  it('is broken by a write after the deadline, after a release, and by a replica that never led', () => {
    history.oracle.writeArrived('r1', 73_000, 'POST kv/app');
    history.oracle.writeArrived('r2', 60_500, 'POST kv/app');
    history.lease('', 60_100);
    history.oracle.writeArrived('r1', 61_000, 'POST kv/app');
    expect(history.broken).toEqual(['writers', 'writers', 'writers']);
  });

  it('is broken when the lease is taken before it is over, and holds after a release', () => {
    history.lease('r2', 65_000);
    expect(history.broken).toEqual(['writers']);
    history.lease('', 66_000);
    history.lease('r1', 66_500);
    expect(history.broken).toEqual(['writers']);
  });
});

describe('the rule for admission', () => {
  const secret = (secrets: Spec['secrets']) => ({
    apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
    kind: 'KMSVaultSecret',
    metadata: { name: 's', namespace: 'default' },
    spec: { ...V1, secrets },
  });

  it('is broken by a stored secret with a key that KMS refuses, and by nothing else', () => {
    const good = history.items({ a: 'one' });
    history.oracle.admitted('default/s', secret([...good, { key: 'without a value' }]), 1_000);
    expect(history.broken).toEqual([]);
    const bad = { key: 'bad', encryptedSecret: history.sealed.seal('x', { another: 'context' }) };
    history.oracle.admitted('default/s', secret([...good, bad]), 2_000);
    expect(history.broken).toEqual(['admission']);
  });
});
