import type { ServerResponse } from 'node:http';

import { answerJson } from './answers.js';
import type { KindRegistry } from './kind-registry.js';
import { openApiV2, openApiV3, openApiV3Index } from './openapi.js';
import { notAcceptable } from './status-errors.js';

/** The OpenAPI documents of the served kinds. */
export class OpenApiDocuments {
  constructor(private readonly kinds: KindRegistry) {}

  /**
   * @returns false when there is no such document.
   * @throws ApiError 406 for a client that takes protobuf only.
   */
  serve(path: string, accept: string | undefined, response: ServerResponse): boolean {
    const document = this.documentAt(path.replace(/\/+$/, ''));
    if (document === undefined) return false;
    if (accept !== undefined && !/application\/(json|\*)|\*\/\*/.test(accept)) throw notAcceptable();
    answerJson(response, 200, document);
    return true;
  }

  private documentAt(path: string): Record<string, unknown> | undefined {
    if (path === '/openapi/v2') return openApiV2(this.kinds.all);
    if (path === '/openapi/v3') return openApiV3Index(this.kinds.all);
    const match = /^\/openapi\/v3\/(.+)$/.exec(path);
    return match?.[1] === undefined ? undefined : openApiV3(this.kinds.all, match[1]);
  }
}
