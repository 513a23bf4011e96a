import type { ChartObject } from './chart-object.js';
import { addLines, addTo } from './rules.js';
import { at, baseValue, ensure, field, lines, type Member, nameOf, text, type Tree } from './tree.js';

const OPERATOR = 'kms-vault-operator';
const IMAGE = /^patoarvizu\/kms-vault-operator:/;
/** Of the service account's token in the sidecar: no value changes it. */
const LOGIN_VARIABLE = /^VAULT_\w+_(ROLE|ENDPOINT|AUTH_ENDPOINT)$/;

/** The values that concern pods: those of the operator, or those of the webhook, and their containers. */
export function podRules({ name, tree }: ChartObject): void {
  const isOperator = name === OPERATOR;
  const values = isOperator ? '$v' : '$v.validatingWebhook';
  const spec = required(tree, 'spec');
  const template = required(tree, 'spec', 'template');
  const pod = required(tree, 'spec', 'template', 'spec');

  const replicas = at(spec, 'replicas');
  if (replicas !== undefined)
    replicas.value = { type: 'override', by: `${values}.replicas`, inner: replicas.value };
  addTo(
    required(template, 'metadata'),
    'annotations',
    'map',
    `(default $v.global.podAnnotations ${values}.podAnnotations)`,
    ['kubectl.kubernetes.io/default-container'],
  );
  addTo(required(template, 'metadata'), 'labels', 'map', `${values}.podLabels`);

  const grace = at(pod, 'terminationGracePeriodSeconds');
  if (grace !== undefined) {
    const flags = isOperator ? '$v.flags' : '(merge dict $v.validatingWebhook.flags $v.flags)';
    grace.value = text(
      `{{ include "kms-vault-operator.graceSeconds" (list ${flags} ${String(baseValue(grace.value))}) }}`,
    );
  }
  for (const key of ['nodeSelector', 'tolerations'] as const)
    addTo(pod, key, key === 'nodeSelector' ? 'map' : 'list', `${values}.${key}`);
  addTo(pod, 'imagePullSecrets', 'list', '$v.imagePullSecrets');
  affinityRule(pod, `${values}.affinity`);
  if (pod.type === 'map')
    pod.members.push(
      lines(`{{- with ${values}.priorityClassName }}`, 'priorityClassName: {{ . | quote }}', '{{- end }}'),
    );

  const containers = at(pod, 'containers')?.value;
  if (containers?.type !== 'list') throw new Error(`${name}: no containers`);
  for (const { value } of containers.members) containerRules(value);
  if (isOperator) addTo(pod, 'volumes', 'list', '$v.volumes');
  volumeRules(pod);
}

function required(tree: Tree, ...path: readonly string[]): Tree {
  const found = at(tree, ...path);
  if (found === undefined) throw new Error(`no ${path.join('.')}`);
  return found.value;
}

/** One of the user replaces that of the manifests. */
function affinityRule(pod: Tree, value: string): void {
  const found = field(pod, 'affinity');
  if (found === undefined) addTo(pod, 'affinity', 'map', value);
  else {
    if (found.when.length > 0) found.when.push(value);
    const inner = found.value;
    found.value = { type: 'override', by: value, inner };
  }
}

function containerRules(container: Tree): void {
  const isOperator = nameOf(container) === OPERATOR;
  const values = isOperator ? '$v' : '$v.validatingWebhook';
  set(
    field(container, 'image'),
    IMAGE,
    `{{ include "kms-vault-operator.image" (list $ ${values}.imageVersion) | quote }}`,
  );
  set(
    field(container, 'imagePullPolicy'),
    /./,
    `{{ default $v.global.imagePullPolicy ${values}.imagePullPolicy }}`,
  );
  const resources = field(container, 'resources');
  if (resources !== undefined)
    resources.value = {
      type: 'override',
      by: `(default $v.global.resources ${values}.resources)`,
      inner: resources.value,
    };
  const lifecycle = field(container, 'lifecycle');
  if (lifecycle !== undefined) lifecycle.when.push('include "kms-vault-operator.canSleep" $');

  const env = ensure(container, 'env', 'list');
  if (env.type === 'list') for (const { value } of env.members) variableRules(value);
  if (isOperator) addLines(env, '$v.authMethodVariables');
  addLines(env, '$v.aws.iamCredentialsSecrets');
  addLines(env, `${values}.env`);
  argumentRules(container, isOperator);
  if (isOperator) addTo(container, 'volumeMounts', 'list', '$v.volumeMounts');
  mountRules(container);
}

function set(one: Member | undefined, pattern: RegExp, content: string): void {
  if (one !== undefined && pattern.test(String(baseValue(one.value)))) one.value = text(content);
}

