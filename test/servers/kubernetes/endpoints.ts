import type { ServerResponse } from 'node:http';

import { answerJson } from './answers.js';
import type { ResourceKind } from './kinds.js';
import { listObjects } from './list-reader.js';
import { isRecord, type KubeObject, recordAt, type UserInfo } from './objects.js';
import { type ObjectWriter, type Preconditions, type WriteRequest } from './object-writer.js';
import { negotiate, renderList, renderObject } from './rendering.js';
import { parseBody } from './request-body.js';
import type { RequestInfo } from './request-info.js';
import type { Reviews } from './reviews.js';
import { badRequest, invalid, methodNotAllowed, noSuchResource, notFound } from './status-errors.js';
import type { Storage } from './storage.js';
import type { Watches } from './watch.js';

/** A request for stored objects, authenticated and authorized. */
export interface ResourceRequest {
  readonly info: RequestInfo;
  readonly kind: ResourceKind;
  readonly user: UserInfo;
  readonly accept: string | undefined;
  readonly contentType: string | undefined;
  readonly body: string;
  /** Collects warnings for the client. */
  readonly warnings: string[];
}

export interface EndpointsOptions {
  readonly storage: Storage;
  readonly writer: ObjectWriter;
  readonly watches: Watches;
  readonly reviews: Reviews;
}

/** The endpoints that every kind has. */
export class Endpoints {
  constructor(private readonly options: EndpointsOptions) {}

  /** @throws ApiError for whatever is refused. */
  async serve(request: ResourceRequest, response: ServerResponse): Promise<void> {
    const { info, kind } = request;
    checkScope(info, kind);
    if (info.subresource === 'token' && kind.place === '/serviceaccounts') {
      if (info.verb !== 'create') throw methodNotAllowed();
      const body = parseBody(request.contentType, request.body);
      answerJson(response, 201, this.options.reviews.token(info.namespace, info.name, body));
      return;
    }
    checkVerb(info, kind);
    switch (info.verb) {
      case 'get':
        this.get(request, response);
        return;
      case 'list':
        this.list(request, response);
        return;
      case 'watch': {
        const rendering = negotiate(request.accept, info.query.get('includeObject'));
        this.options.watches.start(kind, namespaceOf(info, kind), info.query, rendering, response);
        return;
      }
      case 'create':
        await this.create(request, response);
        return;
      case 'update':
      case 'patch':
        await this.change(request, response);
        return;
      case 'delete':
        await this.delete(request, response);
        return;
      default:
        throw methodNotAllowed();
    }
  }

  private get(request: ResourceRequest, response: ServerResponse): void {
    const { info, kind } = request;
    const found = this.options.storage.get(kind.place, namespaceOf(info, kind), info.name);
    if (found === undefined) throw notFound(kind, info.name);
    this.answer(request, response, 200, found);
  }

  private list(request: ResourceRequest, response: ServerResponse): void {
    const { info, kind } = request;
    const rendering = negotiate(request.accept, info.query.get('includeObject'));
    const { items, metadata } = listObjects(this.options.storage, kind, namespaceOf(info, kind), info.query);
    answerJson(response, 200, renderList(items, kind, rendering, metadata));
  }

  private async create(request: ResourceRequest, response: ServerResponse): Promise<void> {
    const body = parseBody(request.contentType, request.body);
    const object = await this.options.writer.create(writeRequest(request), body);
    this.answer(request, response, 201, object);
  }

  private async change(request: ResourceRequest, response: ServerResponse): Promise<void> {
    const { writer } = this.options;
    if (request.info.verb === 'patch') {
      const object = await writer.patch(writeRequest(request), request.contentType ?? '', request.body);
      this.answer(request, response, 200, object);
      return;
    }
    const body = parseBody(request.contentType, request.body);
    const { object, created } = await writer.update(writeRequest(request), body);
    this.answer(request, response, created ? 201 : 200, object);
  }

  private async delete(request: ResourceRequest, response: ServerResponse): Promise<void> {
    const { kind, info, warnings } = request;
    const options = deleteOptions(request);
    const write = { ...writeRequest(request), dryRun: options.dryRun };
    const { object, gone } = await this.options.writer.delete(write, options.preconditions);
    if (!gone) {
      this.answer(request, response, 200, object);
      return;
    }
    const details = {
      name: info.name,
      ...(kind.group === '' ? {} : { group: kind.group }),
      kind: kind.plural,
      uid: object.metadata.uid,
    };
    const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
    answerJson(response, 200, success, { warnings });
  }

