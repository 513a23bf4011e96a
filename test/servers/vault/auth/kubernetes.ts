import { request } from 'node:https';

import { unsupported } from '../kv-v1.js';
import {
  listField,
  NO_CONTENT,
  NOT_FOUND,
  textField,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from '../protocol.js';
import type { TokenRequest, TokenStore } from '../tokens.js';
import { type AuthMethod, loginAnswer, tokenParameters } from './auth-method.js';

interface Role {
  readonly names: readonly string[];
  readonly namespaces: readonly string[];
  readonly audience: string;
  readonly token: TokenRequest;
}

interface Reviewed {
  readonly status?: { readonly authenticated?: boolean; readonly user?: { readonly username?: string } };
}

/** Verifies service-account tokens by a TokenReview at the configured API server. */
export class KubernetesAuth implements AuthMethod {
  readonly type = 'kubernetes';
  readonly options = null;
  private config: { host: string; ca: string; reviewer: string } | undefined;
  private readonly roles = new Map<string, Role>();

  constructor(private readonly tokens: TokenStore) {}

  exists(path: string): boolean {
    return this.roles.has(path.replace(/^role\//, ''));
  }

  isLogin(path: string): boolean {
    return path === 'login';
  }

  async handle(call: VaultCall): Promise<VaultAnswer> {
    if (call.operation !== 'create' && call.operation !== 'update') throw unsupported();
    if (call.path === 'login') return await this.login(textField(call, 'role'), textField(call, 'jwt'));
    if (call.path === 'config') {
      const host = textField(call, 'kubernetes_host');
      if (host === '') throw new VaultFault(400, ['no host provided']);
      this.config = {
        host,
        ca: textField(call, 'kubernetes_ca_cert'),
        reviewer: textField(call, 'token_reviewer_jwt'),
      };
      return NO_CONTENT;
    }
    const [folder, name = ''] = call.path.split('/');
    if (folder !== 'role' || name === '') throw NOT_FOUND;
    const names = listField(call, 'bound_service_account_names');
    const namespaces = listField(call, 'bound_service_account_namespaces');
    if (names.length === 0) throw new VaultFault(400, ['"bound_service_account_names" can not be empty']);
    if (namespaces.length === 0)
      throw new VaultFault(400, ['"bound_service_account_namespaces" can not be empty']);
    this.roles.set(name, {
      names,
      namespaces,
      audience: textField(call, 'audience'),
      token: tokenParameters(call),
    });
    return NO_CONTENT;
  }

  wipe(): void {
    this.roles.clear();
  }

  private async login(roleName: string, jwt: string): Promise<VaultAnswer> {
    if (roleName === '') throw new VaultFault(400, ['missing role']);
    if (jwt === '') throw new VaultFault(400, ['missing jwt']);
    const role = this.roles.get(roleName);
    if (role === undefined) throw new VaultFault(400, [`invalid role name "${roleName}"`]);
    if (this.config === undefined) throw new VaultFault(500, ['could not load backend configuration']);
    const username = await this.review(jwt, role.audience);
    const [, namespace = '', name = ''] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
    const allows = (list: readonly string[], value: string): boolean =>
      list.includes('*') || list.includes(value);
    if (!allows(role.names, name)) throw new VaultFault(403, ['service account name not authorized']);
    if (!allows(role.namespaces, namespace)) throw new VaultFault(403, ['namespace not authorized']);
    return loginAnswer(this.tokens, {
      ...role.token,
      displayName: `kubernetes-${namespace}-${name}`,
      path: 'auth/kubernetes/login',
      metadata: { role: roleName, service_account_name: name, service_account_namespace: namespace },
    });
  }

  private async review(jwt: string, audience: string): Promise<string> {
    const { host = '', ca = '', reviewer = '' } = this.config ?? {};
    const body = JSON.stringify({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token: jwt, ...(audience === '' ? {} : { audiences: [audience] }) },
    });
    const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = request(
        `${host.replace(/\/+$/, '')}/apis/authentication.k8s.io/v1/tokenreviews`,
        {
          method: 'POST',
          ca: ca === '' ? undefined : ca,
          agent: false,
          // Without a reviewer of its own the real plugin reviews with the client's token.
          headers: {
            'content-type': 'application/json',
            authorization: `Bearer ${reviewer === '' ? jwt : reviewer}`,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    }).catch(() => {
      throw new VaultFault(500, ['could not reach the API server']);
    });
    const reviewed =
      answer.status === 201 || answer.status === 200 ? (JSON.parse(answer.text) as Reviewed) : {};
    if (reviewed.status?.authenticated !== true) throw new VaultFault(403, ['permission denied']);
    return reviewed.status.user?.username ?? '';
  }
}
