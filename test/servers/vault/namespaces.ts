import { randomUUID } from 'node:crypto';

import { Acl } from './acl.js';
import { type Mount, MountTable, OtherEngine } from './mounts.js';
import { DEFAULT_POLICY_TEXT, parsePolicy, type PathRule, type Policy } from './policies.js';
import { VaultFault } from './protocol.js';
import type { Token } from './tokens.js';

/** Mounts, auth methods and policies of one Vault namespace. */
export class VaultNamespace {
  readonly id = randomUUID().slice(0, 6);
  readonly uuid = randomUUID();
  readonly mounts = new MountTable('secret');
  readonly auths = new MountTable('auth');
  readonly policies = new Map<string, Policy>([
    ['default', { text: DEFAULT_POLICY_TEXT, rules: parsePolicy(DEFAULT_POLICY_TEXT) }],
  ]);

  constructor(
    /** Empty for the root namespace, else with a slash at the end. */
    readonly path: string,
    builtIn: { readonly system: (namespace: VaultNamespace) => Mount; readonly tokens: Mount },
  ) {
    const options = null;
    this.mounts.add('sys/', builtIn.system(this), { options, description: 'system endpoints' });
    this.mounts.add('cubbyhole/', new OtherEngine('cubbyhole'), {
      options,
      local: true,
      description: 'per-token private secret storage',
    });
    this.mounts.add('identity/', new OtherEngine('identity'), { options, description: 'identity store' });
    this.auths.add('token/', builtIn.tokens, { options, description: 'token based credentials' });
  }

  rulesOf(token: Token): readonly PathRule[] {
    return token.policies.flatMap((name) => this.policies.get(name)?.rules ?? []);
  }
}

/** All namespaces by path, the root one included. */
export class Namespaces {
  private readonly all = new Map<string, VaultNamespace>();

  constructor(private readonly make: (path: string) => VaultNamespace) {
    this.all.set('', make(''));
  }

  get root(): VaultNamespace {
    return this.all.get('') as VaultNamespace;
  }

  get(path: string): VaultNamespace | undefined {
    return this.all.get(path);
  }

  create(path: string): VaultNamespace {
    const existing = this.all.get(path);
    if (existing !== undefined) return existing;
    const created = this.make(path);
    this.all.set(path, created);
    return created;
  }

  remove(path: string): void {
    this.all.delete(path);
  }

  /** Paths below a namespace, relative to it. */
  below(path: string): string[] {
    return [...this.all.keys()]
      .filter((candidate) => candidate !== path && candidate.startsWith(path))
      .map((candidate) => candidate.slice(path.length));
  }

  values(): VaultNamespace[] {
    return [...this.all.values()];
  }

  /**
   * The namespace of the header, or one that the path begins with.
   *
   * @throws VaultFault 404 when the header names none
   */
  resolve(header: string, path: string): { readonly namespace: VaultNamespace; readonly path: string } {
    const name = header.replace(/^\/+|\/+$/g, '');
    const start = name === '' || name === 'root' ? '' : `${name}/`;
    if (!this.all.has(start)) throw new VaultFault(404, ['namespace not found']);
    const longest = this.below(start)
      .filter((candidate) => path.startsWith(candidate))
      .sort((a, b) => a.length - b.length)
      .at(-1);
    const chosen = longest === undefined ? start : start + longest;
    const namespace = this.all.get(chosen) as VaultNamespace;
    return { namespace, path: path.slice(longest?.length ?? 0) };
  }

  /** The permissions of a token in a namespace; undefined when the token belongs to an unrelated one. */
  aclOf(token: Token, namespace: VaultNamespace): Acl | undefined {
    const home = this.all.get(token.namespace);
    if (home === undefined || !namespace.path.startsWith(home.path)) return undefined;
    const scope = namespace.path.slice(home.path.length);
    return new Acl(home.rulesOf(token), token.policies.includes('root'), scope);
  }
}
