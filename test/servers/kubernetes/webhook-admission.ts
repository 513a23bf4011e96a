import { randomUUID } from 'node:crypto';

import type { Admission, AdmissionRequest } from './admission.js';
import { NAMESPACE_PLACE } from './kinds.js';
import { isRecord, type KubeObject, recordAt, textAt } from './objects.js';
import { ApiError, invalid, type StatusCause } from './status-errors.js';
import type { Storage } from './storage.js';
import { callWebhook, WebhookCallFailed } from './webhook-call.js';
import { validateWebhooks, type Webhook, type WebhookRule, webhooksOf } from './webhook-configuration.js';

const ADMISSION_GROUP = 'admissionregistration.k8s.io';
const VALIDATING_PLACE = `${ADMISSION_GROUP}/validatingwebhookconfigurations`;

/**
 * Admission by the stored ValidatingWebhookConfigurations: every webhook whose rules and selectors match
 * is called over TLS, all at the same time; the first refusal counts. A rule matches the version that the
 * client used (as `matchPolicy: Exact`); no kind with webhooks has two versions here.
 */
export function webhookAdmission(): (storage: Storage) => Admission {
  return (storage) => async (request) => {
    if (request.kind.group === ADMISSION_GROUP) {
      // Webhook configurations are exempt: otherwise a broken webhook could never be removed.
      checkConfiguration(request);
      return [];
    }
    const matching = storage
      .list(VALIDATING_PLACE)
      .flatMap(webhooksOf)
      .filter((webhook) => matches(webhook, request, storage));
    const outcomes = await Promise.allSettled(matching.map((webhook) => ask(webhook, request)));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
  };
}

function checkConfiguration({ kind, object, name }: AdmissionRequest): void {
  if (object === undefined) return;
  const causes = validateWebhooks(object);
  if (causes.length > 0) throw invalid(kind, name, causes);
}

async function ask(webhook: Webhook, request: AdmissionRequest): Promise<readonly string[]> {
  const uid = randomUUID();
  try {
    const apiVersion = `admission.k8s.io/${webhook.version}`;
    const review = { kind: 'AdmissionReview', apiVersion, request: bodyOf(request, uid) };
    const response = responseOf(await callWebhook(webhook, review), uid, apiVersion);
    if (response['allowed'] === true) return warningsOf(response);
    throw denial(webhook, recordAt(response, 'status'));
  } catch (error) {
    if (!(error instanceof WebhookCallFailed)) throw error;
    if (webhook.failurePolicy === 'Ignore') return [];
    const message = `failed calling webhook "${webhook.name}": ${error.message}`;
    throw new ApiError(500, 'InternalError', `Internal error occurred: ${message}`, {
      causes: [{ message } as StatusCause],
    });
  }
}

function bodyOf(request: AdmissionRequest, uid: string): Record<string, unknown> {
  const { group, version, kind, plural } = request.kind;
  const resource = { group, version, resource: plural };
  const subresource = request.subresource === '' ? {} : { subResource: request.subresource };
  const { user, groups, uid: userUid, extra } = request.user;
  const verb = request.operation.charAt(0) + request.operation.slice(1).toLowerCase();
  return {
    uid,
    kind: { group, version, kind },
    resource,
    ...subresource,
    requestKind: { group, version, kind },
    requestResource: resource,
    ...(request.subresource === '' ? {} : { requestSubResource: request.subresource }),
    name: request.name,
    ...(request.namespace === '' ? {} : { namespace: request.namespace }),
    operation: request.operation,
    userInfo: {
      username: user,
      ...(userUid === undefined ? {} : { uid: userUid }),
      groups,
      ...(extra === undefined ? {} : { extra }),
    },
    object: request.object ?? null,
    oldObject: request.oldObject ?? null,
    dryRun: request.dryRun,
    options: { kind: `${verb}Options`, apiVersion: 'meta.k8s.io/v1' },
  };
}

