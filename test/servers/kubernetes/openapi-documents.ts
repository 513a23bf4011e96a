import type { ServerResponse } from 'node:http';

import type { KindRegistry } from './kind-registry.js';

/** The OpenAPI documents of what is served now. */
export class OpenApiDocuments {
  constructor(readonly kinds: KindRegistry) {}

  /** @returns false when there is no such document. */
  serve(_path: string, _accept: string | undefined, _response: ServerResponse): boolean {
    return false;
  }
}
