import { randomUUID } from 'node:crypto';

import { type Admission, type AdmissionRequest, reviewedRequest } from './admission.js';
import { ADMISSION_GROUP, ruleMatches, selectorsMatch } from './admission-matching.js';
import { isRecord, recordAt, textAt } from './objects.js';
import { ApiError, invalid, type StatusCause } from './status-errors.js';
import type { Storage } from './storage.js';
import { callWebhook, WebhookCallFailed } from './webhook-call.js';
import { validateWebhooks, type Webhook, webhooksOf } from './webhook-configuration.js';

const VALIDATING_PLACE = `${ADMISSION_GROUP}/validatingwebhookconfigurations`;

/**
 * Admission by the stored ValidatingWebhookConfigurations: every webhook whose rules and selectors match
 * is called over TLS, all at the same time; the first refusal counts. A rule matches the version that the
 * client used (as `matchPolicy: Exact`); no kind with webhooks has two versions here.
 */
export function webhookAdmission(): (storage: Storage) => Admission {
  return (storage) => async (request) => {
    if (request.kind.group === ADMISSION_GROUP) {
      // Webhook configurations and policies are exempt: otherwise a broken webhook could never be removed.
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
    const review = { kind: 'AdmissionReview', apiVersion, request: { uid, ...reviewedRequest(request) } };
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
    webhook.rules.some((rule) => ruleMatches(rule, request)) && selectorsMatch(webhook, request, storage)
  );
}
