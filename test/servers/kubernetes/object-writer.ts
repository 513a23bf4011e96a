import type { Admission } from './admission.js';
import { validateBuiltin, withBuiltinDefaults } from './builtin-rules.js';
import { checkCustom } from './custom-resources.js';
import { apiVersionOf, NAMESPACE_PLACE, type ResourceKind } from './kinds.js';
import {
  asObject,
  changesGeneration,
  finalizerWarnings,
  metadataForCreate,
  metadataForUpdate,
  validateMetadata,
} from './metadata.js';
import { type KubeObject, sameJson, type UserInfo } from './objects.js';
import { applyPatch } from './patching.js';
import { alreadyExists, badRequest, conflict, forbidden, invalid, notFound } from './status-errors.js';
import { type Storage, StaleWrite } from './storage.js';
import { isFinal, removeOrMark } from './deletion.js';

/** One write request: resource, user and options. */
export interface WriteRequest {
  readonly kind: ResourceKind;
  readonly namespace: string;
  /** Empty for create. */
  readonly name: string;
  /** `''`, `status` or `finalize`. */
  readonly subresource: string;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** Collects warnings for the client. */
  readonly warnings: string[];
}

/** `metav1.Preconditions`. */
export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** How often a patch or an unconditional write is retried after a conflict. */
const MAX_ATTEMPTS = 5;

/** Creates, changes and deletes stored objects by the rules of the API machinery. */
export class ObjectWriter {
  constructor(
    private readonly storage: Storage,
    private readonly admit: Admission,
  ) {}

  async create(request: WriteRequest, body: unknown): Promise<KubeObject> {
    const { kind, namespace } = request;
    const given = this.decode(request, body);
    if ((given.metadata.namespace ?? '') !== '' && given.metadata.namespace !== namespace) {
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    }
    if (request.name !== '' && (given.metadata.name ?? request.name) !== request.name) {
      throw badRequest(nameMismatch(given.metadata.name, request.name));
    }
    const metadata = metadataForCreate(given.metadata, kind, namespace);
    const { status: _status, ...withoutStatus } = given;
    const fresh = { ...(kind.hasStatus ? withoutStatus : given), metadata } as KubeObject;
    const object = kind.custom === undefined ? withBuiltinDefaults(fresh, kind) : fresh;
    this.requireNamespace(request, object.metadata.name);
    this.validate(request, object);
    request.warnings.push(
      ...(await this.admit({
        operation: 'CREATE',
        ...admissionOf(request, object.metadata.name),
        object: shown(object, kind),
      })),
    );
    const there = this.storage.get(kind.place, namespace, object.metadata.name);
    if (there !== undefined) {
      throw alreadyExists(kind, there.metadata.name, there.metadata.deletionTimestamp !== undefined);
    }
    return request.dryRun ? object : this.storage.put(kind.place, object, undefined);
  }

  /** PUT. @returns the object, and whether it is new. */
  async update(request: WriteRequest, body: unknown): Promise<{ object: KubeObject; created: boolean }> {
    const { kind, namespace, name } = request;
    const given = this.decode(request, body);
    if ((given.metadata.name ?? '') !== name) throw badRequest(nameMismatch(given.metadata.name, name));
    if (kind.namespaced && (given.metadata.namespace ?? namespace) !== namespace) {
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    }
    const version = given.metadata.resourceVersion ?? '';
    if (this.storage.get(kind.place, namespace, name) === undefined) {
      if (!kind.createOnUpdate || request.subresource !== '') throw notFound(kind, name);
      if (version !== '' && version !== '0') throw conflict(kind, name);
      return { object: await this.create(request, body), created: true };
    }
    if (version === '' && !kind.unconditionalUpdate) {
      const message = 'Invalid value: 0x0: must be specified for an update';
      throw invalid({ ...kind, kind: kind.plural }, name, [
        { reason: 'FieldValueInvalid', message, field: 'metadata.resourceVersion' },
      ]);
    }
    const object = await this.change(request, (old) => {
      if (version !== '' && version !== old.metadata.resourceVersion) throw conflict(kind, name);
      return given;
    });
    return { object, created: false };
  }

