import { badRequest, errorList } from './protocol.js';

export type Capability = 'create' | 'read' | 'update' | 'delete' | 'list' | 'patch' | 'sudo' | 'deny';

/** One `path` block; the path begins without a slash. */
export interface PathRule {
  readonly path: string;
  readonly capabilities: readonly Capability[];
}

/** The text of a policy, and its parsed rules. */
export interface Policy {
  readonly text: string;
  readonly rules: readonly PathRule[];
}

const CAPABILITIES = ['create', 'read', 'update', 'delete', 'list', 'patch', 'sudo', 'deny'];
/** The capabilities of the deprecated `policy = "write"`. */
const SHORTHANDS: Record<string, readonly Capability[]> = {
  deny: ['deny'],
  read: ['read', 'list'],
  write: ['create', 'read', 'update', 'delete', 'list'],
  sudo: ['create', 'read', 'update', 'delete', 'list', 'sudo'],
};

/**
 * Parses a policy: HCL `path "…" { capabilities = […] }` blocks, or the same as JSON.
 *
 * Parameter constraints and wrapping limits are refused here, so that nothing is ignored in silence.
 *
 * @throws VaultFault 400
 */
export function parsePolicy(text: string): PathRule[] {
  if (text.trim().startsWith('{')) throw badRequest('failed to parse policy: this server reads no JSON');
  const blocks = new HclReader(text).blocks();
  return blocks.map(({ path, settings }) => ruleOf(path, settings));
}

type Settings = ReadonlyMap<string, unknown>;

function ruleOf(path: string, settings: Settings): PathRule {
  const stripped = path.replace(/^\//, '');
  const wrong = (text: string): Error =>
    badRequest(`failed to parse policy: path ${JSON.stringify(path)}: ${text}`);
  for (const key of settings.keys()) {
    if (key !== 'capabilities' && key !== 'policy' && key !== 'comment') {
      const place = `path ${JSON.stringify(path)}: invalid key "${key}" on line 1`;
      throw badRequest(`failed to parse policy: ${errorList(place)}`);
    }
  }
  if (stripped.includes('+*')) {
    throw badRequest(
      `failed to parse policy: path "${stripped}": invalid use of wildcards ('+*' is forbidden)`,
    );
  }
  const given = settings.get('capabilities') ?? [];
  if (!Array.isArray(given)) throw wrong('capabilities must be a list');
  const unknown = given.find((capability) => !CAPABILITIES.includes(String(capability)));
  if (unknown !== undefined) throw wrong(`invalid capability "${String(unknown)}"`);
  const shorthand = settings.get('policy');
  const expanded =
    shorthand === undefined ? [] : typeof shorthand === 'string' ? SHORTHANDS[shorthand] : undefined;
  if (expanded === undefined) throw wrong(`invalid policy ${JSON.stringify(shorthand)}`);
  const all = [...new Set([...(given as Capability[]), ...expanded])];
  return { path: stripped, capabilities: all.includes('deny') ? ['deny'] : all };
}

interface Block {
  readonly path: string;
  readonly settings: Settings;
}

/** The subset of HCL that policies are written in: comments, strings, lists, blocks. */
class HclReader {
  private readonly tokens: string[];
  private at = 0;

  constructor(text: string) {
    const source = text.matchAll(
      /\s+|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/|"((?:[^"\\\n]|\\.)*)"|[{}[\],=]|[A-Za-z_][\w-]*|([^\s])/g,
    );
    this.tokens = [];
    for (const match of source) {
      if (match[2] !== undefined) throw badRequest(`failed to parse policy: illegal character ${match[2]}`);
      if (!/^(\s|#|\/[/*])/.test(match[0])) this.tokens.push(match[0]);
    }
  }

  blocks(): Block[] {
    const blocks: Block[] = [];
    while (this.at < this.tokens.length) {
      const keyword = unquoted(this.next());
      if (keyword === 'name') {
        this.expect('=');
        this.next();
        continue;
      }
      if (keyword !== 'path') throw badRequest(`failed to parse policy: invalid key "${keyword}"`);
      if (this.tokens[this.at] === '=') this.next();
      const path = this.string();
      this.expect('{');
      blocks.push({ path, settings: this.settings() });
    }
    return blocks;
  }

  private settings(): Settings {
    const settings = new Map<string, unknown>();
    for (let token = this.next(); token !== '}'; token = this.next()) {
      this.expect('=');
      settings.set(unquoted(token), this.tokens[this.at] === '[' ? this.list() : this.string());
    }
    return settings;
  }

  private list(): string[] {
    this.expect('[');
    const items: string[] = [];
    while (this.tokens[this.at] !== ']') {
      items.push(this.string());
      if (this.tokens[this.at] === ',') this.next();
      else if (this.tokens[this.at] !== ']') throw badRequest('failed to parse policy: list without a comma');
    }
    this.next();
    return items;
  }

  private string(): string {
    const token = this.next();
    if (!token.startsWith('"')) throw badRequest(`failed to parse policy: unexpected ${token}`);
    return unquoted(token);
  }

  private expect(wanted: string): void {
    const token = this.next();
    if (token !== wanted) throw badRequest(`failed to parse policy: expected ${wanted}, got ${token}`);
  }

  private next(): string {
    const token = this.tokens[this.at];
    if (token === undefined) throw badRequest('failed to parse policy: unexpected end');
    this.at += 1;
    return token;
  }
}

function unquoted(token: string): string {
  return token.startsWith('"') ? (JSON.parse(token) as string) : token;
}

const own = ['create', 'read', 'update', 'delete', 'list'].map((name) => `"${name}"`).join(', ');

/** Permissions of every token on itself, from Vault's default policy. */
export const DEFAULT_POLICY_TEXT = [
  ['auth/token/lookup-self', '"read"'],
  ['auth/token/renew-self', '"update"'],
  ['auth/token/revoke-self', '"update"'],
  ['sys/capabilities-self', '"update"'],
  ['sys/internal/ui/resultant-acl', '"read"'],
  ['cubbyhole/*', own],
  // A pattern with a segment changes how `sys/internal/ui/mounts` takes a deny (recorded).
  ['identity/oidc/provider/+/authorize', '"read", "update"'],
]
  .map(([path = '', capabilities = '']) => `path "${path}" {\n    capabilities = [${capabilities}]\n}\n`)
  .join('\n');
