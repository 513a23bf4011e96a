import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { parseLine } from '../../../src/watch/watch-stream.js';

const object = { apiVersion: 'g/v1', kind: 'K', metadata: { name: 'a', resourceVersion: '1' } };

describe('parseLine', () => {
  it.each(['ADDED', 'MODIFIED', 'DELETED'])('reads %s', (type) => {
    expect(parseLine(JSON.stringify({ type, object }))).toEqual({ type, object });
  });

  it('reads a bookmark', () => {
    const line = '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}}';
    expect(parseLine(line)).toEqual({ type: 'BOOKMARK', resourceVersion: '12' });
  });

  it.each([
    ['{"type":"ERROR","object":{"kind":"Status","code":410}}', { type: 'ERROR', code: 410 }],
    ['{"type":"ERROR","object":{}}', { type: 'ERROR', code: 500 }],
    [
      '{"type":"ERROR","object":{"code":429,"details":{"retryAfterSeconds":3}}}',
      { type: 'ERROR', code: 429, retryAfterMs: 3_000 },
    ],
  ])('reads %s', (line, expected) => {
    expect(parseLine(line)).toEqual(expected);
  });

  it.each([
    '',
    'null',
    '[]',
    '7',
    '{}',
    '{"type":"ADDED"}',
    '{"type":"ADDED","object":null}',
    '{"type":"BOOKMARK","object":{}}',
    '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":""}}}',
    '{"type":"ADDED","object":{"kind":"K","metadata":{"name":"a","resourceVersion":"1"}}}',
    '{"type":"ADDED","object":{"apiVersion":"v1","kind":"K","metadata":{"name":"a"}}}',
    '{"type":"ADDED","object":{"apiVersion":"v1","kind":"K","metadata":{"name":"a","resourceVersion":"1","namespace":7}}}',
  ])('calls %s malformed', (line) => {
    expect(parseLine(line)).toEqual({ type: 'MALFORMED' });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        expect(typeof parseLine(line).type).toBe('string');
      }),
    );
  });
});
