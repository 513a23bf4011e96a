import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  isJsonObject,
  objectMembers,
  parseSecretData,
  serializeSecretData,
} from '../../../src/vault/raw-json.js';

const blanks = fc.stringMatching(/^[ \n\r\t]{0,3}$/);
const numbers = fc.oneof(
  fc.constantFrom('12345678901234567890', '1.0', '1e3', '-0', '0.10', '1E+2'),
  fc.integer().map(String),
);
const strings = fc
  .oneof(fc.string(), fc.constantFrom('}', '{"a":', '\\"', ',', '\u2028', '"'))
  .map((text) => JSON.stringify(text));
const nested = fc.jsonValue().map((value) => JSON.stringify(value));
const values = fc.oneof(
  numbers,
  strings,
  nested,
  fc.constantFrom('true', 'false', 'null', '[ 1 , {} ]', '{ }'),
);
const names = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'a"b', '\u200b'),
  fc.string(),
);
const members = fc.uniqueArray(fc.tuple(names, values, blanks), { selector: ([name]) => name });

describe('objectMembers', () => {
  it('keeps every member digit by digit, whatever stands in names and values', () => {
    fc.assert(
      fc.property(members, blanks, (entries, around) => {
        const inner = entries
          .map(([name, value, blank]) => `${blank}${JSON.stringify(name)}${blank}:${blank}${value}${blank}`)
          .join(',');
        const text = `${around}{${inner === '' ? around : inner}}${around}`;
        expect([...objectMembers(text)]).toEqual(entries.map(([name, value]) => [name, value]));
      }),
    );
  });

  it('lets the last of several equal names win, as Vault does', () => {
    expect(objectMembers('{"a":1,"b":2,"a":3}').get('a')).toBe('3');
  });

  it.each([
    '',
    'null',
    '[]',
    '"x"',
    '1',
    '{',
    '{"a":1} x',
    '<html>s3cret</html>',
    '{"a":s3cret}',
    '{"a":1,}',
  ])('refuses %s without quoting it', (text) => {
    expect(isJsonObject(text)).toBe(false);
    expect(() => objectMembers(text)).toThrow(new SyntaxError('not a JSON object'));
  });
});

describe('parseSecretData', () => {
  it('reads back what serializeSecretData writes', () => {
    fc.assert(
      fc.property(members, (entries) => {
        const data = parseSecretData(
          `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`,
        );
        expect([...parseSecretData(serializeSecretData(data))]).toEqual([...data]);
        expect(isJsonObject(serializeSecretData(data))).toBe(true);
      }),
    );
  });

  it('normalises strings, so that escapes of the server make no difference', () => {
    expect(parseSecretData('{"h":"\\u003c\\u0026\\u003e\\/"}')).toEqual(parseSecretData('{"h":"<&>/"}'));
  });

  it('leaves prototypes clean', () => {
    const data = parseSecretData('{"__proto__":{"polluted":"yes"},"constructor":"x"}');
    expect(data.get('__proto__')).toBe('{"polluted":"yes"}');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