  async patch(request: WriteRequest, contentType: string, body: string): Promise<KubeObject> {
    const { kind, name } = request;
    return await this.change(request, (old) => {
      const patched = this.decode(request, applyPatch(read(old, kind), contentType, body, kind));
      const version = patched.metadata.resourceVersion ?? '';
      if (version !== '' && version !== old.metadata.resourceVersion) throw conflict(kind, name);
      if (patched.metadata.name !== name) throw badRequest(nameMismatch(patched.metadata.name, name));
      const { uid = '' } = patched.metadata;
      if (uid !== '' && uid !== old.metadata.uid) {
        const message = `Invalid value: "${uid}": field is immutable`;
        throw invalid(kind, name, [{ reason: 'FieldValueInvalid', message, field: 'metadata.uid' }]);
      }
      return patched;
    });
  }

  /** @returns the object if finalizers keep it, otherwise its last state and that it is gone. */
  async delete(
    request: WriteRequest,
    preconditions: Preconditions = {},
  ): Promise<{ object: KubeObject; gone: boolean }> {
    const { kind, namespace, name } = request;
    return await retried(kind, name, async () => {
      const old = this.mustGet(request);
      for (const [field, word, how] of [
        ['uid', 'UID', 'deleted and then recreated'],
        ['resourceVersion', 'ResourceVersion', 'modified'],
      ] as const) {
        const wanted = preconditions[field];
        if (wanted === undefined || wanted === old.metadata[field]) continue;
        const found = String(old.metadata[field]);
        throw conflict(
          { ...kind, plural: kind.kind },
          name,
          `the ${word} in the precondition (${wanted}) does not match the ${word} in record (${found}). The object might have been ${how}`,
        );
      }
      const asked = {
        operation: 'DELETE',
        ...admissionOf(request, name),
        oldObject: read(old, kind),
      } as const;
      request.warnings.push(...(await this.admit(asked)));
      if (this.storage.get(kind.place, namespace, name) !== old) throw new StaleWrite(name);
      return removeOrMark(this.storage, kind, old, request.dryRun);
    });
  }

  private async change(request: WriteRequest, make: (old: KubeObject) => KubeObject): Promise<KubeObject> {
    const { kind, name } = request;
    return await retried(kind, name, async () => {
      const old = this.mustGet(request);
      const object = this.merged(request, make(old), kind.decoded?.(old) ?? old);
      this.validate(request, object, old);
      request.warnings.push(
        ...(await this.admit({
          operation: 'UPDATE',
          ...admissionOf(request, name),
          object: shown(object, kind),
          oldObject: read(old, kind),
        })),
      );
      if (request.dryRun) return object;
      // A write without a change is skipped: no new resourceVersion, no event.
      if (sameJson(object, old)) return old;
      if (isFinal(object)) return this.storage.remove(kind.place, old, object);
      return this.storage.put(kind.place, object, old);
    });
  }

  /** The object to store when `given` updates `old` through this endpoint. */
  private merged(request: WriteRequest, given: KubeObject, old: KubeObject): KubeObject {
    const { kind, subresource } = request;
    if (subresource !== '') {
      const uid = given.metadata.uid ?? '';
      // For its check: the uid of another object is a conflict here, too.
      if (uid !== '') metadataForUpdate(given.metadata, old, kind);
      const { status: _old, ...rest } = old;
      if (subresource === 'finalize') return { ...old, spec: given['spec'] };
      return given['status'] === undefined ? rest : { ...rest, status: given['status'] };
    }
    const metadata = metadataForUpdate(given.metadata, old, kind);
    let object: KubeObject = { ...given, metadata };
    if (kind.hasStatus) {
      const { status: _given, ...rest } = object;
      object = old['status'] === undefined ? rest : { ...rest, status: old['status'] };
    }
    if (kind.custom === undefined) object = withBuiltinDefaults(object, kind);
    if (kind.hasGeneration && changesGeneration(object, old, kind)) {
      object = {
        ...object,
        metadata: { ...object.metadata, generation: (old.metadata.generation ?? 0) + 1 },
      };
    }
    return object;
  }

