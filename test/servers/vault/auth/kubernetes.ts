import { boolField, has, listField, textField } from '../fields.js';
import {
  badRequest,
  BackendError,
  isWrite,
  NO_CONTENT,
  unsupportedOperation,
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
import { send } from './outbound.js';

/** What the plugin forgives in times (go-jose, jwt.DefaultLeeway). */
const LEEWAY_MS = 60_000;

interface Config {
  readonly host: string;
  readonly ca: string;
  readonly reviewer: string;
  readonly disableLocal: boolean;
}

interface Role {
  readonly names: readonly string[];
  readonly namespaces: readonly string[];
  readonly audience: string;
  readonly aliasSource: string;
  readonly parameters: TokenParameters;
}

interface Account {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Service-account tokens, verified by a TokenReview at the configured API server. */
export class KubernetesAuth extends AuthMount {
  readonly type = 'kubernetes';
  private config: Config | undefined;
  private readonly roles = new NamedEntries<Role>({ folder: 'role', parse: roleOf });

  constructor(private readonly context: AuthContext) {
    super();
  }

  override exists(path: string): boolean {
    return this.roles.exists(path);
  }

  wipe(): void {
    this.roles.clear();
  }

  async handle(call: VaultCall): Promise<VaultAnswer> {
    if (call.path === 'login') {
      if (!isWrite(call.operation)) throw unsupportedOperation();
      return await this.login(textField(call, 'role'), textField(call, 'jwt'));
    }
    if (call.path === 'config') return this.configure(call);
    return this.roles.handle(call);
  }

  private configure(call: VaultCall): VaultAnswer {
    if (!isWrite(call.operation)) throw unsupportedOperation();
    if (listField(call, 'pem_keys').length > 0) throw badRequest('pem_keys are not offered here');
    const config: Config = {
      host: textField(call, 'kubernetes_host'),
      ca: textField(call, 'kubernetes_ca_cert'),
      reviewer: textField(call, 'token_reviewer_jwt'),
      disableLocal: boolField(call, 'disable_local_ca_jwt') ?? false,
    };
    if (config.host === '') throw badRequest('no host provided');
    if (config.disableLocal && config.ca === '') {
      throw badRequest('kubernetes_ca_cert must be given when disable_local_ca_jwt is true');
    }
    this.config = config;
    return NO_CONTENT;
  }

  private async login(roleName: string, jwt: string): Promise<VaultAnswer> {
    if (roleName === '') throw badRequest('missing role');
    if (jwt === '') throw badRequest('missing jwt');
    const role = this.roles.get(roleName.toLowerCase());
    if (role === undefined) throw badRequest(`invalid role name "${roleName}"`);
    if (this.config === undefined) throw new BackendError(500, 'could not load backend configuration');
    const { account, audiences, expires } = claimsOf(jwt);
    if (role.audience !== '' && !audiences.includes(role.audience)) {
      throw denied('invalid audience (aud) claim: audience claim does not match any expected audience');
    }
    if (expires * 1_000 + LEEWAY_MS < Date.now()) {
      throw denied('invalid expiration time (exp) claim: token is expired');
    }
    if (!allows(role.names, account.name)) throw denied('service account name not authorized');
    if (!allows(role.namespaces, account.namespace)) throw denied('namespace not authorized');
    // If the role has no audience, the review has the audiences of the token.
    const wanted = role.audience === '' ? audiences : [role.audience];
    const reviewed = await this.review(this.config, jwt, wanted);
    const { namespace, name, uid } = reviewed;
    if (namespace !== account.namespace || name !== account.name || uid !== account.uid) throw denied();
    return loginAnswer(this.context, {
      parameters: role.parameters,
      alias: role.aliasSource === 'serviceaccount_name' ? `${namespace}/${name}` : uid,
      displayName: `${namespace}-${name}`,
      path: 'login',
      metadata: {
        role: roleName,
        service_account_name: name,
        service_account_namespace: namespace,
        service_account_secret_name: '',
        service_account_uid: uid,
      },
      mayRenew: () => {
        if (this.roles.get(roleName) === undefined) {
          throw new BackendError(500, `role ${roleName} does not exist during renewal`);
        }
      },
    });
  }

  /** The client gets the same answer for every failure (recorded). */
  private async review(config: Config, jwt: string, audiences: readonly string[]): Promise<Account> {
    const answer = await send({
      method: 'POST',
      url: `${config.host.replace(/\/+$/, '')}/apis/authentication.k8s.io/v1/tokenreviews`,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        // Without a reviewer token, the real plugin uses the client's token for the review.
        authorization: `Bearer ${config.reviewer === '' ? jwt : config.reviewer}`,
      },
      body: JSON.stringify({
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: jwt, ...(audiences.length === 0 ? {} : { audiences }) },
      }),
      ca: config.ca === '' ? undefined : config.ca,
    }).catch(() => {
      throw denied();
    });
    if (answer.status !== 200 && answer.status !== 201) throw denied();
    const { status } = parse(answer.text) as {
      status?: { authenticated?: boolean; error?: string; user?: { username?: string; uid?: string } };
    };
    const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(status?.user?.username ?? '');
    if (status?.authenticated !== true || (status.error ?? '') !== '' || account === null) throw denied();
    return { namespace: account[1] ?? '', name: account[2] ?? '', uid: status.user?.uid ?? '' };
  }
}

