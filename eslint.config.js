import tseslint from 'typescript-eslint';

/** Import boundaries: who may import what; test/unit/architecture.test.ts checks the same from outside. */
const CLIENTS = [
  { name: '@dot-i/k8s-operator', folders: ['watch'] },
  { name: '@aws-sdk/client-kms', folders: ['kms'] },
  { name: '@aws-sdk/client-sts', folders: ['vault'] },
  { name: 'hashi-vault-js', folders: ['vault'] },
  { name: '@kubernetes/client-node', folders: ['watch', 'kube'] },
];
/** Services say what they need; only src/composition registers, only it and the entry points resolve. */
const DECORATORS_ONLY = {
  name: 'tsyringe',
  allowImportNames: ['inject', 'injectAll', 'injectable'],
  message: 'Only src/composition uses a container.',
};
const FOLDERS = [
  'admission',
  'api',
  'composition',
  'config',
  'kms',
  'kube',
  'observability',
  'program',
  'queue',
  'reconcile',
  'runtime',
  'vault',
  'watch',
];
/** Folder to the sibling folders that it must not import. */
const FORBIDDEN = {
  api: FOLDERS.filter((folder) => folder !== 'api'),
  config: FOLDERS.filter((folder) => folder !== 'config'),
  kms: ['program', 'reconcile', 'watch', 'queue', 'composition', 'admission', 'vault', 'kube'],
  vault: ['program', 'reconcile', 'watch', 'queue', 'composition', 'admission', 'kms', 'kube'],
  kube: ['program', 'reconcile', 'watch', 'queue', 'composition', 'admission', 'kms', 'vault'],
  queue: ['program', 'reconcile', 'watch', 'composition', 'admission', 'kms', 'vault', 'kube'],
  reconcile: ['program', 'watch', 'composition', 'admission'],
  watch: ['program', 'reconcile', 'composition', 'admission', 'kms', 'vault'],
  admission: ['program', 'reconcile', 'watch', 'queue', 'composition', 'vault', 'kube'],
};

export default tseslint.config(
  { ignores: ['dist', '.cache', '.demo', 'coverage', 'node_modules'] },
  ...tseslint.configs.recommendedTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      complexity: ['error', 16],
      'max-lines': ['error', { max: 300 }],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Name what is exported.' },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/runtime/**'],
    rules: {
      // A timer of Node beyond 2^31 ms fires at once, and any may fire early: the clock guards both.
      'no-restricted-globals': [
        'error',
        ...['setTimeout', 'setInterval'].map((name) => ({
          name,
          message: 'Set timers by the Clock of src/runtime.',
        })),
      ],
      'no-restricted-properties': [
        'error',
        {
          object: 'AbortSignal',
          property: 'timeout',
          message: 'Use LinkedAbort or TimeLimit, which set their timers by the Clock.',
        },
        ...['globalThis', 'global'].flatMap((object) =>
          ['setTimeout', 'setInterval'].map((property) => ({
            object,
            property,
            message: 'Set timers by the Clock of src/runtime.',
          })),
        ),
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts'],
    rules: {
      complexity: ['error', 24],
      'max-lines': ['error', { max: 320 }],
      'no-console': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
    },
  },
  { files: ['jest.config.js', 'eslint.config.js'], rules: { 'no-restricted-syntax': 'off' } },
  ...FOLDERS.map((folder) => ({
    files: [`src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            ...CLIENTS.filter(({ folders }) => !folders.includes(folder)).map(({ name, folders }) => ({
              name,
              message: `Only src/${folders.join(', src/')} imports it.`,
            })),
            ...(folder === 'composition' ? [] : [DECORATORS_ONLY]),
          ],
          patterns: [
            { group: ['**/test/**'], message: 'src never imports test.' },
            ...(FORBIDDEN[folder] ?? []).map((other) => ({
              group: [`../${other}/*`, `../../${other}/*`],
              message: `src/${folder} does not import src/${other}.`,
            })),
          ],
        },
      ],
    },
  })),
);
