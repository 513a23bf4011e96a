import { collectDefaultMetrics, Registry } from 'prom-client';

import type { Answer, Routes } from './http-endpoint.js';

/** A registry with the default metrics of Node and of the process. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Serves the registry at each of the paths. */
export function metricsRoutes(registry: Registry, paths: readonly string[] = ['/metrics']): Routes {
  const serve = async (): Promise<Answer> => ({
    status: 200,
    contentType: registry.contentType,
    body: await registry.metrics(),
  });
  return Object.fromEntries(paths.map((path) => [path, serve]));
}
