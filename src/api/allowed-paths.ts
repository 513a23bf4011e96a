import { parseVaultPath } from './vault-path.js';

const NAMESPACE = '{{namespace}}';

/**
 * Patterns of `--allowed-vault-paths`, matched against the normalised `spec.path`. `*` matches any characters
 * within one segment, `**` as a whole segment matches zero or more segments, and `{{namespace}}` is the
 * namespace of the resource.
 */
export class AllowedPaths {
  private constructor(private readonly patterns: readonly string[] | undefined) {}

  /** Allows every K/V path. */
  static readonly any = new AllowedPaths(undefined);

  /** @param patterns accepted by {@link patternProblem}; undefined allows everything. */
  static of(patterns: readonly string[] | undefined): AllowedPaths {
    return patterns === undefined ? AllowedPaths.any : new AllowedPaths(patterns);
  }

  /** @param path normalised by `parseVaultPath`. */
  allows(path: string, namespace: string): boolean {
    if (this.patterns === undefined) return true;
    const segments = path.split('/');
    return this.patterns.some((pattern) => matchSegments(splitPattern(pattern, namespace), segments));
  }
}

/** What is wrong with a pattern, or undefined. */
export function patternProblem(pattern: string): string | undefined {
  const probe = parseVaultPath(pattern.replaceAll(NAMESPACE, 'namespace').replaceAll('*', 'x') + '/x');
  if (pattern.trim() === '') return 'is empty';
  if (!probe.ok) return probe.problem;
  if (/\{\{(?!namespace\}\})/.test(pattern)) return `contains a placeholder other than ${NAMESPACE}`;
  if (pattern.split('/').some((segment) => segment.includes('**') && segment !== '**')) {
    return 'mixes ** with other characters; ** must be a whole segment';
  }
  return undefined;
}

function splitPattern(pattern: string, namespace: string): string[] {
  return pattern
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => segment.replaceAll(NAMESPACE, namespace));
}

/** Dynamic programming over segments: linear in pattern × path, whatever the number of `**`. */
function matchSegments(pattern: readonly string[], path: readonly string[]): boolean {
  let reachable = new Array<boolean>(path.length + 1).fill(false);
  reachable[0] = true;
  for (const part of pattern) {
    const next = new Array<boolean>(path.length + 1).fill(false);
    for (let index = 0; index <= path.length; index += 1) {
      if (part === '**') {
        next[index] = reachable[index] === true || (index > 0 && next[index - 1] === true);
      } else {
        next[index] = index > 0 && reachable[index - 1] === true && matchSegment(part, path[index - 1] ?? '');
      }
    }
    reachable = next;
  }
  return reachable[path.length] === true;
}

function matchSegment(pattern: string, segment: string): boolean {
  const parts = pattern.split('*');
  const first = parts.shift() ?? '';
  const last = parts.pop();
  if (last === undefined) return pattern === segment;
  if (segment.length < first.length + last.length) return false;
  if (!segment.startsWith(first) || !segment.endsWith(last)) return false;
  let from = first.length;
  const to = segment.length - last.length;
  for (const part of parts) {
    const found = segment.indexOf(part, from);
    if (found === -1 || found + part.length > to) return false;
    from = found + part.length;
  }
  return true;
}
