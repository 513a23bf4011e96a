import { randomBytes, randomUUID } from 'node:crypto';

import { CRD_CLEANUP_FINALIZER } from './crd.js';
import type { ResourceKind } from './kinds.js';
import { isRecord, type KubeObject, type ObjectMeta, sameJson, timestamp } from './objects.js';
import { ApiError, badRequest, conflict, type StatusCause } from './status-errors.js';

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
/** The characters of Kubernetes' random suffixes: no vowels, no lookalikes. */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
const QUALIFIED_NAME = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const STANDARD_FINALIZERS = ['orphan', 'foregroundDeletion', 'kubernetes', CRD_CLEANUP_FINALIZER];

/** The object of a request's body, with metadata of the right types. @throws ApiError 400 */
export function asObject(body: unknown, kind: ResourceKind): KubeObject {
  if (!isRecord(body)) throw badRequest(`the body of the request is not a ${kind.kind}`);
  const metadata = body['metadata'] ?? {};
  if (!isRecord(metadata)) throw badRequest('json: cannot unmarshal metadata into ObjectMeta');
  for (const field of ['labels', 'annotations']) {
    const map = metadata[field] ?? {};
    if (!isRecord(map) || Object.values(map).some((value) => typeof value !== 'string')) {
      throw badRequest(`json: cannot unmarshal metadata.${field} into map[string]string`);
    }
  }
  const finalizers = metadata['finalizers'] ?? [];
  if (!Array.isArray(finalizers) || finalizers.some((value) => typeof value !== 'string')) {
    throw badRequest('json: cannot unmarshal metadata.finalizers into []string');
  }
  for (const field of ['name', 'namespace', 'generateName', 'uid', 'resourceVersion']) {
    const value = metadata[field] ?? '';
    if (typeof value !== 'string') throw badRequest(`json: cannot unmarshal metadata.${field} into string`);
  }
  const clean = Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null));
  return { ...body, metadata: clean } as unknown as KubeObject;
}

/** The metadata of a new object: fields that clients may set, and those that the server sets. */
export function metadataForCreate(given: ObjectMeta, kind: ResourceKind, namespace: string): ObjectMeta {
  if ((given.resourceVersion ?? '') !== '' && given.resourceVersion !== '0') {
    throw new ApiError(500, '', 'resourceVersion should not be set on objects to be created');
  }
  const generated =
    (given.name ?? '') === '' && given.generateName !== undefined
      ? given.generateName + randomSuffix()
      : given.name;
  const { resourceVersion: _version, selfLink: _link, managedFields: _managed, ...rest } = given;
  const {
    deletionTimestamp: _at,
    deletionGracePeriodSeconds: _grace,
    generation: _generation,
    ...kept
  } = rest;
  return tidy({
    ...kept,
    name: generated,
    ...(kind.namespaced ? { namespace } : {}),
    uid: randomUUID(),
    creationTimestamp: timestamp(),
    ...(kind.hasGeneration ? { generation: 1 } : {}),
  });
}

function randomSuffix(): string {
  return [...randomBytes(5)].map((byte) => SUFFIX_LETTERS[byte % SUFFIX_LETTERS.length]).join('');
}

/** Empty maps and lists are not stored. */
function tidy(metadata: ObjectMeta): ObjectMeta {
  const kept = Object.entries(metadata).filter(
    ([key, value]) =>
      value !== undefined &&
      !(
        ['labels', 'annotations', 'finalizers', 'ownerReferences'].includes(key) &&
        Object.keys(value as object).length === 0
      ),
  );
  return Object.fromEntries(kept) as unknown as ObjectMeta;
}

/**
 * The metadata after an update: what the server owns stays as it was.
 *
 * @throws ApiError 409 for another object's uid.
 */
export function metadataForUpdate(given: ObjectMeta, old: KubeObject, kind: ResourceKind): ObjectMeta {
  const before = old.metadata;
  if ((given.uid ?? '') !== '' && given.uid !== before.uid) {
    const why = `Precondition failed: UID in precondition: ${given.uid ?? ''}, UID in object meta: ${before.uid ?? ''}`;
    throw conflict(kind, before.name, why);
  }
  const { managedFields: _managed, selfLink: _link, ...kept } = given;
  const owned: Partial<ObjectMeta> = {};
  for (const field of [
    'uid',
    'namespace',
    'resourceVersion',
    'generation',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generateName',
  ]) {
    owned[field] = before[field];
  }
  return tidy({
    ...kept,
    ...owned,
    creationTimestamp: given.creationTimestamp ?? before.creationTimestamp ?? '',
  });
}

