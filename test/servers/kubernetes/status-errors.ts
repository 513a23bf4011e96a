/** One cause in a `metav1.Status`. */
export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** The body of every error response. */
export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Record<string, unknown>;
  readonly status: 'Failure' | 'Success';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code?: number;
}

/** The name of a resource in messages: `kmsvaultsecrets.k8s.patoarvizu.dev`, `secrets`. */
export interface Named {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

/** An error of the API: thrown anywhere below the router, answered as a `Status`. */
export class ApiError extends Error {
  readonly code: number;

  constructor(
    code: number,
    readonly reason: string,
    message: string,
    readonly details?: StatusDetails,
  ) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
  }

  get body(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

function qualified(name: string, group: string): string {
  return group === '' ? name : `${name}.${group}`;
}

function detailsOf(kind: Named, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(kind.group === '' ? {} : { group: kind.group }),
    kind: kind.plural,
  };
}

export function notFound(kind: Named, name: string): ApiError {
  const message = `${qualified(kind.plural, kind.group)} "${name}" not found`;
  return new ApiError(404, 'NotFound', message, detailsOf(kind, name));
}

/** No such endpoint. */
export function noSuchResource(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** An unknown path: the real server's multiplexer answers in plain text. */
export class PageNotFound extends ApiError {
  constructor() {
    super(404, 'NotFound', '404 page not found');
    this.name = 'PageNotFound';
  }
}

export function alreadyExists(kind: Named, name: string, isBeingDeleted = false): ApiError {
  const prefix = isBeingDeleted ? 'object is being deleted: ' : '';
  const message = `${prefix}${qualified(kind.plural, kind.group)} "${name}" already exists`;
  return new ApiError(409, 'AlreadyExists', message, detailsOf(kind, name));
}

export function conflict(
  kind: Named,
  name: string,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): ApiError {
  const message = `Operation cannot be fulfilled on ${qualified(kind.plural, kind.group)} "${name}": ${why}`;
  return new ApiError(409, 'Conflict', message, detailsOf(kind, name));
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

export function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized');
}

/** 410 for a resourceVersion or a continue token that the history no longer reaches. */
export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message);
}

/** 403 for one object; `why` is the message of the authorizer or admission. */
export function forbidden(
  kind: Pick<Named, 'group' | 'plural'>,
  name: string,
  why: string,
  causes?: StatusCause[],
): ApiError {
  const subject = qualified(kind.plural, kind.group) + (name === '' ? '' : ` "${name}"`);
  const details = detailsOf({ ...kind, kind: '' }, name);
  return new ApiError(
    403,
    'Forbidden',
    `${subject} is forbidden: ${why}`,
    causes === undefined ? details : { ...details, causes },
  );
}

/** 403 for a non-resource path. */
export function forbiddenPath(user: string, verb: string, path: string): ApiError {
  return new ApiError(403, 'Forbidden', `forbidden: User "${user}" cannot ${verb} path "${path}"`, {});
}

export function methodNotAllowed(): ApiError {
  const message = 'the server does not allow this method on the requested resource';
  return new ApiError(405, 'MethodNotAllowed', message, {});
}

/** The body limit of a real server. */
export const MAX_BODY_BYTES = 3 * 1024 * 1024;

export function requestTooLarge(): ApiError {
  const message = `Request entity too large: limit is ${String(MAX_BODY_BYTES)}`;
  return new ApiError(413, 'RequestEntityTooLarge', message);
}

export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
  return new ApiError(415, 'UnsupportedMediaType', message);
}

export function notAcceptable(): ApiError {
  const message =
    'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf';
  return new ApiError(406, 'NotAcceptable', message);
}

/** 422 with one cause per field. Messages are the part after `<field>: `. */
export function invalid(
  kind: Pick<Named, 'group' | 'kind'>,
  name: string,
  causes: readonly StatusCause[],
): ApiError {
  const each = causes.map((cause) => `${cause.field ?? ''}: ${cause.message}`);
  const text = each.length === 1 ? each.join('') : `[${each.join(', ')}]`;
  return new ApiError(422, 'Invalid', `${qualified(kind.kind, kind.group)} "${name}" is invalid: ${text}`, {
    ...(name === '' ? {} : { name }),
    ...(kind.group === '' ? {} : { group: kind.group }),
    kind: kind.kind,
    causes,
  });
}
