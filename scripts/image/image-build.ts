import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { DockerIgnore } from './build-context.js';
import { type BuiltImage, runDockerfile, type RunOptions } from './dockerfile-run.js';

/**
 * Builds the image's tree of a checkout in an empty folder, from what `.dockerignore` lets through and
 * nothing else. This machine takes the base image's place: it needs Node, npm, ldd and dpkg.
 */
export function buildImage(
  checkout: string,
  options: Omit<RunOptions, 'context'>,
): BuiltImage & { readonly context: readonly string[] } {
  const folder = join(options.workspace, 'context');
  mkdirSync(folder, { recursive: true });
  const ignore = new DockerIgnore(readFileSync(join(checkout, '.dockerignore'), 'utf8'));
  const context = ignore.copy(checkout, folder);
  return { ...runDockerfile(join(checkout, 'Dockerfile'), { ...options, context: folder }), context };
}
