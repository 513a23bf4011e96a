import { randomUUID } from 'node:crypto';

import { boolField, has, intField, listField, textField } from '../fields.js';
import {
  badRequest,
  isWrite,
  NO_CONTENT,
  unsupportedOperation,
  type VaultAnswer,
  type VaultCall,
} from '../protocol.js';
import {
  type AuthContext,
  AuthMount,
  loginAnswer,
  type TokenParameters,
  tokenParameters,
} from './auth-method.js';
import { NamedEntries } from './named-entries.js';
import { type IamRequest, readIamRequest } from './aws-iam-request.js';
import { type OutboundAnswer, send } from './outbound.js';

interface Config {
  readonly stsEndpoint: string;
  readonly serverId: string;
  readonly allowedHeaders: readonly string[];
  /** -1: the default of 3. */
  readonly maxRetries: number;
}

interface Role {
  readonly roleId: string;
  readonly principals: readonly string[];
  readonly parameters: TokenParameters;
}

const DEFAULT_CONFIG: Config = { stsEndpoint: '', serverId: '', allowedHeaders: [], maxRetries: -1 };

/** AWS IAM: checks a signed `GetCallerIdentity` and forwards it to STS, which verifies the signature. */
export class AwsAuth extends AuthMount {
  readonly type = 'aws';
  private config: Config | undefined;
  private readonly roles = new NamedEntries<Role>({ folder: 'role', parse: roleOf });

  constructor(private readonly context: AuthContext) {
    super();
  }

  override exists(path: string): boolean {
    if (path === 'config/client') return this.config !== undefined;
    return this.roles.exists(path);
  }

  wipe(): void {
    this.roles.clear();
  }

  async handle(call: VaultCall): Promise<VaultAnswer> {
    if (call.path === 'login') {
      if (!isWrite(call.operation)) throw unsupportedOperation();
      return await this.login(call);
    }
    if (call.path === 'config/client') return this.configure(call);
    return this.roles.handle(call);
  }

  private configure(call: VaultCall): VaultAnswer {
    if (call.operation === 'delete') {
      this.config = undefined;
      return NO_CONTENT;
    }
    if (!isWrite(call.operation)) throw unsupportedOperation();
    if (boolField(call, 'use_sts_region_from_client') === true) {
      throw badRequest('use_sts_region_from_client is not offered here');
    }
    const before = this.config ?? DEFAULT_CONFIG;
    this.config = {
      stsEndpoint: has(call, 'sts_endpoint') ? textField(call, 'sts_endpoint') : before.stsEndpoint,
      serverId: has(call, 'iam_server_id_header_value')
        ? textField(call, 'iam_server_id_header_value')
        : before.serverId,
      allowedHeaders: has(call, 'allowed_sts_header_values')
        ? listField(call, 'allowed_sts_header_values')
        : before.allowedHeaders,
      maxRetries: intField(call, 'max_retries') ?? before.maxRetries,
    };
    return NO_CONTENT;
  }

  private async login(call: VaultCall): Promise<VaultAnswer> {
    const config = this.config ?? DEFAULT_CONFIG;
    const rules = { serverId: config.serverId, allowed: config.allowedHeaders };
    const caller = await callerOf(readIamRequest(call, rules), config);
    const entity = parseArn(caller.arn);
    const roleName = textField(call, 'role') || entity.name;
    const role = this.roles.get(roleName.toLowerCase());
    if (role === undefined) throw badRequest(`entry for role ${roleName} not found`);
    if (!role.principals.includes(entity.canonicalArn)) {
      throw badRequest(`IAM Principal "${caller.arn}" does not belong to the role "${roleName}"`);
    }
    return loginAnswer(this.context, {
      parameters: role.parameters,
      alias: role.roleId,
      displayName: entity.session === '' ? entity.name : `${entity.name}/${entity.session}`,
      path: 'login',
      metadata: { account_id: entity.account, auth_type: 'iam', role_id: role.roleId },
    });
  }
}

