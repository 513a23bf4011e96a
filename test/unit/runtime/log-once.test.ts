import { describe, expect, it } from '@jest/globals';

import { LogOnce } from '../../../src/runtime/log-once.js';

describe('LogOnce', () => {
  it('takes a topic for news once, until its state changes', () => {
    const said = new LogOnce();
    expect([said.isNew('a', 'down'), said.isNew('a', 'down'), said.isNew('b', 'down')]).toEqual([
      true,
      false,
      true,
    ]);
    expect([said.isNew('a', 'refused'), said.isNew('a', 'down')]).toEqual([true, true]);
    expect([said.isNew('plain'), said.isNew('plain')]).toEqual([true, false]);
  });

  it('takes a state for new again after it was cleared', () => {
    const said = new LogOnce();
    said.isNew('a');
    expect([said.isEmpty, said.clear('a'), said.clear('a'), said.isEmpty]).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect(said.isNew('a')).toBe(true);
  });

  it('knows in which states its topics are', () => {
    const said = new LogOnce();
    said.isNew('a', 'down');
    expect([said.has('down'), said.has('refused')]).toEqual([true, false]);
    said.clear('a');
    expect(said.has('down')).toBe(false);
  });
});
