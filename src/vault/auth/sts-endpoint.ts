import { STSClient } from '@aws-sdk/client-sts';

/** What AWS takes when nothing names a region. */
const DEFAULT_REGION = 'us-east-1';

/** A host of STS and the region that the scope of a signature for it must name. */
export interface StsEndpoint {
  readonly hostname: string;
  readonly signingRegion: string;
}

/**
 * Which host of STS a request is signed for, by the endpoint rules of the AWS SDK: the global host
 * `sts.amazonaws.com` takes the scope `us-east-1` alone, whatever region the client is in; regions that
 * came later and other partitions have hosts of their own, and each of these takes its own region.
 *
 * @param options.region where nothing is given, what the SDK finds (the profile), else `us-east-1`.
 * @param options.regional as `AWS_STS_REGIONAL_ENDPOINTS=regional`: the region's host, also where there is
 *   a global one.
 */
export function stsEndpoints(options: {
  readonly region?: string;
  readonly regional: boolean;
}): () => Promise<StsEndpoint> {
  const { region, regional } = options;
  let client: STSClient | undefined;
  return async () => {
    client ??= new STSClient(region === undefined ? {} : { region });
    const name = await client.config.region().catch(() => DEFAULT_REGION);
    const { url, properties } = client.config.endpointProvider({
      Region: name,
      UseGlobalEndpoint: !regional,
    });
    const [scheme] = (properties?.authSchemes ?? []) as readonly { readonly signingRegion?: string }[];
    return { hostname: url.hostname, signingRegion: scheme?.signingRegion ?? name };
  };
}