function roleOf(call: VaultCall, before: Role | undefined): Role {
  const authType = textField(call, 'auth_type');
  if (!['', 'iam', 'ec2'].includes(authType)) throw badRequest(`unrecognized auth_type: ${authType}`);
  if (authType === 'ec2') throw badRequest('the ec2 auth type is not offered here');
  const principals = has(call, 'bound_iam_principal_arn')
    ? listField(call, 'bound_iam_principal_arn')
    : (before?.principals ?? []);
  const [first] = principals;
  if (first === undefined) throw badRequest('at least one bound parameter should be specified on the role');
  // Without credentials, the real method cannot look up principals either (recorded).
  if (boolField(call, 'resolve_aws_unique_ids') !== false && before === undefined) {
    throw badRequest(
      `unable to resolve ARN "${first}" to internal ID: unable to fetch current caller: NoCredentialProviders: no valid providers in chain`,
    );
  }
  if (principals.some((arn) => arn.endsWith('*'))) throw badRequest('wildcards need credentials for IAM');
  return {
    roleId: before?.roleId ?? randomUUID(),
    principals,
    parameters: tokenParameters(call, before?.parameters),
  };
}

/** Forwards the request to STS with the client's Host header, and reads the caller from the response. */
async function callerOf(signed: IamRequest, config: Config): Promise<{ readonly arn: string }> {
  const endpoint = config.stsEndpoint || 'https://sts.amazonaws.com';
  // As in the real method, the slash is doubled when the endpoint has no path.
  const url = `${endpoint}/${signed.url.pathname}`;
  const headers = Object.fromEntries(
    [...signed.headers].map(([name, values]) => [name.toLowerCase(), [...values]]),
  );
  delete headers['content-length'];
  const outbound = { method: 'POST', url, headers: { ...headers, host: signed.url.host }, body: signed.body };
  const attempts = 1 + (config.maxRetries >= 0 ? config.maxRetries : 3);
  const answer = await withRetries(attempts, () => send(outbound));
  if (typeof answer === 'string') {
    throw badRequest(
      `error making upstream request: error making request: POST ${url} giving up after ${String(attempts)} attempt(s): ${answer}`,
    );
  }
  if (answer.headers['content-type'] !== 'text/xml') {
    throw badRequest('error making upstream request: invalid response from STS GetCallerIdentity');
  }
  if (answer.status !== 200) {
    throw badRequest(
      `error making upstream request: received error code ${String(answer.status)} from STS: ${answer.text}`,
    );
  }
  const arn = /<Arn>([^<]+)<\/Arn>/.exec(answer.text)?.[1];
  if (arn === undefined) throw badRequest('error making upstream request: error parsing STS response');
  return { arn };
}

/** @returns the last failure as text when no attempt got an answer below 500. */
async function withRetries(
  attempts: number,
  attempt: () => Promise<OutboundAnswer>,
): Promise<OutboundAnswer | string> {
  let failure = '';
  for (let count = 0; count < attempts; count += 1) {
    const answer = await attempt().catch(() => 'connection failed');
    if (
      typeof answer !== 'string' &&
      (answer.status < 500 || answer.status === 501) &&
      answer.status !== 429
    ) {
      return answer;
    }
    failure = typeof answer === 'string' ? answer : `unexpected HTTP status ${String(answer.status)}`;
  }
  return failure;
}

interface Entity {
  readonly account: string;
  readonly name: string;
  /** Of an assumed role, else empty. */
  readonly session: string;
  readonly canonicalArn: string;
}

/** Roles are bound to ARNs without a path, where an assumed role is written as the role. */
function parseArn(arn: string): Entity {
  const wrong = (why: string): Error => badRequest(`error parsing arn "${arn}": ${why}`);
  const [scheme, partition = '', service = '', , account = '', rest = '', ...more] = arn.split(':');
  if (scheme !== 'arn' || more.length > 0) throw wrong('unrecognized arn: does not begin with "arn:"');
  if (service !== 'iam' && service !== 'sts')
    throw wrong(`unrecognized service: ${service}, not one of iam or sts`);
  const parts = rest.split('/');
  const [type = '', second = '', third = ''] = parts;
  if (parts.length < 2)
    throw wrong(`unrecognized arn: "${rest}" contains fewer than 2 slash-separated parts`);
  const isAssumed = type === 'assumed-role';
  if (!isAssumed && !['user', 'role', 'instance-profile'].includes(type)) {
    throw wrong(`unrecognized principal type: "${type}"`);
  }
  if (isAssumed && parts.length < 3) {
    throw wrong(`unrecognized arn: "${rest}" contains fewer than 3 slash-separated parts`);
  }
  const name = isAssumed ? second : (parts.at(-1) ?? '');
  const canonicalArn = `arn:${partition}:iam::${account}:${isAssumed ? 'role' : type}/${name}`;
  return { account, name, session: isAssumed ? third : '', canonicalArn };
}
