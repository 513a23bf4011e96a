import type { Capability, PathRule } from './policies.js';
import type { Operation } from './protocol.js';

/**
 * Decides by rules of several policies as Vault's "Priority matching" describes: an exact path first, then
 * of the patterns that match the one whose first wildcard comes latest, and so on. Only that one counts.
 */
export class Acl {
  private readonly exact = new Map<string, Set<Capability>>();
  private readonly prefixes = new Map<string, Set<Capability>>();
  private readonly segments = new Map<string, Set<Capability>>();

  constructor(
    rules: readonly PathRule[],
    readonly isRoot: boolean,
    /** The request's namespace relative to the token's: `team/`, or empty. */
    private readonly scope = '',
  ) {
    for (const { path, capabilities } of rules) {
      if (path.split('/').some((segment) => segment === '+')) add(this.segments, path, capabilities);
      else if (path.endsWith('*')) add(this.prefixes, path.slice(0, -1), capabilities);
      else add(this.exact, path, capabilities);
    }
  }

  allows(path: string, operation: Operation): boolean {
    return this.isRoot || this.permissions(path, false).has(operation);
  }

  /** For Vault's root-protected paths. */
  hasSudo(path: string): boolean {
    return this.isRoot || this.permissions(path, false).has('sudo');
  }

  /** Sorted; `deny` when empty. */
  capabilities(path: string): string[] {
    if (this.isRoot) return ['root'];
    const found = [...this.permissions(path, path.endsWith('/'))].sort();
    return found.length === 0 || found.includes('deny') ? ['deny'] : found;
  }

  /**
   * Whether `sys/internal/ui/mounts` shows a mount: any rule below it that allows something, or a pattern
   * that covers all of it, and then even a deny (recorded).
   */
  concernsMount(path: string): boolean {
    if (this.isRoot || !this.capabilities(path).includes('deny')) return true;
    const mountPath = this.scope + path;
    const allows = (found: Set<Capability>): boolean => found.size > 0 && !found.has('deny');
    for (const rules of [this.exact, this.prefixes]) {
      for (const [path, found] of rules) if (path.startsWith(mountPath) && allows(found)) return true;
    }
    const covering = this.longestPrefix(mountPath);
    if (covering !== undefined && this.segments.size === 0) return true;
    return [...this.segments].some(([pattern, found]) => allows(found) && reaches(pattern, mountPath));
  }

  private permissions(relative: string, lists: boolean): ReadonlySet<Capability> {
    const path = this.scope + relative;
    const trimmed = path.replace(/\/$/, '');
    return (
      this.exact.get(path) ??
      (lists ? this.exact.get(trimmed) : undefined) ??
      (lists && trimmed !== path ? this.byPattern(trimmed) : undefined) ??
      this.byPattern(path) ??
      new Set()
    );
  }

  private byPattern(path: string): ReadonlySet<Capability> | undefined {
    const candidates: Candidate[] = [];
    const prefix = this.longestPrefix(path);
    if (prefix !== undefined) {
      const found = this.prefixes.get(prefix) ?? new Set();
      candidates.push({ firstWildcard: prefix.length, isPrefix: true, pluses: 0, path: prefix, found });
    }
    for (const [pattern, found] of this.segments) {
      if (!matches(pattern, path)) continue;
      const isPrefix = pattern.endsWith('*');
      candidates.push({
        firstWildcard: pattern.indexOf('+'),
        isPrefix,
        pluses: pattern.split('/').filter((segment) => segment === '+').length,
        path: isPrefix ? pattern.slice(0, -1) : pattern,
        found,
      });
    }
    return candidates.sort(byPriority).at(-1)?.found;
  }

  private longestPrefix(path: string): string | undefined {
    return [...this.prefixes.keys()]
      .filter((prefix) => path.startsWith(prefix))
      .sort((a, b) => a.length - b.length)
      .at(-1);
  }
}

interface Candidate {
  readonly firstWildcard: number;
  readonly isPrefix: boolean;
  readonly pluses: number;
  readonly path: string;
  readonly found: ReadonlySet<Capability>;
}

/** In ascending priority. */
function byPriority(a: Candidate, b: Candidate): number {
  return (
    a.firstWildcard - b.firstWildcard ||
    Number(b.isPrefix) - Number(a.isPrefix) ||
    b.pluses - a.pluses ||
    a.path.length - b.path.length ||
    (a.path < b.path ? -1 : 1)
  );
}

/** Rules of several policies for one path are combined; a deny wins. */
function add(rules: Map<string, Set<Capability>>, path: string, capabilities: readonly Capability[]): void {
  const merged = new Set([...(rules.get(path) ?? []), ...capabilities]);
  rules.set(path, merged.has('deny') ? new Set<Capability>(['deny']) : merged);
}

function matches(pattern: string, path: string): boolean {
  const isPrefix = pattern.endsWith('*');
  const wanted = (isPrefix ? pattern.slice(0, -1) : pattern).split('/');
  const given = path.split('/');
  if (given.length < wanted.length || (!isPrefix && given.length !== wanted.length)) return false;
  return wanted.every((segment, index) => {
    const actual = given[index] ?? '';
    if (segment === '+' || segment === actual) return true;
    return isPrefix && index === wanted.length - 1 && actual.startsWith(segment);
  });
}

/** Whether a pattern with `+` can match something below a mount. */
function reaches(pattern: string, mountPath: string): boolean {
  const wanted = pattern.split('/');
  const given = mountPath.replace(/\/$/, '').split('/');
  return given.every((actual, index) => {
    const segment = wanted[index];
    if (segment === undefined) return false;
    if (segment === '+' || segment === actual) return true;
    return index === wanted.length - 1 && segment.endsWith('*') && actual.startsWith(segment.slice(0, -1));
  });
}
