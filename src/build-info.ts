import type { BuildInfo } from './config/config.js';

// scripts/build.mjs defines both; under a test runner there is no build.
declare const BUILD_VERSION: string | undefined;
declare const BUILD_COMMIT: string | undefined;

export const buildInfo: BuildInfo = {
  version: typeof BUILD_VERSION === 'string' ? BUILD_VERSION : 'development',
  commit: typeof BUILD_COMMIT === 'string' ? BUILD_COMMIT : 'unknown',
};
