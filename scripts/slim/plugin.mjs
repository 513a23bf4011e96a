import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** Modules that are replaced by one of this folder, by how they are imported, and by whom when that matters. */
const REPLACED = [
  { path: '@kubernetes/client-node', by: 'client-node.mjs' },
  { path: './gen/index.js', importer: '@kubernetes/client-node/dist/config.js', by: 'client-node-gen.mjs' },
  { path: 'socks-proxy-agent', by: 'socks-proxy-agent.cjs' },
  {
    path: '@opentelemetry/api',
    importer: 'prom-client/lib/metrics/processCpuTotal.js',
    by: 'opentelemetry-api.cjs',
  },
  { path: 'openid-client', importer: '@kubernetes/client-node/dist/oidc_auth.js', by: 'openid-client.mjs' },
  { path: 'gaxios', by: 'gaxios.mjs' },
  { path: 'node-fetch', by: 'node-fetch.mjs' },
  { path: 'form-data', by: 'form-data.mjs' },
  { path: 'http2', by: 'http2.mjs' },
  { path: 'node:http2', by: 'http2.mjs' },
  { path: './fetch.js', importer: 'axios/lib/adapters/adapters.js', by: 'axios-fetch.mjs' },
];

/** Axios looks at this name when it is loaded, and Node loads its whole fetch for that. */
const AXIOS_UTILS = /axios\/lib\/utils\.js$/;
const LOOKS_AT_FETCH = "typeof G.FormData !== 'undefined' ? G.FormData : undefined";

/**
 * An esbuild plugin: of large packages, the programs are bundled with the names alone that they use. A name that is
 * missing fails the build where it is imported by name, and a test where it is used as a property.
 */
export const slim = {
  name: 'slim',
  setup({ onResolve, onLoad }) {
    for (const { path, importer: only = '', by } of REPLACED) {
      onResolve({ filter: new RegExp(`^${path.replaceAll('.', '\\.')}$`) }, ({ importer }) =>
        importer.endsWith(only) ? { path: resolve(import.meta.dirname, by) } : undefined,
      );
    }
    onLoad({ filter: AXIOS_UTILS }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      if (!source.includes(LOOKS_AT_FETCH)) throw new Error(`${path} has no ${LOOKS_AT_FETCH} any more`);
      return { contents: source.replace(LOOKS_AT_FETCH, 'undefined') };
    });
  },
};
