import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { Json, JsonAnswer } from '../../support/http-json.js';
import { KubeApi } from '../../support/kube-api.js';
import { policyAdmission } from './policy-admission.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

const GROUP = '/apis/admissionregistration.k8s.io/v1';
const POLICIES = `${GROUP}/validatingadmissionpolicies`;
const BINDINGS = `${GROUP}/validatingadmissionpolicybindings`;
const MAPS = '/api/v1/namespaces/default/configmaps';

let server: LoopbackKubernetes;
let kube: KubeApi;

beforeAll(async () => {
  server = await startKubernetesServer({ admission: policyAdmission() });
  kube = new KubeApi(server.adminKubeconfig());
});

afterAll(async () => {
  kube.close();
  await server.stop();
});

beforeEach(async () => {
  for (const kind of ['ValidatingAdmissionPolicyBinding', 'ValidatingAdmissionPolicy'])
    for (const { metadata } of await kube.list(kind, '')) await kube.delete(kind, '', metadata.name);
  for (const { metadata } of await kube.list('ConfigMap', 'default'))
    await kube.delete('ConfigMap', 'default', metadata.name);
});

const MATCH = {
  resourceRules: [
    { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] },
  ],
};
/** Refuses every ConfigMap. */
const NEVER = { matchConstraints: MATCH, validations: [{ expression: 'false', message: 'never' }] };
const DENY = { policyName: 'p', validationActions: ['Deny'] };

async function storePolicy(spec: Json): Promise<JsonAnswer> {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  return await kube.send('POST', POLICIES, {
    apiVersion,
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: 'p' },
    spec,
  });
}

async function bind(spec: Json, name = 'b'): Promise<JsonAnswer> {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  return await kube.send('POST', BINDINGS, {
    apiVersion,
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name },
    spec,
  });
}

async function inForce(policy: Json, binding: Json = DENY): Promise<void> {
  expect(await storePolicy({ ...NEVER, ...policy })).toMatchObject({ status: 201 });
  expect(await bind(binding)).toMatchObject({ status: 201 });
}

async function createMap(data: Json = {}, metadata: Json = {}): Promise<JsonAnswer> {
  return await kube.send('POST', MAPS, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'm', ...metadata },
    data,
  });
}

async function messageOf(data?: Json, metadata?: Json): Promise<string> {
  const { json } = await createMap(data, metadata);
  return json.message;
}

const DENIED = `configmaps "m" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: `;

describe('a ValidatingAdmissionPolicy', () => {
  it('refuses with the status of a real server, and only through a binding', async () => {
    await storePolicy(NEVER);
    await bind({ ...DENY, policyName: 'another' }, 'other');
    expect((await createMap()).status).toBe(201);
    await kube.delete('ConfigMap', 'default', 'm');
    await bind(DENY);
    const { status, json } = await createMap();
    const { message, reason, details } = json;
    expect({ status, message, reason }).toEqual({
      status: 422,
      message: `${DENIED}never`,
      reason: 'Invalid',
    });
    expect(details).toMatchObject({
      name: 'm',
      kind: 'configmaps',
      causes: [{ message: expect.any(String) }],
    });
    expect(server.peek('ConfigMap', 'default', 'm')).toBeUndefined();
  });

  it('answers with the reason of the validation and its code', async () => {
    await inForce({ validations: [{ expression: 'false', message: 'no', reason: 'Forbidden' }] });
    const { status, json } = await createMap();
    expect({ status, reason: json.reason }).toEqual({ status: 403, reason: 'Forbidden' });
  });

  it('with the action Warn admits with a warning, with Audit without', async () => {
    await inForce({}, { ...DENY, validationActions: ['Warn', 'Audit'] });
    const { status, warnings } = await createMap();
    expect({ status, warnings }).toEqual({
      status: 201,
      warnings: ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': never"],
    });
  });

  it('sees the old object, and null for what is not there', async () => {
    await inForce({
      validations: [
        {
          expression: 'oldObject == null || object.data.a == oldObject.data.a',
          messageExpression: '"a was " + oldObject.data.a',
        },
      ],
    });
    expect((await createMap({ a: 'x' })).status).toBe(201);
    const change = kube.patch('ConfigMap', 'default', 'm', { data: { a: 'y' } });
    await expect(change).rejects.toThrow(/HTTP 422.*a was x/);
    await kube.patch('ConfigMap', 'default', 'm', { data: { b: 'y' } });
    // DELETE is in no rule.
    await kube.delete('ConfigMap', 'default', 'm');
  });

  it.each([
    ['"  of the key  "', 'of the key'],
    ['""', 'the message'],
    ['"two\\nlines"', 'the message'],
    ['object.data.missing', 'the message'],
  ])('takes the message from %s', async (messageExpression, message) => {
    await inForce({ validations: [{ expression: 'false', messageExpression, message: ' the message ' }] });
    expect(await messageOf()).toBe(DENIED + message);
  });

  it('shows the expression when there is no message', async () => {
    await inForce({ validations: [{ expression: ' 1 == 2 ' }] });
    expect(await messageOf()).toBe(`${DENIED}failed expression: 1 == 2`);
  });

  it('evaluates a variable where it is used, and refuses an error unless failurePolicy says otherwise', async () => {
    const variables = [
      { name: 'broken', expression: 'object.data.missing' },
      { name: 'count', expression: 'size(object.data)' },
    ];
    const validations = [{ expression: 'variables.count == 1 || variables.broken == "x"', message: 'm' }];
    await inForce({ variables, validations });
    expect((await createMap({ a: '1' })).status).toBe(201);
    expect(await messageOf({ a: '1', b: '2' })).toMatch(
      /denied request: expression '.*' resulted in error: .*missing/,
    );
    await kube.patch('ValidatingAdmissionPolicy', '', 'p', { spec: { failurePolicy: 'Ignore' } });
    expect((await createMap({ a: '1', b: '2' }, { name: 'other' })).status).toBe(201);
  });

  it.each([
    ['true', 'refused'],
    ['false', 'left out'],
    ['object.data.missing == "x"', 'refused'],
  ])('with the condition %s is %s', async (expression, outcome) => {
    await inForce({ matchConditions: [{ name: 'c', expression }] });
    expect((await createMap()).status).toBe(outcome === 'refused' ? 422 : 201);
  });

  it('leaves out what a condition excludes, even if another one fails', async () => {
    const broken = { name: 'broken', expression: 'object.data.missing == "x"' };
    await inForce({ matchConditions: [broken, { name: 'never', expression: 'false' }] });
    expect((await createMap()).status).toBe(201);
  });

  it('judges no policies, so that a wrong one can be removed', async () => {
    const everything = { ...MATCH.resourceRules[0], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] };
    await inForce({ matchConstraints: { resourceRules: [{ ...everything, operations: ['*'] }] } });
    expect((await createMap()).status).toBe(422);
    await kube.delete('ValidatingAdmissionPolicyBinding', '', 'b');
    expect((await createMap()).status).toBe(201);
  });
});

