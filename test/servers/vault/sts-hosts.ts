/** The domain of each partition's hosts, by its regions' names ("AWS STS endpoints and quotas"). */
const PARTITIONS: readonly (readonly [region: RegExp, domain: string])[] = [
  [/^cn-\w+-\d$/, 'amazonaws.com.cn'],
  [/^us-gov-\w+-\d$/, 'amazonaws.com'],
  [/^us-iso-\w+-\d$/, 'c2s.ic.gov'],
  [/^us-isob-\w+-\d$/, 'sc2s.sgov.gov'],
  [/^eu-isoe-\w+-\d$/, 'cloud.adc-e.uk'],
  [/^us-isof-\w+-\d$/, 'csp.hci.ic.gov'],
  [/^eusc-\w+-\w+-\d$/, 'amazonaws.eu'],
  [/^(?:us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d$/, 'amazonaws.com'],
];

/** The domains of the hosts with IPv4 and IPv6 ("AWS STS endpoints", dual-stack). */
const DUAL_STACK: Readonly<Record<string, string>> = {
  'amazonaws.com': 'api.aws',
  'amazonaws.com.cn': 'api.amazonwebservices.com.cn',
  'c2s.ic.gov': 'api.aws.ic.gov',
  'sc2s.sgov.gov': 'api.aws.scloud',
  'cloud.adc-e.uk': 'api.cloud-aws.adc-e.uk',
  'csp.hci.ic.gov': 'api.aws.hci.ic.gov',
  'amazonaws.eu': 'api.amazonwebservices.eu',
};

/** An IP address contains no region. */
const OWN_ADDRESS = /^(?:127\.0\.0\.1|localhost)(?::\d+)?$/;

/**
 * The region that the scope of a signature for this host must name: `us-east-1` for the global host, the
 * host's own for a regional one ("Credential should be scoped to a valid region").
 *
 * @returns undefined when STS has no such host.
 */
export function scopeRegionOf(host: string): string | undefined {
  if (host === 'sts.amazonaws.com' || OWN_ADDRESS.test(host)) return 'us-east-1';
  const [, region = '', domain] = /^sts(?:-fips)?\.([a-z0-9-]+)\.(.+)$/.exec(host) ?? [];
  const partition = PARTITIONS.find(([names]) => names.test(region));
  if (partition === undefined || domain === undefined) return undefined;
  return [partition[1], DUAL_STACK[partition[1]]].includes(domain) ? region : undefined;
}
