import {
  count,
  flag,
  mapOfStrings,
  name,
  namespaces,
  part,
  string,
  type ValueGroup,
  variables,
} from './value.js';

const PULL_POLICY = { enum: ['', 'Always', 'IfNotPresent', 'Never'] };

/** What concerns the operator, or both programs. */
export function operatorValues(authMethods: readonly string[]): ValueGroup[] {
  return [
    {
      heading: 'Vault',
      values: [
        string('vault.address', 'URL of Vault.', 'https://vault:8200'),
        string(
          'vaultAuthenticationMethod',
          'How the operator logs in to Vault. What each method needs in Vault: docs/vault.md.',
          'k8s',
          { enum: authMethods },
        ),
        variables(
          'authMethodVariables',
          'Variables of the login method, each with `name` and `value` or `valueFrom`. With any variable here, the chart sets ' +
            'none itself. Without, it sets those of the kustomize component of the method, with the values of `auth`.',
        ),
        string(
          'auth.secretName',
          'Secret with the credentials; empty: `kms-vault-operator-<method>`. The keys are those of the component `auth-<method>`.',
        ),
        string(
          'auth.role',
          'Role in Vault for `jwt`, `iam` and `cert`, and for `k8s` with `auth.audience`; empty: `kms-vault-operator`.',
        ),
        string(
          'auth.endpoint',
          'Path of the login; empty: the default path of the method, such as `auth/approle/login`.',
        ),
        string(
          'auth.audience',
          'Audience of the service-account token for Vault. `k8s`: empty means the general token of the pod; set `vault` for ' +
            'a token that no other service accepts. `jwt`: empty means `vault`.',
        ),
        {
          path: 'tls.enable',
          description:
            '`true`: trust the certificate authority in `tls.secretName` or `tls.configMapName`. Empty: trust the authorities of ' +
            'the system. `false`: do **not** verify the certificate of Vault, as in the chart of the Go operator; not for production.',
          default: '',
          // Not null, which `--reuse-values` loses where the release has a value of its own.
          schema: { enum: [true, false, ''] },
        },
        string('tls.secretName', 'Secret with the certificate authority of Vault.'),
        string(
          'tls.configMapName',
          'ConfigMap with the certificate authority of Vault, instead of a Secret.',
        ),
        name('tls.certFileName', 'Key of the certificate authority in the Secret or ConfigMap.', 'ca.crt'),
        name('tls.mountPath', 'Where the Secret or ConfigMap is mounted.', '/etc/vault-ca'),
      ],
    },
    {
      heading: 'AWS',
      values: [
        string('aws.region', 'Region of KMS, as `AWS_REGION`.', 'us-east-1'),
        variables(
          'aws.iamCredentialsSecrets',
          'Variables with AWS credentials for both programs. Not needed with `serviceAccount.annotations`, ' +
            'EKS Pod Identity or `podAnnotations`.',
        ),
      ],
    },
    {
      heading: 'Operator',
      values: [
        count('replicas', 'Number of pods; empty: 2 with leader election, 1 without.', 0),
        flag(
          'leaderElection.enabled',
          'One replica writes, the others wait. Without, only one replica is possible.',
          true,
        ),
        count(
          'syncPeriodSeconds',
          'Every resource is synced at least this often; 0: only on changes; empty: 120.',
          0,
        ),
        namespaces(
          'watchNamespaces',
          'Watch only these namespaces, with a Role in each of them instead of the ClusterRole; empty: all namespaces.',
        ),
        string(
          'watchNamespace',
          'Refused unless empty: the Go operator ignored it. Use `watchNamespaces`.',
          '',
        ),
        {
          path: 'flags',
          description:
            'Further flags of the programs without dashes, such as `log-level: debug`; a list is joined by commas. A flag that ' +
            'both programs have is given to both. All flags: docs/reference.md.',
          default: {},
          schema: { $ref: '#/definitions/operatorFlags' },
        },
        variables('env', 'Further variables of the operator, such as `HTTPS_PROXY` or `VAULT_NAMESPACE`.'),
        part('volumes', 'Further volumes of the pods of the operator.', 'array', [], ['name']),
        part('volumeMounts', 'Further volume mounts of the operator.', 'array', [], ['name', 'mountPath']),
      ],
    },
    {
      heading: 'Image',
      values: [
        name(
          'image.repository',
          'Repository of the image of both programs.',
          'patoarvizu/kms-vault-operator',
        ),
        string(
          'image.digest',
          'Digest of the image, such as `sha256:…`; pins the image whatever its tag.',
          '',
          {
            pattern: '^(sha256:[0-9a-f]{64})?$',
          },
        ),
        string(
          'global.imageVersion',
          'Tag of the image of both programs; empty: the version of the chart. Versions 0.x are those of the Go operator, ' +
            'which this chart cannot run; the version of the chart is used instead.',
        ),
        string('imageVersion', 'Tag of the image of the operator; empty: `global.imageVersion`.'),
        string('global.imagePullPolicy', 'Pull policy of both programs.', 'IfNotPresent', PULL_POLICY),
        string(
          'imagePullPolicy',
          'Pull policy of the operator; empty: `global.imagePullPolicy`.',
          '',
          PULL_POLICY,
        ),
        part('imagePullSecrets', 'Secrets for the registry, each with `name`.', 'array', [], ['name']),
      ],
    },
    {
      heading: 'Pods of the operator',
      values: [
        part('global.resources', 'Requests and limits of both programs; empty: see `resources`.', 'object'),
        part(
          'resources',
          'Requests and limits of the operator; empty: `global.resources`, else those of the manifests.',
          'object',
        ),
        mapOfStrings('global.podAnnotations', 'Annotations of all pods.'),
        mapOfStrings(
          'podAnnotations',
          'Annotations of the pods of the operator, instead of `global.podAnnotations`.',
        ),
        mapOfStrings('podLabels', 'Further labels of the pods of the operator.'),
        mapOfStrings('nodeSelector', 'Labels of the nodes.'),
        part('tolerations', 'Tolerated taints.', 'array'),
        part('affinity', 'Affinity; empty: with leader election, replicas prefer different nodes.', 'object'),
        string('priorityClassName', 'Priority class.'),
        flag('podDisruptionBudget.enabled', 'A PodDisruptionBudget for each program.', true),
      ],
    },
    {
      heading: 'Service account',
      values: [
        flag('serviceAccount.create', 'Create the service account of the operator.', true),
        string(
          'serviceAccount.name',
          'Its name. Another name is another identity for Vault and AWS.',
          'kms-vault-operator',
          {
            minLength: 1,
          },
        ),
        mapOfStrings('serviceAccount.annotations', 'Its annotations, such as `eks.amazonaws.com/role-arn`.'),
        flag(
          'aggregatedRoles.enabled',
          'Rules on the resources for the roles `admin`, `edit` and `view` of the cluster.',
          true,
        ),
      ],
    },
    {
      heading: 'Custom resource definitions',
      values: [
        flag(
          'crds.enabled',
          'Install and upgrade the custom resource definitions with the chart. They, and all resources, stay when the release is ' +
            'uninstalled. `false`: they are managed elsewhere (`kubectl apply -f manifests/crds`).',
          true,
        ),
      ],
    },
    {
      heading: 'Monitoring',
      text: 'Needs the Prometheus operator.',
      values: [
        flag('global.prometheusMonitoring.enable', 'Monitoring of both programs.', false),
        mapOfStrings(
          'global.prometheusMonitoring.serviceMonitor.customLabels',
          'Further labels of all ServiceMonitors and of the PrometheusRule.',
        ),
        flag(
          'prometheusMonitoring.enable',
          'A Service for the metrics of the operator, a ServiceMonitor, alerts and a dashboard.',
          false,
        ),
        mapOfStrings(
          'prometheusMonitoring.serviceMonitor.customLabels',
          'Further labels of the ServiceMonitor of the operator and of the PrometheusRule, instead of the global ones.',
        ),
        flag('prometheusMonitoring.rules.enable', 'With monitoring: alerts as a PrometheusRule.', true),
        flag(
          'prometheusMonitoring.dashboard.enable',
          "With monitoring: a dashboard as a ConfigMap for Grafana's sidecar.",
          true,
        ),
      ],
    },
    {
      heading: 'Protected metrics',
      values: [
        flag(
          'metrics.secure',
          'Serve the metrics of the operator over TLS, to accounts that the API server allows to get `/metrics`. Bind the ' +
            'ClusterRole `kms-vault-operator-metrics-reader` to that of Prometheus.',
          false,
        ),
        name(
          'metrics.secretName',
          'Secret with the certificate for `kms-vault-operator-metrics` (`tls.crt`, `tls.key`, and `ca.crt` for Prometheus). ' +
            'Without `metrics.certManager`, make it yourself.',
          'kms-vault-operator-metrics-tls',
        ),
        flag(
          'metrics.certManager',
          'Let cert-manager issue that certificate, signed by an authority of its own.',
          false,
        ),
      ],
    },
    {
      heading: 'Admission policies',
      values: [
        flag(
          'admissionPolicy.enabled',
          'Rules that the API server checks by itself, also while the webhook is down: paths, includes, and the required ' +
            'contexts of `flags`. Needs Kubernetes 1.30.',
          false,
        ),
      ],
    },
    {
      heading: 'Network policies',
      values: [
        flag('networkPolicy.enabled', 'Allow only the traffic that the pods need.', false),
        part('networkPolicy.extraIngress', 'Further rules for incoming traffic of the operator.', 'array'),
        part(
          'networkPolicy.extraEgress',
          'Further rules for outgoing traffic of the operator, such as another port of Vault or a proxy.',
          'array',
        ),
      ],
    },
  ];
}
