import { describe, expect, it } from '@jest/globals';

import { RequiredContext } from '../../../src/api/required-context.js';

const required = RequiredContext.of({
  mode: 'enforce',
  own: [
    { name: 'namespace', value: '{{namespace}}' },
    { name: 'id', value: '{{namespace}}/{{name}} at {{path}}' },
  ],
  partial: [{ name: 'namespace', value: '{{namespace}}' }],
  exemptNamespaces: ['free'],
});
const subject = { namespace: 'web', name: 'api', path: 'kv/{{name}}' };
const right = { namespace: 'web', id: 'web/api at kv/{{name}}', more: 'is allowed' };

describe('RequiredContext', () => {
  it('takes a context that has every pair, whatever else it has', () => {
    expect(required.ofSecret(subject)?.problemOf(right)).toBeUndefined();
    expect(required.ofPartial(subject)?.problemOf({ namespace: 'web' })).toBeUndefined();
  });

  it('says which pair is missing, and which differs', () => {
    expect(required.ofSecret(subject)?.problemOf({ namespace: 'shop' })).toBe(
      'its encryption context has namespace=shop instead of namespace=web and lacks ' +
        'id=web/api at kv/{{name}}, required by --required-context',
    );
    expect(required.ofPartial(subject)?.problemOf({})).toBe(
      'its encryption context lacks namespace=web, required by --required-partial-context',
    );
  });

  it('compares exactly', () => {
    const check = required.ofPartial(subject);
    for (const value of ['Web', 'web ', '', 'we'])
      expect(check?.problemOf({ namespace: value })).toContain('instead of namespace=web');
    expect(check?.problemOf({ Namespace: 'web' })).toContain('lacks namespace=web');
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'is not satisfied by an inherited property: %s',
    (name) => {
      const rules = { mode: 'enforce', exemptNamespaces: [], partial: [] } as const;
      const value = 'of {{namespace}}';
      const check = RequiredContext.of({ ...rules, own: [{ name, value }] }).ofSecret(subject);
      const inheriting = Object.create({ [name]: 'of web' }) as Record<string, string>;
      for (const context of [{}, inheriting])
        expect(check?.problemOf(context)).toContain(`lacks ${name}=of web`);
      const own = JSON.parse(`{"${name}": "of web"}`) as Record<string, string>;
      expect(check?.problemOf(own)).toBeUndefined();
    },
  );

  it('cuts what comes from a resource, and escapes it', () => {
    const text = required.ofPartial(subject)?.problemOf({ namespace: `\u001b[31m\n${'x'.repeat(5_000)}` });
    expect(text?.length).toBeLessThan(300);
    expect(text).not.toMatch(/[\u0000-\u001f]/);
    const pairs = Array.from({ length: 50 }, (_, index) => ({ name: `n${String(index)}`, value: 'v' }));
    const many = RequiredContext.of({ mode: 'enforce', own: pairs, partial: [], exemptNamespaces: [] });
    expect(many.ofSecret(subject)?.problemOf({})).toContain('lacks n3=v and 46 more');
  });

  it('requires nothing in exempt namespaces, and of what is not known yet', () => {
    expect(required.ofSecret({ ...subject, namespace: 'free' })).toBeUndefined();
    expect(required.ofPartial({ namespace: 'free' })).toBeUndefined();
    expect(required.ofSecret({ namespace: 'web' })?.problemOf({ namespace: 'web' })).toBeUndefined();
    expect(RequiredContext.none.ofSecret(subject)).toBeUndefined();
  });
});