type Report = (field: string, message: string, reason?: string) => void;

/** Validation errors of an object's metadata; `old` for an update. */
export function validateMetadata(object: KubeObject, kind: ResourceKind, old?: KubeObject): StatusCause[] {
  const causes: StatusCause[] = [];
  const bad: Report = (field, message, reason = 'FieldValueInvalid') => {
    causes.push({ reason, message, field: `metadata.${field}` });
  };
  // The name may be missing in a client's request, although the type has it.
  const name = (object.metadata.name as string | undefined) ?? '';
  if (name === '') {
    bad('name', 'Required value: name or generateName is required', 'FieldValueRequired');
  } else if (old === undefined) {
    const rule = nameProblem(name, kind);
    if (rule !== undefined) bad('name', `Invalid value: "${name}": ${rule}`);
  } else {
    validateUpdate(object, old, bad);
  }
  for (const finalizer of object.metadata.finalizers ?? []) {
    const problem = finalizerProblem(finalizer, kind);
    if (problem !== undefined) bad('finalizers', `Invalid value: "${finalizer}": ${problem}`);
  }
  for (const [key, value] of Object.entries(object.metadata.labels ?? {})) {
    if (!QUALIFIED_NAME.test(key)) {
      bad('labels', `Invalid value: "${key}": name part must be a qualified name`);
    }
    if (value.length > 63 || !/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(value)) {
      bad('labels', `Invalid value: "${value}": ${LABEL_RULE}`);
    }
  }
  return causes;
}

const LABEL_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', at most 63 of them";

function validateUpdate({ metadata }: KubeObject, { metadata: before }: KubeObject, bad: Report): void {
  if (metadata.name !== before.name) bad('name', `Invalid value: "${metadata.name}": field is immutable`);
  if (metadata.creationTimestamp !== before.creationTimestamp) {
    const value = metadata.creationTimestamp ?? '';
    bad('creationTimestamp', `Invalid value: "${value}": field is immutable`);
  }
  if (before.deletionTimestamp === undefined) return;
  const added = (metadata.finalizers ?? []).filter((one) => !(before.finalizers ?? []).includes(one));
  if (added.length === 0) return;
  const list = added.map((one) => JSON.stringify(one)).join(', ');
  const message = `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  bad('finalizers', message, 'FieldValueForbidden');
}

function finalizerProblem(finalizer: string, kind: ResourceKind): string | undefined {
  if (!QUALIFIED_NAME.test(finalizer)) {
    return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  }
  const fine =
    kind.custom !== undefined || finalizer.includes('/') || STANDARD_FINALIZERS.includes(finalizer);
  return fine ? undefined : 'name is neither a standard finalizer name nor is it fully qualified';
}

function nameProblem(name: string, kind: ResourceKind): string | undefined {
  if (kind.group === 'rbac.authorization.k8s.io') {
    return name === '.' || name === '..' || /[/%]/.test(name) ? 'is not a valid path segment' : undefined;
  }
  const max = kind.plural === 'namespaces' || kind.plural === 'services' ? 63 : 253;
  if (name.length > max) return `must be no more than ${String(max)} characters`;
  return SUBDOMAIN.test(name) ? undefined : SUBDOMAIN_RULE;
}

/** The warning that the real server gives about finalizers of custom resources without a path. */
export function finalizerWarnings(object: KubeObject, kind: ResourceKind, old?: KubeObject): string[] {
  if (kind.custom === undefined) return [];
  const known = old?.metadata.finalizers ?? [];
  return (object.metadata.finalizers ?? [])
    .filter((one) => !one.includes('/') && !STANDARD_FINALIZERS.includes(one) && !known.includes(one))
    .map(
      (one) =>
        `metadata.finalizers: "${one}": prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers`,
    );
}

/** Whether an update increments the generation: not for metadata, nor for status where it is a subresource. */
export function changesGeneration(object: KubeObject, old: KubeObject, kind: ResourceKind): boolean {
  const ignored = kind.hasStatus ? ['metadata', 'status', 'apiVersion'] : ['metadata', 'apiVersion'];
  const rest = (value: KubeObject): Record<string, unknown> =>
    Object.fromEntries(Object.entries(value).filter(([key]) => !ignored.includes(key)));
  return !sameJson(rest(object), rest(old));
}