  private answer(
    request: ResourceRequest,
    response: ServerResponse,
    status: number,
    stored: KubeObject,
  ): void {
    const { kind, info, warnings } = request;
    const rendering = negotiate(request.accept, info.query.get('includeObject'));
    answerJson(response, status, renderObject(stored, kind, rendering), { warnings });
  }
}

function checkScope(info: RequestInfo, kind: ResourceKind): void {
  if (!kind.namespaced) {
    // In `namespaces/x` the namespace is the object itself.
    if (info.namespace !== '' && kind.place !== '/namespaces') throw noSuchResource();
    return;
  }
  if (info.namespace !== '' || info.verb === 'list' || info.verb === 'watch') return;
  if (info.verb === 'create' && kind.custom !== undefined) {
    throw badRequest('an empty namespace may not be set during creation');
  }
  throw ['create', 'deletecollection'].includes(info.verb) ? methodNotAllowed() : noSuchResource();
}

/** An unknown subresource is 404; an unsupported verb is 405. */
function checkVerb(info: RequestInfo, kind: ResourceKind): void {
  const { verb, name, subresource } = info;
  const known =
    subresource === '' ||
    (subresource === 'status' && kind.hasStatus) ||
    (subresource === 'finalize' && kind.place === '/namespaces');
  if (!known) throw noSuchResource();
  const allowed =
    verb === 'create'
      ? name === ''
      : verb === 'update' || verb === 'patch'
        ? name !== ''
        : verb !== 'delete' || subresource === '';
  if (!allowed) throw methodNotAllowed();
}

function namespaceOf(info: RequestInfo, kind: ResourceKind): string {
  return kind.namespaced ? info.namespace : '';
}

function writeRequest(request: ResourceRequest): WriteRequest {
  const { info, kind, user, warnings } = request;
  const fieldValidation = info.query.get('fieldValidation') ?? 'Warn';
  if (fieldValidation !== 'Strict' && fieldValidation !== 'Warn' && fieldValidation !== 'Ignore') {
    const message = `Unsupported value: "${fieldValidation}": supported values: "", "Ignore", "Strict", "Warn"`;
    throw optionRefused('fieldValidation', message);
  }
  return {
    kind,
    namespace: namespaceOf(info, kind),
    name: info.name,
    subresource: info.subresource,
    user,
    dryRun: isDryRun(info.query.getAll('dryRun')),
    fieldValidation,
    warnings,
  };
}

function isDryRun(values: readonly unknown[]): boolean {
  const other = values.find((value) => value !== 'All');
  if (other !== undefined) {
    throw optionRefused('dryRun', `Unsupported value: ${JSON.stringify(other)}: supported values: "All"`);
  }
  return values.length > 0;
}

function optionRefused(field: string, message: string): Error {
  const cause = { reason: 'FieldValueNotSupported', message, field };
  return invalid({ group: 'meta.k8s.io', kind: 'Options' }, '', [cause]);
}

/** `DeleteOptions`, from the body or else from the query. */
function deleteOptions(request: ResourceRequest): { preconditions: Preconditions; dryRun: boolean } {
  const { query } = request.info;
  const body = request.body.trim() === '' ? {} : parseBody(request.contentType, request.body);
  if (!isRecord(body) || (body['kind'] ?? 'DeleteOptions') !== 'DeleteOptions') {
    throw badRequest('the body of a DELETE must be DeleteOptions');
  }
  const policy = body['propagationPolicy'] ?? query.get('propagationPolicy') ?? 'Background';
  if (!['Background', 'Foreground', 'Orphan'].includes(policy as string)) {
    throw optionRefused('propagationPolicy', `Unsupported value: ${JSON.stringify(policy)}`);
  }
  const { uid, resourceVersion } = recordAt(body, 'preconditions');
  const inBody = Array.isArray(body['dryRun']) ? (body['dryRun'] as unknown[]) : [];
  return {
    dryRun: isDryRun([...inBody, ...query.getAll('dryRun')]),
    preconditions: {
      ...(typeof uid === 'string' ? { uid } : {}),
      ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    },
  };
}
