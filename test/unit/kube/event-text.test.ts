import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { eventMessage, eventName } from '../../../src/kube/event-text.js';

describe('eventMessage', () => {
  it.each(['Wrote secret app to secret/app', 'ümlaut 日本 🔐', ''])('leaves %j as it is', (text) => {
    expect(eventMessage(text)).toBe(text);
  });

  it.each([
    ['one\r\ntwo\tthree', 'one two three'],
    ['red \u001b[31m', 'red  [31m'],
    ['\u202egpj.exe', 'gpj.exe'],
    ['a\u200bb\u2066c\ufeff', 'abc'],
    ['half \ud83d', 'half'],
    [' \n ', ''],
  ])('shows %j as %j', (text, shown) => {
    expect(eventMessage(text)).toBe(shown);
  });

  it('cuts at 1024 bytes between two characters', () => {
    fc.assert(
      fc.property(fc.constantFrom('a', 'é', '日', '🔐'), fc.integer({ min: 0, max: 4 }), (char, shift) => {
        const message = eventMessage('x'.repeat(shift) + char.repeat(2_000));
        expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1_024);
        expect(Buffer.byteLength(message)).toBeGreaterThan(1_024 - 8);
        expect(message).toMatch(new RegExp(`^x{${String(shift)}}(${char})+…$`, 'u'));
      }),
    );
    expect(eventMessage('x'.repeat(1_024))).toBe('x'.repeat(1_024));
  });
});

describe('eventName', () => {
  it('is a DNS subdomain of at most 253 characters, whatever the object is called', () => {
    const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
    const name = fc
      .array(label, { minLength: 1, maxLength: 40 })
      .map((labels) => labels.join('.').slice(0, 253));
    fc.assert(
      fc.property(name, (object) => {
        const event = eventName(object.replace(/[^a-z0-9]+$/, ''), '0123456789abcdef');
        expect(event.length).toBeLessThanOrEqual(253);
        expect(event).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
      }),
    );
    expect(eventName('app', 'ff')).toBe('app.ff');
  });
});