  /** The body to store: kind checked, unknown fields of custom resources removed. */
  private decode(request: WriteRequest, body: unknown): KubeObject {
    const { kind } = request;
    const object = asObject(body, kind);
    const wanted = apiVersionOf(kind);
    if (kind.custom === undefined) {
      object.apiVersion ??= wanted;
      object.kind ??= kind.kind;
    } else if (typeof object.kind !== 'string' || object.kind === '') {
      throw badRequest("Object 'Kind' is missing in the body of the request");
    }
    if (object.apiVersion !== wanted) {
      throw badRequest(
        `the API version in the data (${object.apiVersion}) does not match the expected API version (${wanted})`,
      );
    }
    if (object.kind !== kind.kind && kind.custom !== undefined) {
      const message = `Invalid value: "${object.kind}": must be ${kind.kind}`;
      const causes = [{ reason: 'FieldValueInvalid', message, field: 'kind' }];
      throw invalid({ group: kind.group, kind: object.kind }, object.metadata.name, causes);
    }
    if (object.kind !== kind.kind) {
      throw badRequest(
        `the kind in the data (${object.kind}) does not match the expected kind (${kind.kind})`,
      );
    }
    const stored = kind.conversion === undefined ? object : kind.conversion.toStored(object);
    if (kind.custom === undefined) return stored;
    const { pruned, unknown } = checkCustom.prune(kind, stored);
    if (unknown.length > 0 && request.fieldValidation === 'Strict') {
      const each = unknown.map((field) => `unknown field "${field}"`).join(', ');
      throw badRequest(
        `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${each}`,
      );
    }
    if (request.fieldValidation === 'Warn') {
      request.warnings.push(...unknown.map((field) => `unknown field "${field}"`));
    }
    return pruned;
  }

  private validate(request: WriteRequest, object: KubeObject, old?: KubeObject): void {
    const { kind } = request;
    const causes = validateMetadata(object, kind, old);
    const bodyCauses =
      kind.custom === undefined ? validateBuiltin(object, kind, old) : checkCustom.validate(kind, object);
    causes.push(...bodyCauses);
    if (causes.length > 0) throw invalid(kind, object.metadata.name ?? '', causes);
    request.warnings.push(...finalizerWarnings(object, kind, old));
  }

  private requireNamespace(request: WriteRequest, name: string): void {
    const { kind, namespace } = request;
    if (!kind.namespaced) return;
    const found = this.storage.get(NAMESPACE_PLACE, '', namespace);
    if (found === undefined) {
      throw notFound({ group: '', plural: 'namespaces', kind: 'Namespace' }, namespace);
    }
    if (found.metadata.deletionTimestamp === undefined) return;
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    const message = `namespace ${namespace} is being terminated`;
    const cause = { reason: 'NamespaceTerminating', message, field: 'metadata.namespace' };
    throw forbidden(kind, name, why, [cause]);
  }

  private mustGet(request: WriteRequest): KubeObject {
    const found = this.storage.get(request.kind.place, request.namespace, request.name);
    if (found === undefined) throw notFound(request.kind, request.name);
    return found;
  }
}

/** A stored object as a client reads it. */
export function read(stored: KubeObject, kind: ResourceKind): KubeObject {
  return shown(kind.decoded?.(stored) ?? stored, kind);
}

/** An object as the version of `kind` shows it. */
function shown(object: KubeObject, kind: ResourceKind): KubeObject {
  return kind.conversion === undefined ? object : kind.conversion.fromStored(object);
}

function admissionOf(
  request: WriteRequest,
  name: string,
): Pick<WriteRequest, 'kind' | 'subresource' | 'namespace' | 'user' | 'dryRun'> & { name: string } {
  const { kind, subresource, namespace, user, dryRun } = request;
  return { kind, subresource, namespace, name, user, dryRun };
}

function nameMismatch(inBody: string | undefined, inUrl: string): string {
  return `the name of the object (${inBody ?? ''}) does not match the name on the URL (${inUrl})`;
}

async function retried<T>(kind: ResourceKind, name: string, attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StaleWrite)) throw error;
      if (attempts >= MAX_ATTEMPTS) throw conflict(kind, name);
    }
  }
}
