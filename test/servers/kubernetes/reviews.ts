import type { Authenticator } from './authentication.js';
import type { Attributes, Authorizer } from './authorization.js';
import type { ReviewKind } from './kinds.js';
import { isRecord, recordAt, textAt, timestamp, type UserInfo } from './objects.js';
import { ApiError, badRequest, invalid, notFound } from './status-errors.js';
import type { Storage } from './storage.js';
import type { ServiceAccountTokens } from './tokens.js';

/** Shorter lifetimes are refused, as on a real server. */
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

export interface ReviewsOptions {
  readonly storage: Storage;
  readonly tokens: ServiceAccountTokens;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
}

/** The resources that are answered immediately: reviews of tokens and access, and token requests. */
export class Reviews {
  constructor(private readonly options: ReviewsOptions) {}

  /** @throws ApiError 400 for a body of another kind. */
  review(kind: ReviewKind, namespace: string, body: unknown, user: UserInfo): Record<string, unknown> {
    const apiVersion = `${kind.group}/${kind.version}`;
    if (!isRecord(body) || (body['kind'] ?? kind.kind) !== kind.kind) {
      throw badRequest(`the body of the request is not a ${kind.kind}`);
    }
    if ((body['apiVersion'] ?? apiVersion) !== apiVersion) {
      throw badRequest(`the API version in the data does not match the expected API version (${apiVersion})`);
    }
    const metadata = { creationTimestamp: null, ...recordAt(body, 'metadata') };
    const spec = recordAt(body, 'spec');
    return {
      kind: kind.kind,
      apiVersion,
      metadata,
      spec,
      status: this.statusOf(kind, namespace, spec, user),
    };
  }

  /** `POST serviceaccounts/<name>/token`. */
  token(namespace: string, name: string, body: unknown): Record<string, unknown> {
    const account = this.options.storage.get('/serviceaccounts', namespace, name);
    if (account?.metadata.uid === undefined) {
      throw notFound({ group: '', plural: 'serviceaccounts', kind: 'ServiceAccount' }, name);
    }
    const spec = recordAt(body, 'spec');
    const { audiences, expirationSeconds: seconds = 3600 } = spec;
    const problems = [];
    const field = 'spec.expirationSeconds';
    if (typeof seconds !== 'number' || seconds < MIN_TOKEN_SECONDS) {
      const message = `Invalid value: ${String(seconds)}: may not specify a duration less than 10 minutes`;
      problems.push({ reason: 'FieldValueInvalid', message, field });
    } else if (seconds > MAX_TOKEN_SECONDS) {
      const message = `Invalid value: ${String(seconds)}: may not specify a duration larger than 2^32 seconds`;
      problems.push({ reason: 'FieldValueInvalid', message, field });
    }
    if (problems.length > 0) {
      throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', problems);
    }
    const forWhom =
      Array.isArray(audiences) && audiences.length > 0
        ? (audiences as string[])
        : [this.options.tokens.issuer];
    const { token, expires } = this.options.tokens.issue({
      namespace,
      name,
      uid: account.metadata.uid,
      audiences: forWhom,
      lifetimeSeconds: Number(seconds),
    });
    return {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name, namespace, creationTimestamp: timestamp() },
      spec: {
        audiences: forWhom,
        expirationSeconds: seconds,
        boundObjectRef: spec['boundObjectRef'] ?? null,
      },
      status: { token, expirationTimestamp: timestamp(expires) },
    };
  }

  private statusOf(
    kind: ReviewKind,
    namespace: string,
    spec: Record<string, unknown>,
    user: UserInfo,
  ): Record<string, unknown> {
    switch (kind.kind) {
      case 'TokenReview':
        return this.tokenStatus(spec);
      case 'SelfSubjectReview':
        return { userInfo: userInfoOf(user) };
      case 'SelfSubjectAccessReview':
        return this.accessStatus(spec, user);
      default:
        return this.subjectStatus(kind, namespace, spec);
    }
  }

  private tokenStatus(spec: Record<string, unknown>): Record<string, unknown> {
    const token = textAt(spec, 'token');
    if (token === '') throw badRequest('token is required for TokenReview in authentication');
    const { audiences } = spec;
    const wanted =
      Array.isArray(audiences) && audiences.length > 0
        ? (audiences as string[])
        : [this.options.tokens.issuer];
    const accepted = this.options.authenticator.review(token, wanted);
    if (accepted === undefined) return { user: {}, error: 'invalid bearer token' };
    const groups = [...new Set([...accepted.user.groups, 'system:authenticated'])];
    const info = userInfoOf({ ...accepted.user, groups });
    return { authenticated: true, user: info, audiences: accepted.audiences };
  }

  private subjectStatus(
    kind: ReviewKind,
    namespace: string,
    spec: Record<string, unknown>,
  ): Record<string, unknown> {
    const { groups } = spec;
    const subject: UserInfo = {
      user: textAt(spec, 'user'),
      groups: Array.isArray(groups) ? (groups as string[]) : [],
    };
    const refuse = (field: string, message: string): never => {
      throw invalid({ group: kind.group, kind: kind.kind }, '', [
        { reason: 'FieldValueInvalid', message, field },
      ]);
    };
    if (subject.user === '' && subject.groups.length === 0) {
      refuse('spec.user', 'Invalid value: "": at least one of user or group must be specified');
    }
    if (kind.namespaced && textAt(spec, 'resourceAttributes.namespace') !== namespace) {
      refuse('spec.resourceAttributes.namespace', `Invalid value: must match the namespace "${namespace}"`);
    }
    return this.accessStatus(spec, subject);
  }

  private accessStatus(spec: Record<string, unknown>, user: UserInfo): Record<string, unknown> {
    const resource = spec['resourceAttributes'];
    const path = spec['nonResourceAttributes'];
    if (isRecord(resource) === isRecord(path)) {
      throw new ApiError(
        422,
        'Invalid',
        'exactly one of spec.resourceAttributes and spec.nonResourceAttributes must be specified',
      );
    }
    const wanted: Attributes = isRecord(resource)
      ? {
          verb: textAt(resource, 'verb'),
          apiGroup: textAt(resource, 'group'),
          resource: textAt(resource, 'resource'),
          subresource: textAt(resource, 'subresource'),
          name: textAt(resource, 'name'),
          namespace: textAt(resource, 'namespace'),
        }
      : { verb: textAt(path, 'verb'), apiGroup: '', resource: '', nonResourcePath: textAt(path, 'path') };
    return { allowed: this.options.authorizer.allows(user, wanted) };
  }
}

/** `authentication.k8s.io/v1` UserInfo. */
export function userInfoOf(user: UserInfo): Record<string, unknown> {
  return {
    username: user.user,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: user.groups,
    ...(user.extra === undefined ? {} : { extra: user.extra }),
  };
}
