import type { IncomingMessage, ServerResponse } from 'node:http';

import type { SeenRequest } from '../shared/request-log.js';
import { answerError, answerJson } from './answers.js';
import type { Authenticator } from './authentication.js';
import type { Authorizer } from './authorization.js';
import type { Endpoints } from './endpoints.js';
import type { KindRegistry } from './kind-registry.js';
import { BUILTIN_KINDS, REVIEW_KINDS } from './kinds.js';
import type { UserInfo } from './objects.js';
import { parseBody } from './request-body.js';
import { type RequestInfo, resolveRequest } from './request-info.js';
import type { Reviews } from './reviews.js';
import {
  MAX_BODY_BYTES,
  methodNotAllowed,
  noSuchResource,
  PageNotFound,
  requestTooLarge,
} from './status-errors.js';
import type { SystemPaths } from './system-paths.js';

export interface RouterOptions {
  readonly pathPrefix: string;
  readonly kinds: KindRegistry;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly endpoints: Endpoints;
  readonly reviews: Reviews;
  readonly systemPaths: SystemPaths;
}

/** Routes a request to its endpoint after authentication and authorization. */
export class Router {
  constructor(private readonly options: RouterOptions) {}

  async serve(seen: SeenRequest, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const warnings: string[] = [];
    try {
      const info = resolveRequest(seen.method, seen.url, this.options.pathPrefix);
      seen.operation = operationOf(info);
      if (Buffer.byteLength(seen.body) > MAX_BODY_BYTES) throw requestTooLarge();
      const { authenticator, authorizer } = this.options;
      const user = authenticator.authenticate(request);
      authorizer.require(user, info);
      await this.dispatch(info, user, warnings, seen, request, response);
    } catch (error) {
      answerError(response, error, warnings);
    }
  }

  private async dispatch(
    info: RequestInfo,
    user: UserInfo,
    warnings: string[],
    seen: SeenRequest,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { accept, 'content-type': contentType } = request.headers;
    if (!info.isResource) {
      this.options.systemPaths.serve(info, accept, response);
      return;
    }
    const { group, version, resource } = info;
    const review = REVIEW_KINDS.find(
      (kind) => kind.group === group && kind.version === version && kind.plural === resource,
    );
    if (review !== undefined) {
      if (info.verb !== 'create') throw methodNotAllowed();
      if (review.namespaced !== (info.namespace !== '') || info.name !== '') throw noSuchResource();
      const body = parseBody(contentType, seen.body);
      answerJson(response, 201, this.options.reviews.review(review, info.namespace, body, user));
      return;
    }
    const kind = this.options.kinds.find(group, version, resource);
    if (kind === undefined) {
      const isBuiltIn = BUILTIN_KINDS.some((one) => one.group === group && one.version === version);
      throw isBuiltIn ? noSuchResource() : new PageNotFound();
    }
    const { body } = seen;
    await this.options.endpoints.serve({ info, kind, user, accept, contentType, body, warnings }, response);
  }
}

/** `LIST kmsvaultsecrets`, `PATCH kmsvaultsecrets/status`, `GET /version`. */
function operationOf(info: RequestInfo): string {
  const verb = info.verb.toUpperCase();
  if (!info.isResource) return `${verb} ${info.path}`;
  return `${verb} ${info.resource}${info.subresource === '' ? '' : `/${info.subresource}`}`;
}
