import { DecryptCommand, KMSClient, type KMSClientConfig } from '@aws-sdk/client-kms';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';

import type { EncryptionContext } from '../api/resources.js';
import type { AwsConfig } from '../config/config.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { AgentFactory } from '../runtime/agents.js';
import { AwsRequestHandler } from '../runtime/aws-request-handler.js';
import { KmsError } from './kms-error.js';
import { classifyCredentialsFailure, classifyKmsFailure, withRegion } from './kms-failures.js';

/** Decrypt answers in milliseconds; AWS advises short time-outs and retries. The SDK's default is 300 s. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Who asks decides when to ask again: a retry of the SDK would know nothing of the pace and of turns. */
const MAX_ATTEMPTS = 1;

/** The one call that is needed of KMS. */
export interface KmsApi {
  /**
   * @returns the plaintext bytes; the caller zeroes them.
   * @throws KmsError; no other error leaves, and none carries a request.
   */
  decrypt(ciphertext: Uint8Array, context: EncryptionContext, signal?: AbortSignal): Promise<Uint8Array>;
}

/** KMS through the AWS SDK, with the default credential chain. */
export class AwsKmsApi implements KmsApi {
  private readonly client: KMSClient;

  constructor(options: {
    readonly aws: AwsConfig;
    readonly agents: AgentFactory;
    readonly maxSockets: number;
    readonly metrics: Pick<OperatorMetrics, 'kmsRequests' | 'kmsRequestDuration'>;
  }) {
    const { aws, agents, maxSockets, metrics } = options;
    const config: KMSClientConfig = {
      maxAttempts: MAX_ATTEMPTS,
      // Named where it happens: by its name alone, a denial by STS looks like one by KMS.
      credentialDefaultProvider: (init: Parameters<typeof fromNodeProviderChain>[0]) => {
        const chain = fromNodeProviderChain(init);
        return async (properties?: Parameters<typeof chain>[0]) => {
          try {
            return await chain(properties);
          } catch (error) {
            throw classifyCredentialsFailure(error);
          }
        };
      },
      requestHandler: new AwsRequestHandler({
        agents,
        maxSockets,
        aws,
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
      }),
    };
    if (aws.region !== undefined) config.region = aws.region;
    if (aws.kmsEndpoint !== undefined) config.endpoint = aws.kmsEndpoint;
    if (aws.staticCredentials !== undefined) config.credentials = { ...aws.staticCredentials };
    this.client = new KMSClient(config);
    countAttempts(this.client, metrics);
    classifyFailures(this.client);
  }

  async decrypt(
    ciphertext: Uint8Array,
    context: EncryptionContext,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    try {
      const answer = await this.client.send(
        new DecryptCommand({
          CiphertextBlob: ciphertext,
          ...(Object.keys(context).length === 0 ? {} : { EncryptionContext: { ...context } }),
        }),
        signal === undefined ? {} : { abortSignal: signal },
      );
      return answer.Plaintext ?? new Uint8Array();
    } catch (error) {
      throw withRegion(classifyKmsFailure(error), await this.region());
    }
  }

  /** Without a region the SDK fails with a nameless error at every call. */
  private async region(): Promise<string> {
    try {
      return await this.client.config.region();
    } catch {
      throw new KmsError('transient', 'RegionMissing', 'no AWS region is configured: set AWS_REGION');
    }
  }

  close(): void {
    this.client.destroy();
  }
}

/** Counts every request that really goes out, retries included. */
function countAttempts(
  client: KMSClient,
  metrics: Pick<OperatorMetrics, 'kmsRequests' | 'kmsRequestDuration'>,
): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const stopTimer = metrics.kmsRequestDuration.startTimer();
      try {
        const result = await next(args);
        metrics.kmsRequests.inc({ operation: 'Decrypt', code: 'OK' });
        return result;
      } catch (error) {
        metrics.kmsRequests.inc({ operation: 'Decrypt', code: classifyKmsFailure(error).code });
        throw error;
      } finally {
        stopTimer();
      }
    },
    { step: 'finalizeRequest', name: 'countAttempts', priority: 'low' },
  );
}

/**
 * Sorts a failure outside of the signer, which learns the time from it, and before the SDK's retries, which
 * wrap an error that they do not know and hide its code.
 */
function classifyFailures(client: KMSClient): void {
  const classify = <Next extends (args: never) => Promise<unknown>>(next: Next): Next =>
    (async (args: Parameters<Next>[0]) => {
      try {
        return await next(args);
      } catch (error) {
        throw classifyKmsFailure(error);
      }
    }) as Next;
  client.middlewareStack.addRelativeTo(classify, {
    relation: 'before',
    toMiddleware: 'httpSigningMiddleware',
    name: 'classifyFailures',
  });
}
