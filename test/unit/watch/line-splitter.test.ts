import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { LineSplitter, OVERLONG } from '../../../src/watch/line-splitter.js';

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut into chunks', () => {
    const line = fc.string({ unit: 'binary' }).map((text) => text.replace(/[\n\ud800-\udfff]/gu, ''));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat({ max: 7 })), (lines, sizes) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''), 'utf8');
        const splitter = new LineSplitter(1_000_000);
        const found: unknown[] = [];
        let from = 0;
        for (const size of sizes) {
          found.push(...splitter.push(bytes.subarray(from, from + size)));
          from += size;
        }
        found.push(...splitter.push(bytes.subarray(from)));
        expect(found).toEqual(lines.filter((text) => text.trim() !== ''));
      }),
    );
  });

  it('keeps an unfinished line to itself', () => {
    expect(new LineSplitter(100).push(Buffer.from('one\ntwo'))).toEqual(['one']);
  });

  it('reports an overlong line without keeping it, and reads the next', () => {
    const splitter = new LineSplitter(4);
    expect(splitter.push(Buffer.from('12'))).toEqual([]);
    for (let chunk = 0; chunk < 3; chunk += 1) expect(splitter.push(Buffer.from('345'))).toEqual([]);
    expect(splitter.push(Buffer.from('6\n1234\n12345\nok\n'))).toEqual([OVERLONG, '1234', OVERLONG, 'ok']);
  });
});
