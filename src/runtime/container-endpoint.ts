import { isNamed } from './error-name.js';

/** Hosts that `checkUrl` of `@aws-sdk/credential-provider-http` takes over plain HTTP: ECS, EKS and this machine. */
const PLAIN_HTTP = /^(?:169\.254\.170\.(?:2|23)|\[fd00:ec2::23\]|\[::1\]|localhost|127(?:\.\d{1,3}){3})$/;
/** As the SDK waits for it. */
const TIMEOUT_MS = 1_000;
/** `pkg/errors/errors.go` of the EKS Pod Identity Agent: the id of the request, and the error of EKS Auth. */
const AGENT_ERROR = /^(?:\[[^\]]*\]: )?\(([A-Za-z]+Exception)\): /;

/**
 * The credentials endpoint of the container gives no credentials. The message has its host and, if there is one, the
 * name of its error, and nothing else of the answer.
 */
export class ContainerEndpointError extends Error {
  constructor(
    /** `host` or `host:port`. */
    readonly host: string,
    /** Its status and the name of its error, or the code of a network error. */
    readonly answer: { readonly status: number; readonly errorName?: string } | { readonly code: string },
  ) {
    super(`the credentials endpoint ${host} returned no credentials`);
    this.name = 'ContainerEndpointError';
  }
}

/**
 * Asks the credentials endpoint of a container, without retries, why it gives no credentials: the SDK drops its
 * answer and reports that of the next provider.
 *
 * @param endpoint its URL.
 * @param token sent as the SDK sends it.
 * @returns undefined where the SDK would not ask it, or where it gives credentials now.
 */
export async function whyNoContainerCredentials(
  endpoint: string,
  token: string | undefined,
): Promise<ContainerEndpointError | undefined> {
  const url = urlToAsk(endpoint);
  if (url === undefined) return undefined;
  try {
    const response = await fetch(url, {
      headers: token === undefined ? {} : { authorization: token },
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.status === 200) {
      await response.body?.cancel();
      return undefined;
    }
    const { status } = response;
    const errorName = nameIn(await response.text());
    return new ContainerEndpointError(url.host, {
      status,
      ...(errorName === undefined ? {} : { errorName }),
    });
  } catch (error) {
    return new ContainerEndpointError(url.host, { code: codeOf(error) });
  }
}

function urlToAsk(endpoint: string): URL | undefined {
  if (!URL.canParse(endpoint)) return undefined;
  const url = new URL(endpoint);
  // The SDK leaves them out as well.
  url.username = url.password = '';
  const isAsked = url.protocol === 'https:' || PLAIN_HTTP.test(url.hostname);
  return isAsked ? url : undefined;
}

/** From the text of the EKS Pod Identity Agent, or from JSON as the ECS agent and AWS services answer. */
function nameIn(text: string): string | undefined {
  const [, name] = AGENT_ERROR.exec(text) ?? [];
  return [name, ...namesInJson(text)].find(isNamed);
}

function namesInJson(text: string): unknown[] {
  try {
    const { Code, code, __type: type } = (JSON.parse(text) ?? {}) as Readonly<Record<string, unknown>>;
    return [Code, code, typeof type === 'string' ? type.replace(/^.*#/, '') : undefined];
  } catch {
    return [];
  }
}

/** Fetch wraps the network's error. */
function codeOf(error: unknown): string {
  const { name, cause } = error as { readonly name?: unknown; readonly cause?: { readonly code?: unknown } };
  if (name === 'TimeoutError') return 'timeout';
  return typeof cause?.code === 'string' ? cause.code : 'connection failed';
}
