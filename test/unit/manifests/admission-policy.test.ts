import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';

import { judgeContexts } from '../../../src/admission/context-rules.js';
import { ReviewFindings } from '../../../src/admission/review-findings.js';
import { itemsOf } from '../../../src/admission/spec-items.js';
import { VaultPathRules } from '../../../src/admission/vault-path-rules.js';
import { AllowedPaths } from '../../../src/api/allowed-paths.js';
import { type Kind, PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import { RequiredContext } from '../../../src/api/required-context.js';
import { parseVaultPath } from '../../../src/api/vault-path.js';
import { requiredContexts } from '../../../src/config/context-flags.js';
import { FaultList } from '../../../src/config/fault-list.js';
import {
  compileProblems,
  evaluatePolicy,
  type PolicyRules,
} from '../../servers/kubernetes/policy-evaluation.js';

type Json = Readonly<Record<string, unknown>>;

interface Request {
  readonly object: Json;
  readonly oldObject?: Json;
  readonly kind?: Kind;
  readonly params?: Json;
}

/** Read once: a property evaluates each of them hundreds of times. */
const POLICIES = new Map<string, PolicyRules>();

function policyOf(file: string): PolicyRules {
  const known = POLICIES.get(file);
  if (known !== undefined) return known;
  const text = readFileSync(`kustomize/components/admission-policy/${file}.yaml`, 'utf8');
  const [document] = parseAllDocuments(text);
  const { spec } = document?.toJS() as { readonly spec: PolicyRules };
  expect(compileProblems(spec)).toEqual([]);
  POLICIES.set(file, spec);
  return spec;
}

/** The messages of the validations that fail; undefined when a condition leaves it out. */
function evaluate(
  file: string,
  { object, oldObject, kind = SECRET_KIND, params = {} }: Request,
): string[] | undefined {
  const request = { operation: oldObject === undefined ? 'CREATE' : 'UPDATE', kind: { kind } };
  const input = { object, oldObject: oldObject ?? null, request, params };
  return evaluatePolicy(policyOf(file), input)?.map(({ message }) => message);
}

/** Whether the conditions leave the request to the validations. */
function matches(file: string, { object, oldObject }: Pick<Request, 'object' | 'oldObject'>): boolean {
  const input = { object, oldObject: oldObject ?? null, request: { operation: 'UPDATE' }, params: {} };
  return evaluatePolicy({ ...policyOf(file), variables: [], validations: [] }, input) !== undefined;
}

function resource(spec: Json, metadata: Json = {}): Json {
  return { metadata: { name: 'web', namespace: 'shop', ...metadata }, spec };
}

const secretAt = (path: string, engineVersion: string): Json =>
  resource({ path, kvSettings: { engineVersion }, secrets: [] });

const PATHS = [
  'kv/app',
  '//kv//app/',
  'secret/data/app',
  'secret/app',
  'secret/data',
  'data/data/x',
  'data/x',
  'a/b/data/c',
  'a/data/data',
  'kv/metadata/data/x',
  '',
  '/',
  'kv',
  'kv/',
  'sys/x',
  '/SYS/mounts',
  ' Auth /x',
  'identity',
  'cubbyhole/x',
  'system/x',
  'kv/sys',
  '\u017fys/x',
  'kv/../sys/x',
  'kv/.',
  './kv/x',
  'kv/ .. /x',
  'kv/\u00a0..\u2003/x',
  'kv/...',
  'kv/.hidden',
  'kv/%2e%2e/x',
  'kv/x?list=true',
  'kv/x#y',
  'kv\\x/y',
  'http://elsewhere/x',
  'a+b://x/y',
  'kv/http://x',
  'kv/a\u0000b',
  'kv/a\nb',
  'kv/a\u007fb',
  'kv/a\u0085b',
  'kv/\u{1f511}',
  `kv/${'x'.repeat(32_765)}`,
  `kv/${'x'.repeat(32_766)}`,
];

/** The code's verdict on a path, without `--allowed-vault-paths`. */
function codeRefuses(path: string, engineVersion: string): boolean {
  const problems = new ReviewFindings();
  new VaultPathRules(AllowedPaths.any).check(path, engineVersion, 'shop', problems);
  return problems.all.length > 0;
}

describe('the policy of paths', () => {
  it.each(PATHS.flatMap((path) => ['v1', 'v2'].map((engine) => [path, engine] as const)))(
    'judges %j on %s as the code does',
    (path, engine) => {
      const refused = (evaluate('paths', { object: secretAt(path, engine) }) ?? []).length > 0;
      expect({ path, refused }).toEqual({ path, refused: codeRefuses(path, engine) });
    },
  );

  it('judges any path as the code does', () => {
    const piece = fc.constantFrom(
      'kv',
      'data',
      'sys',
      'SYS',
      '..',
      '.',
      ' ',
      '/',
      '//',
      '%',
      '\\',
      '\u00a0',
      'a',
      ':',
    );
    const path = fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(path, fc.constantFrom('v1', 'v2'), (text, engine) => {
        const refused = (evaluate('paths', { object: secretAt(text, engine) }) ?? []).length > 0;
        expect({ text, engine, refused }).toEqual({ text, engine, refused: codeRefuses(text, engine) });
      }),
    );
    expect(parseVaultPath('kv/a').ok).toBe(true);
  });

  it('refuses an include that is listed twice', () => {
    const spec = { path: 'kv/a', kvSettings: { engineVersion: 'v1' } };
    expect(evaluate('paths', { object: resource({ ...spec, includeSecrets: ['a', 'b'] }) })).toEqual([]);
    expect(evaluate('paths', { object: resource({ ...spec, includeSecrets: ['a', 'b', 'a'] }) })).toEqual([
      'spec.includeSecrets lists a partial twice',
    ]);
  });

  it('leaves a stored object alone unless its spec changes, and one that is being deleted always', () => {
    const stored = secretAt('sys/x', 'v1');
    const released = { ...stored, metadata: { name: 'web', finalizers: [] } };
    expect(evaluate('paths', { object: released, oldObject: stored })).toBeUndefined();
    expect(evaluate('paths', { object: secretAt('sys/y', 'v1'), oldObject: stored })).toHaveLength(1);
    const going = resource({ path: 'sys/z' }, { deletionTimestamp: '2026-01-01T00:00:00Z' });
    expect(evaluate('paths', { object: going, oldObject: stored })).toBeUndefined();
    // Without a schema, an object can have no spec.
    const bare = { metadata: { name: 'web', namespace: 'shop' } };
    for (const file of ['paths', 'required-context', 'warnings']) {
      expect(evaluate(file, { object: bare, oldObject: bare })).toBeUndefined();
    }
    expect(evaluate('paths', { object: bare, oldObject: stored })).not.toEqual([]);
    expect(evaluate('paths', { object: bare, oldObject: stored })).toBeDefined();
  });
});

