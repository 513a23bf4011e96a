import { inject, injectable } from 'tsyringe';
import type { Registry } from 'prom-client';

import type { ListenAddress } from '../config/config.js';
import { TOKENS } from '../tokens.js';
import { type Answer, type CertificateSource, HttpEndpoint, text } from './http-endpoint.js';
import type { Logger } from './logger.js';
import { metricsRoutes } from './metrics-routes.js';

/** Decides about bearer tokens. */
interface Reviewer {
  review(token: string, path: string): Promise<'allowed' | 'denied' | 'unauthenticated' | 'unavailable'>;
}

/** The operator's metrics over TLS, for those whom the API server allows to `get` their path. */
@injectable()
export class SecureMetricsEndpoint extends HttpEndpoint {
  constructor(
    @inject(TOKENS.metricsAddress) address: ListenAddress,
    @inject(TOKENS.registry) registry: Registry,
    @inject(TOKENS.logger) logger: Logger,
    @inject(TOKENS.certificates) certificates: CertificateSource,
    @inject(TOKENS.accessReviewer) reviewer: Reviewer,
  ) {
    super({
      address,
      boundMessage: 'serving metrics',
      routes: metricsRoutes(registry),
      logger,
      secure: {
        certificates,
        refusal: async (authorization, path) => await refusalOf(reviewer, authorization, path),
      },
    });
  }
}

async function refusalOf(
  reviewer: Reviewer,
  authorization: string | undefined,
  path: string,
): Promise<Answer | undefined> {
  const token = bearerToken(authorization);
  switch (token === undefined ? 'unauthenticated' : await reviewer.review(token, path)) {
    case 'allowed':
      return undefined;
    case 'denied':
      return text(403, 'forbidden');
    case 'unavailable':
      return text(503, 'the API server did not say whether this request is allowed');
    case 'unauthenticated':
      return { ...text(401, 'unauthorized'), headers: { 'www-authenticate': 'Bearer' } };
  }
}

/** As `bearertoken.Authenticator` of k8s.io/apiserver reads it. */
function bearerToken(authorization: string | undefined): string | undefined {
  const [scheme = '', token = ''] = (authorization ?? '').trim().split(' ');
  return scheme.toLowerCase() === 'bearer' && token !== '' ? token : undefined;
}