/** Variables of the manifests whose value is a value of the chart. */
function variableRules(variable: Tree): void {
  const name = String(nameOf(variable));
  const value = field(variable, 'value');
  const given: Readonly<Record<string, string>> = {
    AWS_REGION: '{{ $v.aws.region | quote }}',
    VAULT_ADDR: '{{ $v.vault.address | quote }}',
    VAULT_SKIP_VERIFY: '{{ include "kms-vault-operator.skipVerify" $ | quote }}',
    VAULT_CACERT: '{{ printf "%s/%s" $v.tls.mountPath $v.tls.certFileName | quote }}',
  };
  const login = LOGIN_VARIABLE.exec(name);
  const known = given[name];
  if (known !== undefined) set(value, /./, known);
  else if (login !== null && value !== undefined) {
    const of = login[1] === 'ROLE' ? 'role' : 'endpoint';
    set(value, /./, `{{ default "${String(baseValue(value.value))}" $v.auth.${of} | quote }}`);
  }
  const secret = at(variable, 'valueFrom', 'secretKeyRef', 'name');
  if (secret !== undefined) secretRule(secret);
}

function secretRule(secret: Member): void {
  set(
    secret,
    /^kms-vault-operator-/,
    `{{ default "${String(baseValue(secret.value))}" $v.auth.secretName | quote }}`,
  );
}

function argumentRules(container: Tree, isOperator: boolean): void {
  const args = ensure(container, 'args', 'list');
  if (args.type !== 'list') throw new Error('the arguments are no list');
  for (const one of args.members) {
    set(
      one,
      /^--vault-authentication-method=/,
      '{{ printf "--vault-authentication-method=%s" $v.vaultAuthenticationMethod | quote }}',
    );
    set(
      one,
      /^--watch-namespace=/,
      '{{ join "," $v.watchNamespaces | printf "--watch-namespace=%s" | quote }}',
    );
    for (const [flag, file] of [
      ['cert', 'certFileName'],
      ['key', 'privateKeyFileName'],
    ] as const) {
      const tls = '$v.validatingWebhook.tls';
      set(
        one,
        new RegExp(`^-tls-${flag}-file=`),
        `{{ printf "-tls-${flag}-file=%s/%s" ${tls}.mountPath ${tls}.${file} | quote }}`,
      );
    }
  }
  if (isOperator) {
    const period = 'int64 $v.syncPeriodSeconds';
    args.members.push(
      lines(
        '{{- if not (kindIs "invalid" $v.syncPeriodSeconds) }}',
        `- --sync-period-seconds={{ ${period} }}`,
        '{{- end }}',
      ),
    );
  }
  const flags = `include "kms-vault-operator.${isOperator ? 'operator' : 'webhook'}Flags" $`;
  args.members.push(lines(`{{- with ${flags} }}`, '{{- . | trim | nindent @ }}', '{{- end }}'));
}

function mountRules(container: Tree): void {
  const mounts = field(container, 'volumeMounts')?.value;
  if (mounts?.type !== 'list') return;
  for (const { value } of mounts.members) {
    const path = field(value, 'mountPath');
    if (nameOf(value) === 'vault-ca') set(path, /./, '{{ $v.tls.mountPath | quote }}');
    if (nameOf(value) === 'tls') set(path, /./, '{{ $v.validatingWebhook.tls.mountPath | quote }}');
  }
}

function volumeRules(pod: Tree): void {
  const volumes = field(pod, 'volumes')?.value;
  if (volumes?.type !== 'list') return;
  for (const { value } of volumes.members) {
    if (value.type !== 'map') continue;
    const secret = at(value, 'secret', 'secretName');
    if (nameOf(value) === 'vault-ca') {
      const source = value.members.findIndex(({ key }) => key === 'configMap');
      value.members[source] = lines(
        '{{- if $v.tls.secretName }}',
        'secret:',
        '  secretName: {{ $v.tls.secretName | quote }}',
        '{{- else }}',
        'configMap:',
        '  name: {{ $v.tls.configMapName | quote }}',
        '{{- end }}',
      );
    } else if (nameOf(value) === 'metrics-tls') {
      set(secret, /./, '{{ $v.metrics.secretName | quote }}');
    } else if (nameOf(value) === 'tls') {
      const own =
        '(ternary "kms-vault-validating-webhook" $v.validatingWebhook.tls.secretName $f.certManager)';
      set(secret, /./, `{{ ${own} | quote }}`);
    } else if (secret !== undefined) secretRule(secret);
    const token = at(value, 'projected', 'sources', 0, 'serviceAccountToken', 'audience');
    if (token !== undefined)
      set(token, /./, `{{ default "${String(baseValue(token.value))}" $v.auth.audience | quote }}`);
  }
}