describe.each(['paths', 'required-context', 'warnings'])('the policy of %s', (file) => {
  const spec: Json = { path: 'sys/x', kvSettings: { engineVersion: 'v1' }, secrets: [{ key: 'a' }] };

  it('leaves an update alone that suspends or resumes a stored object', () => {
    for (const suspend of [true, false]) {
      const [changed, stored] = [resource({ ...spec, suspend }), resource(spec)];
      expect(evaluate(file, { object: changed, oldObject: stored })).toBeUndefined();
      expect(evaluate(file, { object: stored, oldObject: changed })).toBeUndefined();
    }
  });

  it('judges a change of any other field of the spec', () => {
    const [crd] = parseAllDocuments(readFileSync('manifests/crds/kmsvaultsecrets.yaml', 'utf8'));
    const fields = crd?.getIn(
      'spec.versions.0.schema.openAPIV3Schema.properties.spec.properties'.split('.'),
    ) as { toJSON: () => Json };
    const names = Object.keys(fields.toJSON()).filter((name) => name !== 'suspend');
    expect(names.length).toBeGreaterThan(4);
    for (const name of names) {
      const { [name]: _, ...without } = spec;
      const [changed, stored] = [resource({ ...without, [name]: ['new'] }), resource(without)];
      const other = resource({ ...without, [name]: ['old'] });
      for (const [object, oldObject] of [
        [changed, other],
        [changed, stored],
        [stored, changed],
      ] as const)
        expect([name, matches(file, { object, oldObject })]).toEqual([name, true]);
    }
  });
});

