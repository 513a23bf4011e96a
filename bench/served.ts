import { startKmsServer } from '../test/servers/kms/server.js';
import { startKubernetesServer } from '../test/servers/kubernetes/server.js';
import { TestAuthority } from '../test/servers/shared/certificates.js';
import type { Faults } from '../test/servers/shared/faults.js';
import type { RequestLog } from '../test/servers/shared/request-log.js';
import { startVaultServer } from '../test/servers/vault/server.js';
import { pass } from './measured-program.js';
import type { Command, Commands, Counts, Introduction, Question, ServerKind } from './server-process.js';

/** How exactly the arrival of a value is seen. */
const AWAIT_MS = 1;

type Answers = {
  [C in Command]?: (ask: Commands[C]['ask']) => Commands[C]['answer'] | Promise<Commands[C]['answer']>;
};

/** The other side of a {@link ServerProcess}. */
export async function serve(kind: ServerKind): Promise<void> {
  const { introduction, answers } = await servers[kind]();
  process.on('message', ({ id, command, ask }: Question) => {
    const answer = answers[command] as ((ask: unknown) => unknown) | undefined;
    if (answer === undefined) throw new Error(`the ${kind} server is not told to ${command}`);
    void Promise.resolve(answer(ask)).then((given) => process.send?.({ id, answer: given ?? null }));
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.(introduction);
}

interface Served {
  readonly introduction: Introduction;
  readonly answers: Answers;
}

const servers: Readonly<Record<ServerKind, () => Promise<Served>>> = {
  kms: async () => {
    const authority = await TestAuthority.create('loopback KMS');
    const kms = await startKmsServer({ tls: await authority.issue() });
    return {
      introduction: { url: kms.url, ca: authority.cert },
      answers: {
        ...logged(kms.requests),
        latency: ({ ms }) => {
          kms.latencyMs = ms;
          return null;
        },
        quota: ({ perSecond }) => {
          kms.quotaPerSecond = perSecond;
          kms.requests.clear();
          return null;
        },
      },
    };
  },
  vault: async () => {
    const vault = await startVaultServer();
    const valuesOf = (name: string): ReadonlyMap<string, string> | undefined => {
      const secret = vault.kvV2('secret').secrets.get(name);
      return secret === undefined
        ? vault.kvV1('kv').secrets.get(name)
        : secret.versions.get(secret.current)?.data;
    };
    return {
      introduction: { url: vault.url, rootToken: vault.rootToken },
      answers: {
        ...logged(vault.requests),
        latency: delaying(vault.faults),
        holding: ({ edition }) =>
          [vault.kvV1('kv'), vault.kvV2('secret')]
            .flatMap(({ secrets }) => [...secrets.keys()])
            .filter((name) => holds(valuesOf(name), edition)).length,
        awaited: async ({ name, edition }) => {
          while (!holds(valuesOf(name), edition)) await pass(AWAIT_MS);
          return performance.timeOrigin + performance.now();
        },
      },
    };
  },
  kubernetes: async () => {
    const kubernetes = await startKubernetesServer();
    return {
      introduction: { url: kubernetes.url, kubeconfig: kubernetes.adminKubeconfig() },
      answers: logged(kubernetes.requests),
    };
  },
};

function logged(log: RequestLog): Answers {
  return {
    clear: () => {
      log.clear();
      return null;
    },
    counts: () => countsOf(log),
  };
}

function countsOf(log: RequestLog): Counts {
  const operations: Record<string, number> = {};
  const paths = new Set<string>();
  for (const { operation, url } of log.all) {
    operations[operation] = (operations[operation] ?? 0) + 1;
    if (/^\/v1\/(?:secret\/data|kv)\//.test(url)) paths.add(url);
  }
  return {
    atMs: performance.now(),
    requests: log.all.length,
    served: log.count(({ status }) => status === 200),
    throttled: log.count(({ status }) => status === 400),
    operations,
    paths: paths.size,
  };
}

function delaying(faults: Faults): (ask: { readonly ms: number }) => null {
  let lift = (): void => undefined;
  return ({ ms }) => {
    lift();
    if (ms > 0) lift = faults.inject({ matches: () => true, action: { kind: 'delay', ms } });
    return null;
  };
}

/** Members are raw JSON. */
function holds(data: ReadonlyMap<string, string> | undefined, edition: string): boolean {
  if (data === undefined || data.size === 0) return false;
  for (const value of data.values()) if (!value.startsWith(`"${edition} of `)) return false;
  return true;
}
