// Run by `helm test` in the image of the operator, with the account of the operator. Prints one line for each check, and exits
// with 1 if one failed.
import { readFileSync } from 'node:fs';
import { request } from 'node:https';

const { env } = process;
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const KINDS = ['kmsvaultsecrets', 'partialkmsvaultsecrets'];

/** Answers with status and JSON body, whatever the status. */
function call(url, { method = 'GET', headers = {}, body, rejectUnauthorized = true } = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, rejectUnauthorized, timeout: 10_000 }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () => {
        try {
          resolve({ status: answer.statusCode, json: JSON.parse(text) });
        } catch {
          resolve({ status: answer.statusCode, json: {} });
        }
      });
      answer.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')));
    sent.on('error', reject);
    sent.end(body);
  });
}

async function list(kind, namespace) {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env;
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const place = namespace === '' ? '' : `namespaces/${namespace}/`;
  const authorization = `Bearer ${readFileSync(env.TOKEN_FILE ?? ACCOUNT, 'utf8').trim()}`;
  const url = `${server}/apis/k8s.patoarvizu.dev/v1alpha1/${place}${kind}?limit=500`;
  const { status, json } = await call(url, { headers: { authorization } });
  if (status !== 200) throw new Error(`HTTP ${status}: ${json.message ?? 'no message'}`);
  const ready = json.items.filter((item) =>
    item.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'),
  );
  const more = json.metadata?.continue ? ' of the first 500' : '';
  return kind === KINDS[0]
    ? `${ready.length} of ${json.items.length} Ready${more}`
    : `${json.items.length} found`;
}

/** A resource without a path: the webhook needs no KMS to refuse it. */
async function refusal() {
  const object = {
    apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
    kind: 'KMSVaultSecret',
    metadata: { name: 'helm-test', namespace: 'default' },
    spec: { path: '../helm-test', kvSettings: { engineVersion: 'v2' } },
  };
  const review = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'helm-test',
      kind: { group: 'k8s.patoarvizu.dev', version: 'v1alpha1', kind: 'KMSVaultSecret' },
      resource: { group: 'k8s.patoarvizu.dev', version: 'v1alpha1', resource: 'kmsvaultsecrets' },
      name: 'helm-test',
      namespace: 'default',
      operation: 'CREATE',
      userInfo: {},
      object,
      dryRun: true,
    },
  };
  // The authority of the webhook is that of its configuration, which only the API server knows. Nothing secret is sent.
  const { status, json } = await call(env.WEBHOOK, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(review),
    rejectUnauthorized: false,
  });
  if (status !== 200 || json.response?.allowed !== false)
    throw new Error(`HTTP ${status}, and it did not refuse a wrong path`);
  return 'refuses a wrong path';
}

const namespaces = env.NAMESPACES === '' ? [''] : env.NAMESPACES.split(',');
const checks = namespaces.flatMap((namespace) =>
  KINDS.map((kind) => [`${kind}${namespace === '' ? '' : ` in ${namespace}`}`, () => list(kind, namespace)]),
);
if (env.WEBHOOK !== '') checks.push(['webhook', refusal]);
for (const [name, check] of checks) {
  try {
    console.log(`ok: ${name}: ${await check()}`);
  } catch (error) {
    console.log(`FAILED: ${name}: ${error.message}`);
    process.exitCode = 1;
  }
}
