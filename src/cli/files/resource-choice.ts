import { PARTIAL_KIND, SECRET_KIND } from '../../api/group.js';
import { AuthorError } from '../author-error.js';
import type { ManifestFile } from './manifest-file.js';
import { itemsIn, type ManifestResource, record } from './manifest-resource.js';

/**
 * The resource of a file that a command means: the only one that matches `--resource`, else the only one of the file,
 * else the only one that has the key.
 *
 * @param wanted the value of `--resource`: `[KIND/][NAMESPACE/]NAME`.
 * @throws AuthorError that lists the resources, when the choice is not clear; when the file is not valid YAML.
 */
export function chooseResource(
  file: ManifestFile,
  wanted: string | undefined,
  key?: string,
): ManifestResource {
  const { path } = file;
  const [problem] = file.problems;
  if (problem !== undefined) {
    const { line, column } = problem.at;
    throw new AuthorError(`${path}:${String(line)}:${String(column)}: ${problem.message}`);
  }
  const { resources } = file;
  if (resources.length === 0)
    throw new AuthorError(`${path} contains no ${SECRET_KIND} and no ${PARTIAL_KIND}`);
  const matching =
    wanted === undefined ? resources : resources.filter((resource) => matches(resource, wanted));
  const [first] = matching;
  if (first === undefined) {
    throw new AuthorError(`${path} contains no resource ${wanted ?? ''}; it contains ${titles(resources)}`);
  }
  if (matching.length === 1) return first;
  const owners = key === undefined ? [] : matching.filter((resource) => hasItem(resource, key));
  const [owner] = owners;
  if (owner !== undefined && owners.length === 1) return owner;
  const which = key === undefined || owners.length === 0 ? matching : owners;
  throw new AuthorError(
    `${path} contains ${titles(which)}: choose one with --resource [KIND/][NAMESPACE/]NAME`,
  );
}

export function hasItem(resource: ManifestResource, key: string): boolean {
  return itemsIn(resource.object).some((item) => record(item).key === key);
}

function matches({ kind, namespace, name }: ManifestResource, wanted: string): boolean {
  const parts = wanted.split('/');
  const rest = parts.slice(0, -1);
  if (name !== parts.at(-1)) return false;
  if (rest.length === 0) return true;
  if (rest.length === 1) return rest[0] === namespace || isKind(rest[0] ?? '', kind);
  return rest.length === 2 && isKind(rest[0] ?? '', kind) && rest[1] === namespace;
}

function isKind(text: string, kind: string): boolean {
  return text.toLowerCase() === kind.toLowerCase();
}

function titles(resources: readonly ManifestResource[]): string {
  return resources.map(({ title }) => title).join(', ');
}
