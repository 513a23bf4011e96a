import { keysBelow, unsupported } from '../kv-v1.js';
import {
  NO_CONTENT,
  NOT_FOUND,
  textField,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from '../protocol.js';
import type { TokenRequest, TokenStore } from '../tokens.js';
import { type AuthMethod, loginAnswer, tokenParameters } from './auth-method.js';

interface User {
  password: string;
  token: TokenRequest;
  failures: number;
  lockedUntilMs: number;
}

/** Vault's default lockout: five failures, fifteen minutes. */
const LOCKOUT_FAILURES = 5;
const LOCKOUT_MS = 15 * 60_000;

export class Userpass implements AuthMethod {
  readonly type = 'userpass';
  readonly options = null;
  private readonly users = new Map<string, User>();

  constructor(
    private readonly tokens: TokenStore,
    private readonly now: () => Date,
  ) {}

  exists(path: string): boolean {
    return this.users.has(path.replace(/^users\//, ''));
  }

  isLogin(path: string): boolean {
    return /^login\/[^/]+$/.test(path);
  }

  handle(call: VaultCall): VaultAnswer {
    const [, verb = '', name = ''] = /^(users|login)\/?(.*)$/.exec(call.path) ?? [];
    if (verb === 'users' && call.operation === 'list') {
      return { status: 200, data: JSON.stringify({ keys: keysBelow(this.users.keys(), '') }) };
    }
    // User names are folded, as Vault does.
    const key = name.toLowerCase();
    const writes = call.operation === 'create' || call.operation === 'update';
    if (verb === 'login' && writes) return this.login(key, textField(call, 'password'));
    if (verb !== 'users' || name === '') throw NOT_FOUND;
    if (call.operation === 'delete') {
      this.users.delete(key);
      return NO_CONTENT;
    }
    if (!writes) throw unsupported();
    const password = textField(call, 'password') || (this.users.get(key)?.password ?? '');
    if (password === '') throw new VaultFault(400, ['missing password']);
    this.users.set(key, { password, token: tokenParameters(call), failures: 0, lockedUntilMs: 0 });
    return NO_CONTENT;
  }

  wipe(): void {
    this.users.clear();
  }

  private login(name: string, password: string): VaultAnswer {
    const user = this.users.get(name);
    if (password === '') throw new VaultFault(400, ['missing password']);
    const now = this.now().getTime();
    if (user === undefined) throw new VaultFault(400, ['invalid username or password']);
    if (user.lockedUntilMs > now) throw new VaultFault(403, ['permission denied']);
    if (user.password !== password) {
      user.failures += 1;
      if (user.failures >= LOCKOUT_FAILURES) user.lockedUntilMs = now + LOCKOUT_MS;
      throw new VaultFault(400, ['invalid username or password']);
    }
    user.failures = 0;
    return loginAnswer(this.tokens, {
      ...user.token,
      displayName: `userpass-${name}`,
      path: `auth/userpass/login/${name}`,
      metadata: { username: name },
    });
  }
}
