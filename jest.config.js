/**
 * One configuration for unit, integration and e2e tests; the npm scripts select folders.
 *
 * `@dot-i/k8s-operator` is CommonJS and requires `@kubernetes/client-node`, which is published as
 * ES modules only; Jest cannot load that pair. `scripts/bundle-client-node.mjs` bundles the client
 * to one CommonJS file before Jest starts, and the mapping below points both worlds at it.
 */
// That Node 20 nears its end for the AWS SDK would be said once in every test file.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^@kubernetes/client-node$': '<rootDir>/.cache/client-node.cjs',
  },
  setupFiles: ['<rootDir>/test/support/jest-setup.ts'],
  testTimeout: 30_000,
};
