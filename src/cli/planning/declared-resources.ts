import type { Kind } from '../../api/group.js';
import { listNames, printable } from '../../api/printable.js';
import { AuthorError } from '../author-error.js';
import { ManifestFile } from '../files/manifest-file.js';
import { manifestPaths } from '../files/manifest-folders.js';
import { type ManifestResource, record } from '../files/manifest-resource.js';
import { readManifest } from '../files/manifest-store.js';
import type { PlanScope } from './plan-scope.js';

/** A resource of a file, as the API server would get it. */
export interface DeclaredResource {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly object: Readonly<Record<string, unknown>>;
  readonly source: { readonly file: string; readonly line: number };
}

const STDIN = '-';
/** More say nothing new. */
const MAX_PROBLEMS = 10;

/**
 * The resources of files, folders and of stdin (`-`).
 *
 * @throws AuthorError when one cannot be read, there is none, or two have the same name.
 */
export async function declaredResources(
  paths: readonly string[],
  stdin: AsyncIterable<Uint8Array>,
  scope: PlanScope,
): Promise<DeclaredResource[]> {
  const files: ManifestFile[] = [];
  const onDisk = paths.filter((path) => path !== STDIN);
  if (onDisk.length > 0) {
    for (const path of await manifestPaths(onDisk)) files.push(await readManifest(path));
  }
  if (onDisk.length < paths.length) files.push(await readStdin(stdin));
  refuseProblems(files);
  const declared = files.flatMap((file) =>
    file.resources.map((resource) => declaredResource(file, resource, scope)),
  );
  if (declared.length === 0) {
    throw new AuthorError(`there is no KMSVaultSecret or PartialKMSVaultSecret in ${listNames(paths)}`);
  }
  refuseTwins(declared);
  return declared;
}

async function readStdin(stdin: AsyncIterable<Uint8Array>): Promise<ManifestFile> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(chunk);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
    return ManifestFile.parse('stdin', text);
  } catch {
    throw new AuthorError('stdin is not UTF-8 text');
  }
}

function refuseProblems(files: readonly ManifestFile[]): void {
  const problems = files.flatMap(({ path, problems: found }) =>
    found.map(({ message, at }) => `${path}:${String(at.line)}:${String(at.column)}: ${message}`),
  );
  if (problems.length > 0) throw new AuthorError(problems.slice(0, MAX_PROBLEMS).join('\n'));
}

function declaredResource(
  file: ManifestFile,
  resource: ManifestResource,
  { namespace: fallback, isGiven }: PlanScope,
): DeclaredResource {
  const { line } = resource.positionOf([]);
  const at = `${file.path}:${String(line)}`;
  const { name, namespace = fallback, kind } = resource;
  if (name === undefined || name === '') throw new AuthorError(`${at}: ${kind} has no metadata.name`);
  if (isGiven && namespace !== fallback) {
    throw new AuthorError(
      `${at}: ${resource.title} is in another namespace than --namespace ${fallback}: leave one of them out`,
    );
  }
  return { kind, namespace, name, object: record(resource.object), source: { file: file.path, line } };
}

function refuseTwins(declared: readonly DeclaredResource[]): void {
  const seen = new Map<string, DeclaredResource>();
  for (const resource of declared) {
    const { kind, namespace, name, source } = resource;
    const id = `${kind} ${namespace}/${name}`;
    const before = seen.get(id)?.source;
    if (before !== undefined) {
      throw new AuthorError(
        `${printable(id)} is in ${before.file}:${String(before.line)} and in ${source.file}:${String(source.line)}; ` +
          'for a kustomization: kubectl kustomize DIR | kubectl kms-vault plan -f -',
      );
    }
    seen.set(id, resource);
  }
}
