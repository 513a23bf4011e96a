import type { STSClient, STSClientConfig } from '@aws-sdk/client-sts';

/** The default region of AWS. */
const DEFAULT_REGION = 'us-east-1';

/** A host of STS and the region for the scope of its signatures. */
export interface StsEndpoint {
  readonly hostname: string;
  readonly signingRegion: string;
}

/**
 * Which host of STS a request is signed for, by the endpoint rules of the AWS SDK: the global host
 * `sts.amazonaws.com` takes the scope `us-east-1` alone, whatever region the client is in; regions that
 * came later and other partitions have hosts of their own, and each of these takes its own region.
 *
 * Vault sends the request to its own `sts_endpoint`, `https://sts.amazonaws.com` by default, with this host in its header
 * (`buildHttpRequest` in builtin/credential/aws/path_login.go). So `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`
 * and the same fields of the profile, which are set for KMS, count here only where a host of the region is asked for:
 * Vault has to be configured for one anyway.
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
  const regionName = stsRegion(region);
  let client: STSClient | undefined;
  return async () => {
    const name = await regionName();
    const { config } = (client ??= await stsClient({ region: name }));
    const UseFIPS = regional && (await config.useFipsEndpoint());
    const UseDualStack = regional && (await config.useDualstackEndpoint());
    const { url, properties } = config.endpointProvider({
      Region: name,
      UseGlobalEndpoint: !regional,
      UseFIPS,
      UseDualStack,
    });
    const [scheme] = (properties?.authSchemes ?? []) as readonly { readonly signingRegion?: string }[];
    return { hostname: url.hostname, signingRegion: scheme?.signingRegion ?? name };
  };
}

/** The region of STS for credentials: the given one, else the profile's, else `us-east-1`. */
export function stsRegion(region: string | undefined): () => Promise<string> {
  let client: STSClient | undefined;
  return async () => {
    const { config } = (client ??= await stsClient(region === undefined ? {} : { region }));
    return await config.region().catch(() => DEFAULT_REGION);
  };
}

/** Loaded when somebody logs in with it: few do, and every start would pay. */
async function stsClient(config: STSClientConfig): Promise<STSClient> {
  const { STSClient } = await import('./sts-client.js');
  return new STSClient(config);
}
