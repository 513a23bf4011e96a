import { describe, expect, it } from '@jest/globals';

import { FAULTS } from '../../chaos/fault-names.js';
import { LeakScanner } from '../../chaos/leaks.js';
import { Planner } from '../../chaos/planner.js';
import { CANARY } from '../../chaos/sealed-values.js';

const OPTIONS = { seconds: 60, resources: 100, changesPerSecond: 2.5 };

describe('the schedule of a chaos run', () => {
  it('follows from its seed alone', () => {
    const [one, again, other] = [7, 7, 8].map((seed) => new Planner({ ...OPTIONS, seed }));
    expect(again?.start).toEqual(one?.start);
    expect(again?.steps).toEqual(one?.steps);
    expect(other?.steps).not.toEqual(one?.steps);
  });

  it('has every kind of change and of fault in a long run, and ends every fault', () => {
    const { steps } = new Planner({ ...OPTIONS, seconds: 3_000, seed: 1 });
    const faults = steps.flatMap(({ action }) => (action.do === 'fault' ? [action] : []));
    const known = Object.entries(FAULTS).flatMap(([group, names]) =>
      names.map((name) => `${group}: ${name}`),
    );
    expect(new Set(faults.map(({ fault }) => fault))).toEqual(new Set(known));
    const count = (phase: string): number => faults.filter((fault) => fault.phase === phase).length;
    expect(count('begin')).toBe(count('end'));
    expect(new Set(steps.map(({ action }) => action.do))).toEqual(
      new Set(['apply', 'delete', 'bump', 'drift', 'stranger', 'fault']),
    );
    expect(Math.max(...faults.map((_, index) => steps[index]?.atMs ?? 0))).toBeLessThanOrEqual(3_000_000);
  });
});

describe('LeakScanner', () => {
  const scanner = new LeakScanner();
  scanner.guard('hvs.a-token-of-somebody');

  it.each([
    ['a value', `{"msg":"wrote ${CANARY}12-user-abc"}`],
    ['a value in base64', Buffer.from(`${CANARY}12-user-abc`).toString('base64')],
    ['a value in base64', Buffer.from(`x${CANARY}12-user-abc`).toString('base64')],
    ['a value in base64', Buffer.from(`xy${CANARY}12-user-abc`).toString('base64')],
    ['a credential', 'X-Vault-Token: hvs.a-token-of-somebody'],
  ])('finds %s', (what, text) => {
    expect(scanner.find(text)).toBe(what);
  });

  it('finds nothing in an ordinary line', () => {
    expect(scanner.find('{"level":"info","msg":"Wrote secret s-001 to kv/app-1"}')).toBeUndefined();
  });
});
