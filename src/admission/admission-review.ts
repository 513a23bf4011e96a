import { GROUP, type Kind, PARTIAL_KIND, SECRET_KIND } from '../api/group.js';
import { printable } from '../api/printable.js';

/** The supported versions of `admission.k8s.io`; an answer uses the version of its request. */
const REVIEW_VERSIONS = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'] as const;
export type ReviewVersion = (typeof REVIEW_VERSIONS)[number];

const OPERATIONS = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** One request of the API server: `request` of an `AdmissionReview`. */
export interface AdmissionRequest {
  readonly version: ReviewVersion;
  readonly uid: string;
  readonly operation: Operation;
  readonly kind: Kind;
  /** Empty for the resource itself. */
  readonly subresource: string;
  readonly namespace: string;
  /** Empty when the server chooses the name. */
  readonly name: string;
  readonly dryRun: boolean;
  /** Absent for DELETE. */
  readonly object: Readonly<Record<string, unknown>> | undefined;
  /** Absent for CREATE. */
  readonly oldObject: Readonly<Record<string, unknown>> | undefined;
}

/** The answer, independent of the API version of the request. */
export interface AdmissionAnswer {
  readonly allowed: boolean;
  /** For a refusal: HTTP status, reason and message for the client. */
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
  readonly warnings: readonly string[];
}

export type ParsedReview =
  | { readonly ok: true; readonly request: AdmissionRequest }
  | { readonly ok: false; readonly problem: string };

/** No resource is nested this deep. Parsing millions of brackets takes a second and hundreds of megabytes. */
const MAX_DEPTH = 500;
/** Limit on arrays, objects and their members; the API server stores no object above 1.5 MiB. */
const MAX_VALUES = 250_000;
/** Memory per object member in addition to its text, including the object; measured with many small ones. */
const BYTES_PER_VALUE = 120;

/** The estimated size of the parsed body, or why it must not be parsed. */
export type WeighedBody =
  { readonly ok: true; readonly parsedBytes: number } | { readonly ok: false; readonly problem: string };

/**
 * Counts brackets and commas outside of strings: a body of a few megabytes can take hundreds of megabytes once
 * it is parsed. The result is meaningless if the body is not JSON.
 *
 * @returns a generous estimate of the memory that the parsed body takes.
 */
export function weighBody(body: Uint8Array): WeighedBody {
  let depth = 0;
  let values = 0;
  let isInString = false;
  for (let index = 0; index < body.length; index += 1) {
    const byte = body[index];
    if (byte === 0x22) isInString = !isInString;
    else if (isInString) index += byte === 0x5c ? 1 : 0;
    else if (byte === 0x2c) values += 1;
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      values += 1;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
    if (depth > MAX_DEPTH) return problem(`the body is nested deeper than ${String(MAX_DEPTH)} levels`);
    if (values > MAX_VALUES) return problem(`the body has more than ${String(MAX_VALUES)} values`);
  }
  return { ok: true, parsedBytes: 2 * body.length + values * BYTES_PER_VALUE };
}

/**
 * Parses the body of a request of the API server. Never throws; a problem quotes only short names.
 *
 * @param body accepted by {@link weighBody}.
 */
export function parseReview(body: Uint8Array): ParsedReview {
  let review: unknown;
  try {
    review = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return problem('the body is not valid UTF-8 JSON');
  }
  if (!isRecord(review)) return problem('the body is not an AdmissionReview object');
  if (review.kind !== 'AdmissionReview') return problem('the body is not of kind AdmissionReview');
  const version = REVIEW_VERSIONS.find((known) => known === review.apiVersion);
  if (version === undefined) {
    return problem(`apiVersion must be one of ${REVIEW_VERSIONS.join(', ')}`);
  }
  const { request } = review;
  if (!isRecord(request)) return problem('the AdmissionReview has no request');
  return parseRequest(version, request);
}

/** The body that answers a review. */
export function answerBody(
  { version, uid }: Pick<AdmissionRequest, 'version' | 'uid'>,
  { allowed, status, warnings }: AdmissionAnswer,
): string {
  return JSON.stringify({
    kind: 'AdmissionReview',
    apiVersion: version,
    response: {
      uid,
      allowed,
      ...(status === undefined ? {} : { status: { metadata: {}, status: 'Failure', ...status } }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  });
}

function parseRequest(version: ReviewVersion, request: Readonly<Record<string, unknown>>): ParsedReview {
  const { uid } = request;
  if (typeof uid !== 'string' || uid === '' || uid.length > 253) return problem('request.uid is missing');
  const operation = OPERATIONS.find((known) => known === request.operation);
  if (operation === undefined) return problem(`request.operation must be one of ${OPERATIONS.join(', ')}`);
  const kind = kindOf(request.kind);
  if (kind === undefined) {
    return problem(
      `request.kind is not one of ${SECRET_KIND}, ${PARTIAL_KIND} of ${GROUP}: ` +
        'correct the rules of the ValidatingWebhookConfiguration',
    );
  }
  const object = isRecord(request.object) ? request.object : undefined;
  if (object === undefined && (operation === 'CREATE' || operation === 'UPDATE')) {
    return problem(`request.object is missing: ${operation} requires it`);
  }
  return {
    ok: true,
    request: {
      version,
      uid,
      operation,
      kind,
      subresource: text(request.subResource),
      namespace: text(request.namespace),
      name: text(request.name) || generatedName(object),
      dryRun: request.dryRun === true,
      object,
      oldObject: isRecord(request.oldObject) ? request.oldObject : undefined,
    },
  };
}

function kindOf(kind: unknown): Kind | undefined {
  if (!isRecord(kind) || kind.group !== GROUP) return undefined;
  return ([SECRET_KIND, PARTIAL_KIND] as const).find((known) => known === kind.kind);
}

/** With `generateName`, the server has not chosen the name yet. */
function generatedName(object: Readonly<Record<string, unknown>> | undefined): string {
  const metadata = object?.metadata;
  if (!isRecord(metadata)) return '';
  return text(metadata.name) || (text(metadata.generateName) === '' ? '' : `${text(metadata.generateName)}…`);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function problem(what: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem: what };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `KMSVaultSecret default/web`, for messages. */
export function titleOf({ kind, namespace, name }: AdmissionRequest): string {
  const shown = printable(name) === '' ? '(name not generated yet)' : printable(name);
  return `${kind} ${namespace === '' ? '' : `${printable(namespace)}/`}${shown}`;
}