function roleOf(call: VaultCall, before: Role | undefined): Role {
  const list = (name: string, old: readonly string[] | undefined): readonly string[] =>
    has(call, name) ? listField(call, name) : (old ?? []);
  const names = list('bound_service_account_names', before?.names);
  const namespaces = list('bound_service_account_namespaces', before?.namespaces);
  if (names.length === 0) throw badRequest('"bound_service_account_names" can not be empty');
  if (namespaces.length === 0) {
    throw badRequest(
      '"bound_service_account_namespaces" can not be empty if "bound_service_account_namespace_selector" is not set',
    );
  }
  for (const values of [names, namespaces]) {
    if (values.includes('*') && values.length > 1) throw badRequest('can not mix "*" with values');
  }
  const aliasSource = textField(call, 'alias_name_source') || (before?.aliasSource ?? 'serviceaccount_uid');
  if (!['serviceaccount_uid', 'serviceaccount_name'].includes(aliasSource)) {
    throw badRequest('invalid alias_name_source, must be one of: serviceaccount_uid, serviceaccount_name');
  }
  return {
    names,
    namespaces,
    audience: has(call, 'audience') ? textField(call, 'audience') : (before?.audience ?? ''),
    aliasSource,
    parameters: tokenParameters(call, before?.parameters),
  };
}

/** The unverified claims, to skip a review that would fail. */
function claimsOf(jwt: string): {
  readonly account: Account;
  readonly audiences: readonly string[];
  /** Seconds; infinite when the claim is absent. */
  readonly expires: number;
} {
  const parts = jwt.split('.');
  if (parts.length !== 3) throw denied();
  const claims = parse(Buffer.from(parts[1] ?? '', 'base64url').toString()) as {
    aud?: string | string[];
    exp?: number;
    'kubernetes.io'?: { namespace?: string; serviceaccount?: { name?: string; uid?: string } };
  };
  const { namespace = '', serviceaccount } = claims['kubernetes.io'] ?? {};
  const account = { namespace, name: serviceaccount?.name ?? '', uid: serviceaccount?.uid ?? '' };
  if (account.namespace === '' || account.name === '') throw denied();
  return { account, audiences: [claims.aud ?? []].flat(), expires: claims.exp ?? Infinity };
}

function allows(list: readonly string[], value: string): boolean {
  return list.some((pattern) =>
    pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : pattern === value,
  );
}

function parse(text: string): object {
  try {
    return (JSON.parse(text) as object | null) ?? {};
  } catch {
    throw denied();
  }
}

function denied(text = 'permission denied'): VaultFault {
  return new VaultFault(403, [text]);
}
