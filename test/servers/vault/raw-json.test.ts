import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { encodeJson, objectMembers, parseJson } from './raw-json.js';

describe('raw JSON', () => {
  it('gives the same values as JSON.parse, for any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(JSON.parse(encodeJson(parseJson(text)))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('is idempotent', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const once = encodeJson(parseJson(text));
        expect(encodeJson(parseJson(once))).toBe(once);
      }),
    );
  });

  it.each(['12345678901234567890', '1.0', '-0.10', '1e3', '1E+400'])('keeps %s', (number) => {
    expect(encodeJson(parseJson(` [ ${number} ] `))).toBe(`[${number}]`);
  });

  it('sorts keys by their bytes; of duplicate keys, the last wins', () => {
    expect(encodeJson(parseJson('{"b":1,"a":{"d":1,"c":2},"\uffff":1,"😀":2,"b":3}'))).toBe(
      '{"a":{"c":2,"d":1},"b":3,"\uffff":1,"😀":2}',
    );
  });

  it.each(['', '{', '{"a":}', '[1,]', '{"a":1}}', "{'a':1}", '01', 'nul'])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it('lists members of objects only', () => {
    expect([...objectMembers('{"a": [1.0, {"y":1,"x":2}]}')]).toEqual([['a', '[1.0,{"x":2,"y":1}]']]);
    expect(() => objectMembers('[]')).toThrow('not an object');
  });
});