describe('the policy of warnings', () => {
  it('tells of casIndex with v1, which works', () => {
    const object = (engineVersion: string): Json =>
      resource({ path: 'kv/a', kvSettings: { engineVersion, casIndex: 1 } });
    expect(evaluate('warnings', { object: object('v1') })).toEqual([
      expect.stringContaining('casIndex is ignored'),
    ]);
    expect(evaluate('warnings', { object: object('v2') })).toEqual([]);
  });
});

const FLAGS = {
  'required-context': 'namespace={{namespace}}, name={{name}},path={{path}},eq=a=b',
  'required-partial-context': 'namespace={{namespace}}',
};
const RIGHT = { namespace: 'shop', name: 'web', path: 'kv/{{name}}', eq: 'a=b' };

describe('the policy of required contexts', () => {
  const required = RequiredContext.of(requiredContexts(FLAGS, new FaultList()));
  const context = fc.oneof(
    fc.constant(undefined),
    fc.constant({}),
    fc.constant(RIGHT),
    fc.constant({ ...RIGHT, more: 'x' }),
    fc.constant({ namespace: 'shop' }),
    fc.constantFrom('namespace', 'name', 'path', 'eq').map((name) => ({ ...RIGHT, [name]: 'other' })),
  );
  const item = fc.record(
    {
      key: fc.constantFrom('a', 'b', 'c'),
      encryptedSecret: fc.constantFrom('', 'AQ==', 'AQ==', 'AQ=='),
      emptySecret: fc.constantFrom(true, false, false, false),
      secretContext: context,
    },
    { requiredKeys: ['key', 'encryptedSecret'] },
  );
  const withoutUndefined = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;

  it('judges any items as the webhook does, with the values of its flags', () => {
    let refusals = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(SECRET_KIND, PARTIAL_KIND),
        context,
        fc.array(item, { minLength: 1, maxLength: 3 }),
        (kind, secretContext, secrets) => {
          const path = kind === SECRET_KIND ? { path: '/kv//{{name}}' } : {};
          const spec = withoutUndefined({ ...path, secretContext, secrets });
          const found = {
            problems: new ReviewFindings(),
            warnings: new ReviewFindings(),
            outages: new ReviewFindings(),
          };
          const owner = { kind, namespace: 'shop', name: 'web', path: 'kv/{{name}}' };
          const { violations } = judgeContexts(required, owner, itemsOf(spec), found);
          const messages = evaluate('required-context', {
            object: resource(spec),
            kind,
            params: { data: FLAGS },
          });
          expect({ spec, refused: messages?.length }).toEqual({ spec, refused: violations > 0 ? 1 : 0 });
          refusals += violations > 0 ? 1 : 0;
        },
      ),
      { numRuns: 500 },
    );
    expect(refusals).toBeGreaterThan(20);
  });

  it('names a key and the pairs', () => {
    const object = resource({ path: 'kv/a', secrets: [{ key: 'a', encryptedSecret: 'AQ==' }] });
    expect(evaluate('required-context', { object, params: { data: FLAGS } })).toEqual([
      'key "a": its encryption context must have namespace=shop, name=web, path=kv/a, eq=a=b, required by required-context',
    ]);
    for (const params of [{}, { data: { 'required-context': '' } }])
      expect(evaluate('required-context', { object, params })).toEqual([]);
  });
});
