import { has, intField, listField, textField } from '../fields.js';
import {
  badRequest,
  BackendError,
  isWrite,
  NO_CONTENT,
  notFound,
  unsupportedOperation,
  unsupportedPath,
  type VaultAnswer,
  type VaultCall,
} from '../protocol.js';
import { goJson } from '../raw-json.js';
import {
  type AuthContext,
  AuthMount,
  loginAnswer,
  type TokenParameters,
  tokenParameters,
} from './auth-method.js';
import { send } from './outbound.js';

interface Config {
  readonly organization: string;
  /** 0: not known yet; then taken from the first login. */
  readonly organizationId: number;
  /** With a slash at the end. */
  readonly baseUrl: string;
  readonly parameters: TokenParameters;
}

interface Organization {
  readonly id?: number;
  readonly login?: string;
}

interface Team {
  readonly name: string;
  readonly slug: string;
  readonly organization: Organization;
}

interface Verified {
  readonly user: string;
  readonly organization: string;
  readonly policies: readonly string[];
  readonly warnings: readonly string[];
}

/** GitHub's own tokens, by the rules of Vault's `builtin/credential/github`. */
export class GithubAuth extends AuthMount {
  readonly type = 'github';
  private config: Config | undefined;
  /** Policies by `teams/core` and `users/bob`, in lower case. */
  private readonly maps = new Map<string, readonly string[]>();

  constructor(private readonly context: AuthContext) {
    super();
  }

  override exists(path: string): boolean {
    const [, key] = /^map\/((?:teams|users)\/.+)$/.exec(path) ?? [];
    return key === undefined || this.maps.has(key.toLowerCase());
  }

  wipe(): void {
    this.maps.clear();
  }

  async handle(call: VaultCall): Promise<VaultAnswer> {
    if (call.path === 'login') {
      if (!isWrite(call.operation)) throw unsupportedOperation();
      return await this.login(textField(call, 'token'));
    }
    if (call.path === 'config') return await this.configure(call);
    const [, kind = '', name = ''] = /^map\/(teams|users)\/?(.*)$/.exec(call.path) ?? [];
    if (kind === '') throw unsupportedPath();
    return this.map(call, kind, name);
  }

  private map(call: VaultCall, kind: string, name: string): VaultAnswer {
    const key = `${kind}/${name}`.toLowerCase();
    if (name === '') {
      throw unsupportedOperation();
    }
    switch (call.operation) {
      case 'read': {
        const policies = this.maps.get(key);
        if (policies === undefined) throw notFound();
        return { status: 200, data: goJson({ key: name.toLowerCase(), value: policies.join(',') }) };
      }
      case 'create':
      case 'update':
        this.maps.set(key, listField(call, 'value'));
        return NO_CONTENT;
      case 'delete':
        this.maps.delete(key);
        return NO_CONTENT;
      default:
        throw unsupportedOperation();
    }
  }

  private async configure(call: VaultCall): Promise<VaultAnswer> {
    if (!isWrite(call.operation)) throw unsupportedOperation();
    const organization = has(call, 'organization')
      ? textField(call, 'organization')
      : (this.config?.organization ?? '');
    if (organization === '') throw badRequest('organization is a required parameter');
    const baseUrl = has(call, 'base_url')
      ? textField(call, 'base_url').replace(/\/?$/, '/')
      : (this.config?.baseUrl ?? 'https://api.github.com/');
    if (!URL.canParse(baseUrl)) throw badRequest('error parsing given base_url: not a URL');
    const parameters = tokenParameters(call, this.config?.parameters);
    const given = intField(call, 'organization_id') ?? this.config?.organizationId ?? 0;
    const organizationId = given === 0 ? await organizationIdOf(baseUrl, organization, '') : given;
    this.config = { organization, organizationId, baseUrl, parameters };
    return NO_CONTENT;
  }

  private async login(token: string): Promise<VaultAnswer> {
    const verified = await this.verify(token);
    const parameters = this.config?.parameters ?? tokenParameters({ body: new Map() });
    return loginAnswer(this.context, {
      parameters,
      policies: verified.policies,
      alias: verified.user,
      displayName: verified.user,
      path: 'login',
      metadata: { username: verified.user, org: verified.organization },
      warnings: verified.warnings,
      mayRenew: async () => {
        const again = await this.verify(token);
        const same = (a: readonly string[]): string => [...new Set(a)].sort().join();
        if (same(again.policies) !== same(verified.policies)) {
          throw new BackendError(500, 'policies do not match');
        }
      },
    });
  }

  /** Every failure is a 500, because the method returns plain Go errors. */
  private async verify(token: string): Promise<Verified> {
    if (this.config === undefined) throw new BackendError(500, 'configuration has not been set');
    const { organization, organizationId, baseUrl } = this.config;
    if (organizationId === 0) {
      const id = await organizationIdOf(baseUrl, organization, token);
      this.config = { ...this.config, organizationId: id };
    }
    const wanted = this.config.organizationId;
    const user = ((await get(`${baseUrl}user`, token)).body as { login?: string }).login ?? '';
    const organizations = await pages<Organization>(`${baseUrl}user/orgs?per_page=100`, token);
    const member = organizations.find(({ id }) => id === wanted);
    if (member === undefined) throw new BackendError(500, 'user is not part of required org');
    const teams = await pages<Team>(`${baseUrl}user/teams?per_page=100`, token);
    // Only teams of the organization count, by name and by slug.
    const names = teams
      .filter((team) => team.organization.id === wanted)
      .flatMap((team) => [team.name, team.slug]);
    const policies = [
      ...[...new Set(['default', ...names])].flatMap((name) => this.policiesOf('teams', name)),
      ...['default', user].flatMap((name) => this.policiesOf('users', name)),
    ];
    const login = member.login ?? '';
    const renamed =
      `the organization name has changed to "${login}". It is recommended to verify and update the ` +
      `organization name in the config: organization_id=${String(wanted)}`;
    return { user, organization: login, policies, warnings: login === organization ? [] : [renamed] };
  }

  private policiesOf(kind: string, name: string): readonly string[] {
    return this.maps.get(`${kind}/${name}`.toLowerCase()) ?? [];
  }
}

async function organizationIdOf(baseUrl: string, name: string, token: string): Promise<number> {
  const { body } = await get(`${baseUrl}orgs/${encodeURIComponent(name)}`, token);
  const { id = 0 } = body as Organization;
  if (id === 0) throw new BackendError(500, `organization_id not found for ${name}`);
  return id;
}

interface Page {
  readonly body: unknown;
  readonly next: string | undefined;
}

async function get(url: string, token: string): Promise<Page> {
  const answer = await send({
    method: 'GET',
    url,
    headers: {
      accept: 'application/vnd.github+json',
      'user-agent': 'vault',
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    },
  }).catch(() => {
    throw new BackendError(500, `Get "${url}": connection refused`);
  });
  const body = answer.text === '' ? {} : (JSON.parse(answer.text) as { message?: string });
  if (answer.status !== 200) {
    const message = 'message' in body ? (body.message ?? '') : '';
    throw new BackendError(500, `GET ${url}: ${String(answer.status)} ${message} []`);
  }
  return { body, next: /<([^>]+)>;\s*rel="next"/.exec(String(answer.headers.link ?? ''))?.[1] };
}

async function pages<Item>(url: string, token: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let next: string | undefined = url; next !== undefined;) {
    const page: Page = await get(next, token);
    items.push(...(page.body as Item[]));
    next = page.next;
  }
  return items;
}
