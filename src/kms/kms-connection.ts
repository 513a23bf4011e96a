import {
  type $Command,
  KMSClient,
  type KMSClientConfig,
  type KMSClientResolvedConfig,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from '@aws-sdk/client-kms';
import type { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { SignatureV4 } from '@smithy/signature-v4';
import { inject, injectable } from 'tsyringe';

import type { AwsConfig } from '../config/config.js';
import type { AgentFactory } from '../runtime/agents.js';
import { awsCredentialChain } from '../runtime/aws-credential-chain.js';
import { AwsRequestHandler } from '../runtime/aws-request-handler.js';
import { Sha256 } from '../runtime/sha256.js';
import { TOKENS } from '../tokens.js';
import { KmsError } from './kms-error.js';
import { classifyKmsFailure, credentialsFailure, withRegion } from './kms-failures.js';
import { removeIdleMiddleware } from './sdk-middleware.js';
import { wipeAnswers } from './wiped-answers.js';

/** A request takes milliseconds; AWS advises short timeouts and retries. The SDK's default is 300 s. */
const REQUEST_TIMEOUT_MS = 10_000;
/** The caller decides when to try again: retries of the SDK would ignore the pace and the turns. */
const MAX_ATTEMPTS = 1;

const NO_REGION = 'no AWS region is configured, or the region in the profile is not valid: set AWS_REGION';

/** The metrics of requests; those of the operator and of the webhook fit. */
export interface KmsCounters {
  readonly kmsRequests: { inc(labels: { readonly operation: string; readonly code: string }): void };
  readonly kmsRequestDuration: { startTimer(): () => unknown };
}

/** An operation of KMS, as the SDK sends it. */
export type KmsCommand<Input extends ServiceInputTypes, Output extends ServiceOutputTypes> = $Command<
  Input,
  Output,
  KMSClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>;

/**
 * KMS through the AWS SDK, with the default credential chain. All operations of a process share it, and so its
 * credentials, connections and failure classes.
 */
@injectable()
export class KmsConnection {
  private readonly client: KMSClient;
  /** By the input of the command that is sent. */
  private readonly signals = new WeakMap<object, AbortSignal>();
  /** The HTTP requests that go to KMS, and the operation of each. */
  private readonly requests = new WeakMap<object, string>();
  private signer: SignatureV4 | undefined;

  constructor(
    @inject(TOKENS.aws) aws: AwsConfig,
    @inject(TOKENS.agents) agents: AgentFactory,
    @inject(TOKENS.maxConcurrentKmsRequests) maxSockets: number,
    @inject(TOKENS.metrics) metrics: KmsCounters,
    /** How long a reused connection may stay silent before a new one is tried, in milliseconds. */
    @inject(TOKENS.silentMs, { isOptional: true }) silentMs?: number,
  ) {
    const requestHandler = new AwsRequestHandler({
      agents,
      maxSockets,
      aws,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      onLost: (request, error) => {
        // STS requests for credentials share the handler.
        const operation = this.requests.get(request);
        if (operation !== undefined) countRequest(metrics, operation, error);
      },
      ...(silentMs === undefined ? {} : { silentMs }),
    });
    const config: KMSClientConfig = {
      maxAttempts: MAX_ATTEMPTS,
      // Resolves the middleware stack once, which took a tenth of the time of each request.
      cacheMiddleware: true,
      // Classified here, because by its name alone a denial by STS looks like one by KMS.
      credentialDefaultProvider: (init: Parameters<typeof fromNodeProviderChain>[0]) => {
        const chain = awsCredentialChain(aws, init);
        return async (properties?: Parameters<typeof chain>[0]) => {
          try {
            return await chain(properties);
          } catch (error) {
            throw credentialsFailure(error);
          }
        };
      },
      requestHandler,
      // One for all requests; by default the SDK creates one per request from a copy of its whole configuration.
      signer: async () => await Promise.resolve((this.signer ??= this.makeSigner())),
    };
    if (aws.region !== undefined) config.region = aws.region;
    if (aws.kmsEndpoint !== undefined) config.endpoint = aws.kmsEndpoint;
    if (aws.staticCredentials !== undefined) config.credentials = { ...aws.staticCredentials };
    this.client = new KMSClient(config);
    removeIdleMiddleware(this.client);
    countAttempts(this.client, metrics);
    this.watchRequests(requestHandler);
    classifyFailures(this.client);
    wipeAnswers(this.client);
  }

  /**
   * Sends one request; the caller decides when to try again.
   *
   * @throws KmsError; no other error leaves, and none carries a request.
   */
  async send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: KmsCommand<Input, Output>,
    signal?: AbortSignal,
  ): Promise<Output> {
    if (signal !== undefined) this.signals.set(command.input, signal);
    try {
      return await this.client.send(command);
    } catch (error) {
      throw withRegion(classifyKmsFailure(error), await this.region());
    }
  }

  private makeSigner(): SignatureV4 {
    const { region, credentials } = this.client.config;
    return new SignatureV4({ service: 'kms', region, credentials, sha256: Sha256 });
  }

  /** Gives a request its signal: the SDK uses its cached middleware only if `send` gets no options, not even a signal. */
  private watchRequests(requestHandler: AwsRequestHandler): void {
    this.client.middlewareStack.add(
      (next, { commandName }) =>
        async (args) => {
          const signal = this.signals.get(args.input);
          if (isObject(args.request)) {
            this.requests.set(args.request, operationOf(commandName));
            if (signal !== undefined) requestHandler.abortWith(args.request, signal);
          }
          return await next(args);
        },
      // Runs last, because earlier steps may replace the request.
      { step: 'deserialize', name: 'watchRequests', priority: 'low' },
    );
  }

  /** Without a region, or with an odd one in a profile, the SDK fails with an unspecific error at every call. */
  private async region(): Promise<string> {
    try {
      return await this.client.config.region();
    } catch {
      throw new KmsError('transient', 'RegionMissing', NO_REGION);
    }
  }

  close(): void {
    this.client.destroy();
  }
}

/** `Decrypt` for a DecryptCommand. */
function operationOf(commandName: string | undefined): string {
  return (commandName ?? 'unknown').replace(/Command$/, '');
}

function countRequest(metrics: Pick<KmsCounters, 'kmsRequests'>, operation: string, error: unknown): void {
  metrics.kmsRequests.inc({ operation, code: classifyKmsFailure(error).code });
}

/** Counts every request that is sent, including retries. */
function countAttempts(client: KMSClient, metrics: KmsCounters): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const operation = operationOf(commandName);
        const stopTimer = metrics.kmsRequestDuration.startTimer();
        try {
          const result = await next(args);
          metrics.kmsRequests.inc({ operation, code: 'OK' });
          return result;
        } catch (error) {
          countRequest(metrics, operation, error);
          throw error;
        } finally {
          stopTimer();
        }
      },
    { step: 'finalizeRequest', name: 'countAttempts', priority: 'low' },
  );
}

/**
 * Classifies a failure after the signer has seen it, which learns the server's time from it, and before the retry step,
 * which would wrap an unknown error and hide its code.
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

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
