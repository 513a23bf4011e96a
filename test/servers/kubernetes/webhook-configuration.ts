import { type MatchRule, recordsOf, ruleOf, textsOf } from './admission-matching.js';
import { oneOf, required, wrong } from './field-errors.js';
import { isRecord, type KubeObject, recordAt, textAt } from './objects.js';
import type { StatusCause } from './status-errors.js';

/** The versions of `AdmissionReview` that the server speaks, in its order of preference. */
export const REVIEW_VERSIONS = ['v1', 'v1beta1'] as const;
export type ReviewVersion = (typeof REVIEW_VERSIONS)[number];

/** One entry of `webhooks` of a ValidatingWebhookConfiguration, with the defaults of the API. */
export interface Webhook {
  readonly name: string;
  readonly failurePolicy: 'Fail' | 'Ignore';
  readonly timeoutSeconds: number;
  readonly version: ReviewVersion;
  readonly rules: readonly MatchRule[];
  readonly namespaceSelector: Record<string, unknown>;
  readonly objectSelector: Record<string, unknown>;
  /** PEM; undefined: the roots of the system. */
  readonly ca: string | undefined;
  readonly url: string | undefined;
  readonly service:
    | { readonly namespace: string; readonly name: string; readonly port: number; readonly path: string }
    | undefined;
}

/** The webhooks of a stored (valid) configuration. */
export function webhooksOf(configuration: KubeObject): Webhook[] {
  return entriesOf(configuration).map((entry) => {
    const client = recordAt(entry, 'clientConfig');
    const service = recordAt(client, 'service');
    const wanted = textsOf(entry['admissionReviewVersions']);
    return {
      name: String(entry['name']),
      failurePolicy: entry['failurePolicy'] === 'Ignore' ? 'Ignore' : 'Fail',
      timeoutSeconds: Number(entry['timeoutSeconds'] ?? 10),
      // The first version in the webhook's list that the server supports.
      version: wanted.find(isKnownVersion) ?? 'v1',
      rules: recordsOf(entry['rules']).map(ruleOf),
      namespaceSelector: recordAt(entry, 'namespaceSelector'),
      objectSelector: recordAt(entry, 'objectSelector'),
      ca:
        typeof client['caBundle'] === 'string'
          ? Buffer.from(client['caBundle'], 'base64').toString()
          : undefined,
      url: typeof client['url'] === 'string' ? client['url'] : undefined,
      service: isRecord(client['service'])
        ? {
            namespace: String(service['namespace']),
            name: String(service['name']),
            port: Number(service['port'] ?? 443),
            path: textAt(service, 'path') || '/',
          }
        : undefined,
    };
  });
}

/** Validation errors of a configuration, with the messages of the API server. */
export function validateWebhooks(configuration: KubeObject): StatusCause[] {
  return entriesOf(configuration).flatMap((entry, index) => {
    const at = `webhooks[${String(index)}]`;
    return [
      ...validateName(entry['name'], at),
      ...validateClient(recordAt(entry, 'clientConfig'), at),
      ...oneOf(entry['failurePolicy'] ?? 'Fail', ['Fail', 'Ignore'], `${at}.failurePolicy`),
      ...validateSideEffects(entry['sideEffects'], at),
      ...validateVersions(entry['admissionReviewVersions'], at),
      ...validateTimeout(entry['timeoutSeconds'] ?? 10, at),
      ...validateRules(entry['rules'], at),
    ];
  });
}

function validateName(name: unknown, at: string): StatusCause[] {
  if (typeof name === 'string' && name.split('.').filter((part) => part !== '').length >= 3) return [];
  return [wrong(`${at}.name`, name, 'should be a domain with at least three segments separated by dots')];
}

function validateClient(client: Record<string, unknown>, at: string): StatusCause[] {
  if ((client['url'] === undefined) === (client['service'] === undefined)) {
    return [required(`${at}.clientConfig`, 'exactly one of url or service is required')];
  }
  if (typeof client['url'] !== 'string') return [];
  const scheme = client['url'].slice(0, Math.max(0, client['url'].indexOf(':')));
  if (scheme === 'https') return [];
  const why = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
  return [wrong(`${at}.clientConfig.url`, scheme, why)];
}

function validateSideEffects(value: unknown, at: string): StatusCause[] {
  const field = `${at}.sideEffects`;
  if (value === undefined) return [required(field, 'must specify one of None, NoneOnDryRun')];
  return oneOf(value, ['None', 'NoneOnDryRun'], field);
}

function validateVersions(value: unknown, at: string): StatusCause[] {
  const field = `${at}.admissionReviewVersions`;
  const versions = textsOf(value);
  if (versions.length === 0) return [required(field, 'must specify one of v1, v1beta1')];
  if (versions.some(isKnownVersion)) return [];
  return [wrong(field, versions, 'must include at least one of v1, v1beta1')];
}

function validateTimeout(value: unknown, at: string): StatusCause[] {
  if (typeof value === 'number' && value >= 1 && value <= 30) return [];
  return [wrong(`${at}.timeoutSeconds`, value, 'the timeout value must be between 1 and 30 seconds')];
}

function validateRules(rules: unknown, at: string): StatusCause[] {
  return recordsOf(rules).flatMap((rule, index) =>
    ['operations', 'apiGroups', 'apiVersions', 'resources']
      .filter((field) => textsOf(rule[field]).length === 0)
      .map((field) => required(`${at}.rules[${String(index)}].${field}`)),
  );
}

function entriesOf(configuration: KubeObject): Record<string, unknown>[] {
  return recordsOf(configuration['webhooks']);
}

function isKnownVersion(version: string): version is ReviewVersion {
  return REVIEW_VERSIONS.some((known) => known === version);
}