describe('a ValidatingAdmissionPolicyBinding', () => {
  const selector = (operator: string, ...values: string[]): Json => ({
    matchResources: {
      namespaceSelector: {
        matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator, values }],
      },
    },
  });

  it.each([
    ['In', 'default', 422],
    ['NotIn', 'default', 201],
    ['NotIn', 'kube-system', 422],
  ])('with namespaces %s %s answers %d', async (operator, namespace, status) => {
    await inForce({}, { ...DENY, ...selector(operator, namespace) });
    expect((await createMap()).status).toBe(status);
  });

  it('matches by the labels of the object', async () => {
    const objectSelector = { matchLabels: { guarded: 'yes' } };
    await inForce({}, { ...DENY, matchResources: { objectSelector } });
    expect((await createMap({}, { labels: { guarded: 'yes' } })).status).toBe(422);
    expect((await createMap()).status).toBe(201);
  });

  describe('with parameters', () => {
    const policy = {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      matchConditions: [{ name: 'not-itself', expression: 'object.metadata.name != "limits"' }],
      validations: [
        { expression: 'params == null || size(object.data) <= int(params.data.max)', message: 'too many' },
      ],
    };
    const paramRef = { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Allow' };

    it('reads them at each request', async () => {
      await inForce(policy, { ...DENY, paramRef });
      expect((await createMap({ a: '1' })).status).toBe(201);
      await createMap({ max: '0' }, { name: 'limits' });
      expect(await messageOf({ a: '1' }, { name: 'other' })).toContain('denied request: too many');
      await kube.patch('ConfigMap', 'default', 'limits', { data: { max: '1' } });
      expect((await createMap({ a: '1' }, { name: 'other' })).status).toBe(201);
    });

    it('refuses where there are none and that is to be denied', async () => {
      await inForce(policy, {
        ...DENY,
        validationActions: ['Audit'],
        paramRef: { ...paramRef, parameterNotFoundAction: 'Deny' },
      });
      expect(await messageOf()).toBe(
        `${DENIED}failed to configure binding: no params found for policy binding with \`Deny\` parameterNotFoundAction`,
      );
    });

    it('evaluates without them for a binding that names none', async () => {
      await inForce(policy);
      expect((await createMap({ a: '1' })).status).toBe(201);
    });
  });
});

describe('the API of admission policies', () => {
  it.each([
    [
      'an expression that does not compile',
      { validations: [{ expression: '1 +' }] },
      'validations[0].expression',
    ],
    ['an unknown name', { validations: [{ expression: 'objekt.a == 1' }] }, 'validations[0].expression'],
    ['an unknown function', { validations: [{ expression: '"a".reverse() == "a"' }] }, 'compilation failed'],
    [
      'variables in a condition',
      { matchConditions: [{ name: 'c', expression: 'variables.a' }] },
      'matchConditions[0]',
    ],
    ['parameters without a kind', { validations: [{ expression: 'params == null' }] }, 'compilation failed'],
    ['no validation', { validations: [] }, 'spec.validations'],
    ['no rules', { matchConstraints: {} }, 'spec.matchConstraints.resourceRules'],
    ['what only a real server has', { auditAnnotations: [{}] }, 'not supported by this server'],
    [
      'parameters of a kind that is not served',
      { paramKind: { apiVersion: 'a/v1', kind: 'B' } },
      'spec.paramKind',
    ],
  ])('refuses a policy with %s', async (_what, spec, message) => {
    const { status, json } = await storePolicy({ ...NEVER, ...spec });
    expect({ status, message: json.message }).toEqual({
      status: 422,
      message: expect.stringContaining(message),
    });
  });

  it.each([
    ['no action', { validationActions: [] }, 'spec.validationActions'],
    ['an unknown action', { validationActions: ['Refuse'] }, 'Unsupported value: "Refuse"'],
    ['Deny and Warn', { validationActions: ['Deny', 'Warn'] }, 'both Deny and Warn'],
    ['a selector of parameters', { paramRef: { selector: {} } }, 'not supported by this server'],
    ['no word on missing parameters', { paramRef: { name: 'x' } }, 'parameterNotFoundAction'],
    ['no policy', { policyName: undefined }, 'spec.policyName'],
  ])('refuses a binding with %s', async (_what, spec, message) => {
    const { status, json } = await bind({ ...DENY, ...spec });
    expect({ status, message: json.message }).toEqual({
      status: 422,
      message: expect.stringContaining(message),
    });
  });
});
