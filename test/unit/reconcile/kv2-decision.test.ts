import { describe, expect, it } from '@jest/globals';

import { decideKv2, type Kv2Decision } from '../../../src/reconcile/kv2-decision.js';
import type { KvReading, KvVersion } from '../../../src/vault/kv-store.js';

const at = (version: number): KvVersion => ({ version, createdTime: `created-${String(version)}` });
const same = new Map([['a', '"x"']]);
const other = new Map([['a', '"y"']]);

const none: KvReading = { state: 'absent' };
const equal = (version: number): KvReading => ({ state: 'live', data: same, version: at(version) });
const different = (version: number): KvReading => ({ state: 'live', data: other, version: at(version) });
const deleted = (version: number): KvReading => ({ state: 'deleted', version: at(version) });

const nothing: Kv2Decision = { action: 'none' };
const write = (cas: number, replaces?: number): Kv2Decision =>
  replaces === undefined ? { action: 'write', cas } : { action: 'write', cas, replaces };
const stale = (current: number): Kv2Decision => ({ action: 'stale', current, wouldDo: current });

interface Case {
  readonly casIndex?: number;
  readonly reading: KvReading;
  readonly target?: ReadonlyMap<string, string>;
  readonly vouched?: boolean;
  readonly lastVersion?: KvVersion;
}

function decide({ casIndex, reading, target = same, vouched = false, lastVersion }: Case): Kv2Decision {
  return decideKv2({ casIndex, reading, target, vouched, lastVersion });
}

describe('decideKv2 without casIndex', () => {
  it.each<[string, Case, Kv2Decision]>([
    ['no version', { reading: none }, write(0)],
    ['no version, nothing wanted', { reading: none, target: new Map() }, write(0)],
    ['equal data', { reading: equal(4) }, nothing],
    ['equal data, unknown to the status', { reading: equal(1) }, nothing],
    ['different data at first contact', { reading: different(4) }, write(4, 4)],
    ['different data, known', { reading: different(4), lastVersion: at(3) }, write(4)],
    ['vouched by the status', { reading: different(4), vouched: true, lastVersion: at(4) }, nothing],
    ['deleted', { reading: deleted(4), lastVersion: at(4) }, write(4)],
    ['deleted at first contact', { reading: deleted(4) }, write(4)],
    ['deleted, nothing wanted', { reading: deleted(4), target: new Map() }, nothing],
    ['rolled back to other data', { reading: different(7), lastVersion: at(6) }, write(7)],
  ])('%s', (_name, situation, decision) => {
    expect(decide(situation)).toEqual(decision);
  });
});

describe('decideKv2 with casIndex 3', () => {
  it.each<[string, Case, Kv2Decision]>([
    ['no version', { reading: none }, write(0)],
    ['older, never seen', { reading: different(2) }, stale(2)],
    ['older, equal data', { reading: equal(2) }, nothing],
    ['older, the one we rebuilt', { reading: different(2), lastVersion: at(2) }, write(2)],
    [
      'older, same number but re-created',
      { reading: different(2), lastVersion: { version: 2, createdTime: 'before' } },
      stale(2),
    ],
    ['older and deleted, the one we rebuilt', { reading: deleted(2), lastVersion: at(2) }, write(2)],
    ['older and deleted, never seen', { reading: deleted(1) }, stale(1)],
    ['the pinned version, different data', { reading: different(3) }, write(3)],
    ['the pinned version, equal data', { reading: equal(3) }, write(3)],
    ['the pinned version, vouched', { reading: equal(3), vouched: true, lastVersion: at(3) }, write(3)],
    ['the pinned version, deleted', { reading: deleted(3) }, write(3)],
    ['the next version, equal data', { reading: equal(4) }, nothing],
    ['the next version, vouched', { reading: different(4), vouched: true, lastVersion: at(4) }, nothing],
    ['the next version, different data', { reading: different(4) }, stale(4)],
    ['the next version, different data, known', { reading: different(4), lastVersion: at(4) }, stale(4)],
    ['the next version, deleted', { reading: deleted(4) }, stale(4)],
    ['the next version, deleted, nothing wanted', { reading: deleted(4), target: new Map() }, nothing],
    ['newer, different data', { reading: different(9) }, stale(9)],
    ['newer, equal data', { reading: equal(9) }, nothing],
    ['newer, deleted', { reading: deleted(9) }, stale(9)],
  ])('%s', (_name, situation, decision) => {
    expect(decide({ casIndex: 3, ...situation })).toEqual(decision);
  });

  it('with casIndex 0 an empty Vault is written with 0', () => {
    expect(decide({ casIndex: 0, reading: none })).toEqual(write(0));
  });
});
