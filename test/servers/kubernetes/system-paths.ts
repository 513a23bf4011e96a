import type { ServerResponse } from 'node:http';

import { answerJson } from './answers.js';
import { AGGREGATED_TYPE, type Discovery, wantsAggregated } from './discovery.js';
import type { OpenApiDocuments } from './openapi-documents.js';
import type { RequestInfo } from './request-info.js';
import { methodNotAllowed, PageNotFound } from './status-errors.js';

export interface SystemPathsOptions {
  readonly discovery: Discovery;
  readonly openApi: OpenApiDocuments;
  /** `v1.32.4`: some installations of kubectl pick their client by it. */
  readonly gitVersion: string;
  readonly address: () => string;
}

/** The non-resource paths: discovery, health, version and OpenAPI. */
export class SystemPaths {
  constructor(private readonly options: SystemPathsOptions) {}

  /** @throws ApiError 404 for an unknown path. */
  serve(info: RequestInfo, accept: string | undefined, response: ServerResponse): void {
    if (info.verb !== 'get') throw methodNotAllowed();
    const parts = info.path.split('/').filter((part) => part !== '');
    switch (parts[0] ?? '') {
      case 'healthz':
      case 'livez':
      case 'readyz':
        response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end('ok');
        return;
      case 'version':
        answerJson(response, 200, this.version());
        return;
      case 'api':
      case 'apis':
        this.discover(parts, accept, response);
        return;
      case 'openapi':
        if (this.options.openApi.serve(info.path, accept, response)) return;
        throw new PageNotFound();
      default:
        throw new PageNotFound();
    }
  }

  private discover(parts: readonly string[], accept: string | undefined, response: ServerResponse): void {
    const { discovery } = this.options;
    const [root, second, third] = parts;
    const core = root === 'api';
    if (second === undefined && wantsAggregated(accept)) {
      answerJson(response, 200, discovery.aggregated(core), { contentType: AGGREGATED_TYPE });
      return;
    }
    let found: Record<string, unknown> | undefined;
    if (second === undefined) {
      found = core ? discovery.coreVersions(this.options.address()) : discovery.groupList();
    } else if (core) {
      found = discovery.resourceList('', second);
    } else {
      found = third === undefined ? discovery.group(second) : discovery.resourceList(second, third);
    }
    if (found === undefined) throw new PageNotFound();
    answerJson(response, 200, found);
  }

  private version(): Record<string, string> {
    const [, major = '', minor = ''] = /^v(\d+)\.(\d+)\./.exec(this.options.gitVersion) ?? [];
    return {
      major,
      minor,
      gitVersion: this.options.gitVersion,
      gitCommit: '0000000000000000000000000000000000000000',
      gitTreeState: 'clean',
      buildDate: '2025-01-01T00:00:00Z',
      goVersion: 'go1.23.0',
      compiler: 'gc',
      platform: 'linux/amd64',
    };
  }
}