function responseOf(text: string, uid: string, apiVersion: string): Record<string, unknown> {
  let review: unknown;
  try {
    review = JSON.parse(text);
  } catch {
    throw new WebhookCallFailed("failed to call webhook: couldn't get version/kind; json parse error");
  }
  if (textAt(review, 'apiVersion') !== apiVersion || textAt(review, 'kind') !== 'AdmissionReview') {
    throw unusable(
      `expected webhook response of ${apiVersion}, Kind=AdmissionReview, got ${textAt(review, 'apiVersion')}, Kind=${textAt(review, 'kind')}`,
    );
  }
  const response = isRecord(review) ? review['response'] : undefined;
  if (!isRecord(response)) throw unusable('response is absent');
  if (response['uid'] !== uid) {
    throw unusable(`expected response.uid="${uid}", got "${textAt(response, 'uid')}"`);
  }
  return response;
}

function unusable(why: string): WebhookCallFailed {
  return new WebhookCallFailed(`received invalid webhook response: ${why}`);
}

function denial({ name }: Webhook, status: Record<string, unknown>): ApiError {
  const { message, reason, code, details } = status;
  const why = [message, reason].find((text): text is string => typeof text === 'string' && text !== '');
  const text = `admission webhook "${name}" denied the request${why === undefined ? ' without explanation' : `: ${why}`}`;
  return new ApiError(
    typeof code === 'number' && code > 0 ? code : 400,
    typeof reason === 'string' ? reason : '',
    text,
    isRecord(details) ? details : undefined,
  );
}

function warningsOf(response: Record<string, unknown>): string[] {
  const { warnings } = response;
  return Array.isArray(warnings) ? warnings.filter((one): one is string => typeof one === 'string') : [];
}

function matches(webhook: Webhook, request: AdmissionRequest, storage: Storage): boolean {
  return (
    webhook.rules.some((rule) => ruleMatches(rule, request)) &&
    namespaceMatches(webhook, request, storage) &&
    [request.object, request.oldObject].some(
      (object) => object !== undefined && selects(webhook.objectSelector, object.metadata.labels ?? {}),
    )
  );
}

function ruleMatches(rule: WebhookRule, { kind, subresource, operation }: AdmissionRequest): boolean {
  const has = (list: readonly string[], value: string): boolean => list.includes('*') || list.includes(value);
  if (!has(rule.operations, operation)) return false;
  if (!has(rule.apiGroups, kind.group) || !has(rule.apiVersions, kind.version)) return false;
  if (rule.scope !== '*' && (rule.scope === 'Namespaced') !== kind.namespaced) return false;
  return rule.resources.some((pattern) => {
    const [resource = '', sub = ''] = pattern.split('/');
    if (resource !== '*' && resource !== kind.plural) return false;
    return sub === '*' || sub === subresource;
  });
}

/** A cluster-scoped object matches no namespace selector, except a Namespace, which matches by its own labels. */
function namespaceMatches(
  { namespaceSelector }: Webhook,
  { kind, namespace, object, oldObject }: AdmissionRequest,
  storage: Storage,
): boolean {
  if (kind.place === NAMESPACE_PLACE) {
    return selects(namespaceSelector, (object ?? oldObject)?.metadata.labels ?? {});
  }
  if (!kind.namespaced) return true;
  const found: KubeObject | undefined = storage.get(NAMESPACE_PLACE, '', namespace);
  return selects(namespaceSelector, found?.metadata.labels ?? {});
}

/** A `metav1.LabelSelector`; an empty one selects everything. */
function selects(selector: Record<string, unknown>, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(recordAt(selector, 'matchLabels'));
  if (wanted.some(([key, value]) => !Object.hasOwn(labels, key) || labels[key] !== value)) return false;
  const expressions: unknown = selector['matchExpressions'];
  return (Array.isArray(expressions) ? expressions : []).every((expression: unknown) => {
    const key = textAt(expression, 'key');
    const present = Object.hasOwn(labels, key);
    const values = isRecord(expression) && Array.isArray(expression['values']) ? expression['values'] : [];
    switch (textAt(expression, 'operator')) {
      case 'In':
        return present && values.includes(labels[key]);
      case 'NotIn':
        return !present || !values.includes(labels[key]);
      case 'Exists':
        return present;
      case 'DoesNotExist':
        return !present;
      default:
        return false;
    }
  });
}
