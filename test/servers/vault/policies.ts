import { VaultFault } from './protocol.js';

export type Capability = 'create' | 'read' | 'update' | 'delete' | 'list' | 'patch' | 'sudo' | 'deny';

export interface PathRule {
  readonly path: string;
  readonly capabilities: readonly Capability[];
}

/** What every token may do with itself (the part of Vault's default policy that is needed here). */
export const DEFAULT_POLICY: readonly PathRule[] = [
  { path: 'auth/token/lookup-self', capabilities: ['read'] },
  { path: 'auth/token/renew-self', capabilities: ['update'] },
  { path: 'auth/token/revoke-self', capabilities: ['update'] },
  { path: 'sys/capabilities-self', capabilities: ['update'] },
  { path: 'sys/internal/ui/resultant-acl', capabilities: ['read'] },
];

const CAPABILITIES = new Set(['create', 'read', 'update', 'delete', 'list', 'patch', 'sudo', 'deny']);

/** Parses a policy: HCL `path "…" { capabilities = […] }` blocks, or the same as JSON. */
export function parsePolicy(text: string): PathRule[] {
  const rules = text.trim().startsWith('{') ? jsonRules(text) : hclRules(text);
  for (const { capabilities } of rules) {
    const unknown = capabilities.find((capability) => !CAPABILITIES.has(capability));
    if (unknown !== undefined)
      throw new VaultFault(400, [`failed to parse policy: invalid capability "${unknown}"`]);
  }
  return rules;
}

function jsonRules(text: string): PathRule[] {
  const { path } = JSON.parse(text) as { path?: Record<string, { capabilities?: Capability[] }> };
  return Object.entries(path ?? {}).map(([pattern, { capabilities = [] }]) => ({
    path: pattern,
    capabilities,
  }));
}

function hclRules(text: string): PathRule[] {
  const source = text.replace(/^\s*(#|\/\/).*$/gm, '');
  const rules: PathRule[] = [];
  const rest = source.replace(/path\s+"([^"]*)"\s*\{([^}]*)\}/g, (_block, path: string, body: string) => {
    const list = /capabilities\s*=\s*\[([^\]]*)\]/.exec(body)?.[1] ?? '';
    const capabilities = [...list.matchAll(/"([^"]*)"/g)].map((match) => (match[1] ?? '') as Capability);
    rules.push({ path: path.replace(/^\//, ''), capabilities });
    return '';
  });
  if (rest.trim() !== '') throw new VaultFault(400, ['failed to parse policy: error parsing policy']);
  return rules;
}

/** The capabilities on a path: those of the rule with the highest priority, merged over policies. */
export function capabilitiesOn(path: string, rules: readonly PathRule[]): ReadonlySet<Capability> {
  const best = rules.filter((rule) => matches(rule.path, path)).sort((a, b) => compare(b.path, a.path))[0];
  if (best === undefined) return new Set();
  const merged = new Set(
    rules.filter((rule) => rule.path === best.path).flatMap((rule) => rule.capabilities),
  );
  return merged.has('deny') ? new Set(['deny']) : merged;
}

/** Whether any rule, even a deny, concerns a path below the prefix. */
export function concerns(prefix: string, rules: readonly PathRule[]): boolean {
  return rules.some(({ path }) => {
    const fixed = path.split(/[*+]/, 1)[0] ?? '';
    return path.startsWith(prefix) || (fixed !== path && prefix.startsWith(fixed));
  });
}

function matches(pattern: string, path: string): boolean {
  const glob = pattern.endsWith('*');
  const wanted = (glob ? pattern.slice(0, -1) : pattern).split('/');
  const given = path.split('/');
  if (!glob && wanted.length !== given.length) return false;
  return wanted.every((segment, index) => {
    const actual = given[index];
    if (actual === undefined) return false;
    if (segment === '+') return true;
    return glob && index === wanted.length - 1 ? actual.startsWith(segment) : actual === segment;
  });
}

/** "Priority matching" of Vault's policy documentation; positive when `a` wins. */
function compare(a: string, b: string): number {
  const firstWildcard = (path: string): number =>
    /[+*]/.exec(path) === null ? Infinity : path.search(/[+*]/);
  const byWildcard = firstWildcard(a) - firstWildcard(b);
  if (!Number.isNaN(byWildcard) && byWildcard !== 0) return byWildcard;
  if (a.endsWith('*') !== b.endsWith('*')) return a.endsWith('*') ? -1 : 1;
  const pluses = (path: string): number => path.split('/').filter((segment) => segment === '+').length;
  if (pluses(a) !== pluses(b)) return pluses(b) - pluses(a);
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}
