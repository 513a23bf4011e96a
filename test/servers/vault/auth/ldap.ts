import { admitsPeer } from '../cidr.js';
import { boolField, has, listField, textField } from '../fields.js';
import {
  badRequest,
  isWrite,
  NO_CONTENT,
  unsupportedOperation,
  unsupportedPath,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from '../protocol.js';
import {
  type AuthContext,
  AuthMount,
  loginAnswer,
  type TokenParameters,
  tokenParameters,
} from './auth-method.js';
import { ldapBind } from './ldap-bind.js';
import { UserLockout } from './user-lockout.js';

interface Config {
  readonly url: string;
  readonly userDn: string;
  readonly userAttr: string;
  readonly caseSensitive: boolean;
  readonly parameters: TokenParameters;
}

/** Settings that need a search in the directory. */
const SEARCHES = ['binddn', 'bindpass', 'discoverdn', 'upndomain', 'groupdn', 'starttls', 'userfilter'];

/**
 * Users of a directory, by the rules of Vault's `builtin/credential/ldap` and `sdk/helper/ldaputil`; the name to
 * bind with is built from `userattr` and `userdn`.
 */
export class LdapAuth extends AuthMount {
  readonly type = 'ldap';
  /** Vault's defaults. */
  private config: Config = {
    url: 'ldap://127.0.0.1',
    userDn: '',
    userAttr: 'cn',
    caseSensitive: false,
    parameters: tokenParameters({ body: new Map() }),
  };
  private readonly users = new Map<string, readonly string[]>();
  private readonly lockout: UserLockout;

  constructor(private readonly context: AuthContext) {
    super();
    this.lockout = new UserLockout(context.now);
  }

  override isOpen(path: string): boolean {
    return path.startsWith('login/');
  }

  wipe(): void {
    this.users.clear();
  }

  async handle(call: VaultCall): Promise<VaultAnswer> {
    const [, user = ''] = /^login\/(.+)$/.exec(call.path) ?? [];
    if (user !== '') {
      if (!isWrite(call.operation)) throw unsupportedOperation();
      return await this.login(this.named(user), textField(call, 'password'));
    }
    if (call.path === 'config') return this.configure(call);
    const [folder, name = ''] = call.path.split('/');
    if (folder !== 'users') throw unsupportedPath();
    return this.user(call, this.named(name));
  }

  private named(user: string): string {
    const name = user.trim();
    return this.config.caseSensitive ? name : name.toLowerCase();
  }

  private configure(call: VaultCall): VaultAnswer {
    const { config } = this;
    if (!isWrite(call.operation)) throw unsupportedOperation();
    const search = SEARCHES.find((name) => !['', '0'].includes(textField(call, name)));
    if (search !== undefined) throw badRequest(`${search} is not offered here`);
    const text = (name: string, old: string): string => (has(call, name) ? textField(call, name) : old);
    this.config = {
      url: text('url', config.url).toLowerCase(),
      userDn: text('userdn', config.userDn),
      userAttr: text('userattr', config.userAttr).toLowerCase(),
      caseSensitive: boolField(call, 'case_sensitive_names') ?? config.caseSensitive,
      parameters: tokenParameters(call, config.parameters),
    };
    return NO_CONTENT;
  }

  private user(call: VaultCall, name: string): VaultAnswer {
    if (name === '') throw unsupportedOperation();
    if (call.operation === 'delete') this.users.delete(name);
    else if (isWrite(call.operation)) this.users.set(name, listField(call, 'policies'));
    else throw unsupportedOperation();
    return NO_CONTENT;
  }

  private async login(user: string, password: string): Promise<VaultAnswer> {
    this.lockout.check(user);
    const { parameters } = this.config;
    if (!admitsPeer(parameters.boundCidrs)) throw new VaultFault(403, ['permission denied']);
    await this.bind(user, password);
    this.lockout.succeeded(user);
    return loginAnswer(this.context, {
      parameters,
      policies: this.users.get(user) ?? [],
      alias: user,
      displayName: user,
      path: `login/${user}`,
      metadata: { username: user },
      warnings: ['no LDAP groups found in groupDN ""; only policies from locally-defined groups available'],
      // With the password of the login, which Vault stores in the token's internal data.
      mayRenew: () => this.bind(user, password),
    });
  }

  private async bind(user: string, password: string): Promise<void> {
    if (password === '') {
      throw badRequest('password cannot be of zero length when passwordless binds are being denied');
    }
    const { url, userAttr, userDn } = this.config;
    const errors: string[] = [];
    for (const one of url.split(',')) {
      try {
        if (await ldapBind(one, `${userAttr}=${escaped(user)},${userDn}`, password)) return;
        this.lockout.failed(user);
        throw badRequest('ldap operation failed: failed to bind as user');
      } catch (error) {
        if (error instanceof VaultFault) throw error;
        const why = error instanceof Error ? error.message : '';
        errors.push(`error connecting to host "${one}": LDAP Result Code 200 "Network Error": ${why}`);
      }
    }
    const noun = errors.length === 1 ? 'error' : 'errors';
    const list = errors.map((text) => `\t* ${text}\n`).join('');
    throw badRequest(`${String(errors.length)} ${noun} occurred:\n${list}\n`);
  }
}

/** As `EscapeLDAPValue` does for the value of an attribute in a distinguished name. */
function escaped(value: string): string {
  return value.replace(/[",+<>;\\]/g, '\\$&').replace(/^[ #]/, '\\$&');
}
