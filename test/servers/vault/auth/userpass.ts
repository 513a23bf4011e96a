import { createHash } from 'node:crypto';

import { admitsPeer } from '../cidr.js';
import { textField } from '../fields.js';
import {
  badRequest,
  BackendError,
  isWrite,
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
import { NamedEntries } from './named-entries.js';
import { UserLockout } from './user-lockout.js';

interface User {
  readonly passwordHash: string;
  readonly parameters: TokenParameters;
}

/** Username and password. */
export class Userpass extends AuthMount {
  readonly type = 'userpass';
  private readonly users = new NamedEntries<User>({
    folder: 'users',
    parse: userOf,
  });
  private readonly lockout: UserLockout;

  constructor(private readonly context: AuthContext) {
    super();
    this.lockout = new UserLockout(context.now);
  }

  override exists(path: string): boolean {
    return this.users.exists(path);
  }

  override isOpen(path: string): boolean {
    return path.startsWith('login/');
  }

  wipe(): void {
    this.users.clear();
  }

  handle(call: VaultCall): VaultAnswer {
    const [folder = '', name = '', item] = call.path.split('/');
    // User names are converted to lower case, as in Vault.
    const key = name.toLowerCase();
    // `framework.GenericNameRegex`: letters, digits, and - . _ between them.
    if (name !== '' && !/^\w(?:[\w.-]*\w)?$/.test(name)) throw unsupportedPath();
    if (folder === 'login' && name !== '' && item === undefined) {
      if (!isWrite(call.operation)) throw unsupportedOperation();
      return this.login(key, textField(call, 'password'));
    }
    if (folder === 'users' && item !== undefined) throw unsupportedPath();
    return this.users.handle(call);
  }

  private login(key: string, password: string): VaultAnswer {
    if (password === '') throw new BackendError(500, 'missing password');
    this.lockout.check(key);
    const user = this.users.get(key);
    if (user === undefined || user.passwordHash !== hash(password)) {
      this.lockout.failed(key);
      throw badRequest('invalid username or password');
    }
    this.lockout.succeeded(key);
    if (!admitsPeer(user.parameters.boundCidrs)) throw new VaultFault(403, ['permission denied']);
    return loginAnswer(this.context, {
      parameters: user.parameters,
      alias: key,
      displayName: key,
      path: `login/${key}`,
      metadata: { username: key },
      mayRenew: () => {
        if (this.users.get(key) === undefined) throw badRequest('lease expired');
      },
    });
  }
}

function userOf(call: VaultCall, before: User | undefined): User {
  const password = textField(call, 'password');
  if (password === '' && before === undefined) throw badRequest('missing password');
  return {
    passwordHash: password === '' ? (before?.passwordHash ?? '') : hash(password),
    parameters: tokenParameters(call, before?.parameters),
  };
}

function hash(password: string): string {
  return createHash('sha256').update(password).digest('hex');
}
