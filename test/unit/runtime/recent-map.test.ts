import { describe, expect, it } from '@jest/globals';

import { RecentMap } from '../../../src/runtime/recent-map.js';

describe('RecentMap', () => {
  it('forgets the entry that was set longest ago', () => {
    const map = new RecentMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    map.get('b');
    map.set('c', 4);
    expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([3, undefined, 4]);
    expect([map.has('a'), map.has('b')]).toEqual([true, false]);
  });

  it('has room again for what was deleted', () => {
    const map = new RecentMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.delete('b');
    map.set('c', 3);
    expect(map.has('a')).toBe(true);
    map.clear();
    expect(map.has('a')).toBe(false);
  });
});
