import { describe, expect, it } from '@jest/globals';

import { SayOnce } from '../../../src/runtime/log-once.js';

describe('SayOnce', () => {
  it('takes a topic for news once, until its state changes', () => {
    const said = new SayOnce();
    expect([said.isNews('a', 'down'), said.isNews('a', 'down'), said.isNews('b', 'down')]).toEqual([
      true,
      false,
      true,
    ]);
    expect([said.isNews('a', 'refused'), said.isNews('a', 'down')]).toEqual([true, true]);
    expect([said.isNews('plain'), said.isNews('plain')]).toEqual([true, false]);
  });

  it('takes it for news again after it was over, which it tells once', () => {
    const said = new SayOnce();
    said.isNews('a');
    expect([said.isEmpty, said.over('a'), said.over('a'), said.isEmpty]).toEqual([false, true, false, true]);
    expect(said.isNews('a')).toBe(true);
  });

  it('knows in which states its topics are', () => {
    const said = new SayOnce();
    said.isNews('a', 'down');
    expect([said.stands('down'), said.stands('refused')]).toEqual([true, false]);
    said.over('a');
    expect(said.stands('down')).toBe(false);
  });
});
