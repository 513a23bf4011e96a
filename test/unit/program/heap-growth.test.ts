import { execFileSync } from 'node:child_process';

import { describe, expect, it } from '@jest/globals';

import { HEAP_GROWTH_FLAG } from '../../../src/program/heap-growth.js';

/** Holds some megabytes, replaces them over and over, and prints the largest heap that it had, in bytes. */
const REPLACE = `
  const { getHeapStatistics, setFlagsFromString } = require('node:v8');
  if (process.argv[1]) setFlagsFromString(process.argv[1]);
  const held = [];
  let peak = 0;
  for (let round = 0; round < 1500000; round += 1) {
    held[round % 100000] = { text: 'value ' + round, parts: [round, { round }] };
    if (round % 1000 === 0) peak = Math.max(peak, getHeapStatistics().total_heap_size);
  }
  console.log(peak);`;

function peakOf(...flags: readonly string[]): number {
  return Number(execFileSync(process.execPath, ['-e', REPLACE, ...flags], { encoding: 'utf8' }));
}

describe('the heap', () => {
  it('stays nearer to what is in use than by default, for a flag that V8 takes while a program runs', () => {
    expect(peakOf(HEAP_GROWTH_FLAG)).toBeLessThan(0.8 * peakOf());
  });
});
