import { count, flag, mapOfStrings, name, part, string, type ValueGroup, variables } from './value.js';

const PULL_POLICY = { enum: ['', 'Always', 'IfNotPresent', 'Never'] };
const AT = 'validatingWebhook';
/** As Go reads it. */
const DURATION = { pattern: '^([0-9]+([.][0-9]+)?(h|m|s|ms|us|µs|ns))+$' };

/** What concerns the admission webhook. */
export function webhookValues(): ValueGroup[] {
  return [
    {
      heading: 'Admission webhook',
      values: [
        flag(
          `${AT}.enabled`,
          'Deploy the admission webhook. Without, the other values of `validatingWebhook` mean nothing.',
          false,
        ),
        flag(
          `${AT}.sidecar`,
          'Run it in the pods of the operator instead of a Deployment of its own.',
          false,
        ),
        count(`${AT}.replicas`, 'Number of pods; empty: 2. Not for a sidecar.', 0),
        string(
          `${AT}.failurePolicy`,
          '`Fail`: while the webhook is down, no change is stored. `Ignore`: it is stored unchecked.',
          'Fail',
          {
            enum: ['Fail', 'Ignore'],
          },
        ),
        count(`${AT}.timeoutSeconds`, 'How long the API server waits for an answer; empty: 10.', 1, {
          maximum: 30,
        }),
        part(
          `${AT}.namespaceSelectorExpressions`,
          'Label selector expressions of the namespaces that are checked.',
          'array',
          [{ key: 'kms-vault-operator', operator: 'DoesNotExist' }],
          ['key', 'operator'],
        ),
        {
          path: `${AT}.flags`,
          description:
            'Further flags of the webhook without dashes, such as `on-kms-error: allow`; they take precedence over `flags`.',
          default: {},
          schema: { $ref: '#/definitions/webhookFlags' },
        },
        variables(`${AT}.env`, 'Further variables of the webhook, such as `HTTPS_PROXY`.'),
      ],
    },
    {
      heading: 'Certificate of the webhook',
      values: [
        flag(
          `${AT}.certManager.injectSecret`,
          'Let cert-manager make the certificate, and inject its authority into the configuration.',
          true,
        ),
        string(
          `${AT}.certManager.issuerRef.name`,
          'An issuer of your own; empty: the chart makes an authority that signs only this certificate.',
        ),
        string(`${AT}.certManager.issuerRef.kind`, 'Kind of your own issuer.', 'ClusterIssuer'),
        string(`${AT}.certManager.issuerRef.group`, 'API group of your own issuer.', 'cert-manager.io'),
        string(`${AT}.certManager.duration`, 'Lifetime of the certificate.', '2160h', DURATION),
        string(`${AT}.certManager.renewBefore`, 'It is renewed so long before its end.', '720h', DURATION),
        string(
          `${AT}.certManager.apiVersion`,
          'Only `cert-manager.io/v1`, which cert-manager serves since 1.0.',
          'cert-manager.io/v1',
        ),
        name(
          `${AT}.tls.secretName`,
          'Secret with the certificate, without cert-manager. With cert-manager, the Secret is `kms-vault-validating-webhook`.',
          'kms-vault-validating-webhook',
        ),
        name(`${AT}.tls.certFileName`, 'Key of the certificate in the Secret.', 'tls.crt'),
        name(`${AT}.tls.privateKeyFileName`, 'Key of the private key in the Secret.', 'tls.key'),
        name(`${AT}.tls.mountPath`, 'Where the Secret is mounted.', '/tls'),
        string(
          `${AT}.caBundle`,
          'Authority of the certificate, PEM in base64, where cert-manager does not inject it. `Cg==` counts as empty.',
        ),
      ],
    },
    {
      heading: 'Pods of the webhook',
      text: 'Not for a sidecar, except for the image and the resources.',
      values: [
        string(`${AT}.imageVersion`, 'Tag of the image of the webhook; empty: `global.imageVersion`.'),
        string(
          `${AT}.imagePullPolicy`,
          'Pull policy of the webhook; empty: `global.imagePullPolicy`.',
          '',
          PULL_POLICY,
        ),
        part(
          `${AT}.resources`,
          'Requests and limits of the webhook; empty: `global.resources`, else those of the manifests.',
          'object',
        ),
        mapOfStrings(`${AT}.podAnnotations`, 'Annotations of its pods, instead of `global.podAnnotations`.'),
        mapOfStrings(`${AT}.podLabels`, 'Further labels of its pods.'),
        mapOfStrings(`${AT}.nodeSelector`, 'Labels of the nodes.'),
        part(`${AT}.tolerations`, 'Tolerated taints.', 'array'),
        part(`${AT}.affinity`, 'Affinity.', 'object'),
        string(`${AT}.priorityClassName`, 'Priority class.'),
        flag(
          `${AT}.serviceAccount.create`,
          'Create the service account of the webhook, which has no role.',
          true,
        ),
        string(`${AT}.serviceAccount.name`, 'Its name.', 'kms-vault-validating-webhook', { minLength: 1 }),
        mapOfStrings(
          `${AT}.serviceAccount.annotations`,
          'Its annotations, such as `eks.amazonaws.com/role-arn`.',
        ),
        part(
          `${AT}.networkPolicy.extraEgress`,
          'With `networkPolicy.enabled`: further rules for its outgoing traffic, such as a proxy.',
          'array',
        ),
        flag(`${AT}.prometheusMonitoring.enable`, 'A ServiceMonitor of the webhook.', false),
        mapOfStrings(
          `${AT}.prometheusMonitoring.serviceMonitor.customLabels`,
          'Further labels of the ServiceMonitor of the webhook, instead of the global ones.',
        ),
      ],
    },
  ];
}
