import { parseHttpUrl } from './network-environment.js';

interface SdkVariable {
  readonly name: string;
  readonly description: string;
  readonly default?: string;
  readonly ascii?: true;
  readonly check?: (value: string) => string | undefined;
  readonly choices?: readonly string[];
  readonly elseIgnored?: string;
}

/** The SDK silently takes anything else for `false`; the Go SDK ignored case. */
const TRUE_OR_FALSE = ['true', 'false'];

/**
 * The variables that the AWS SDK reads itself for KMS, STS and credentials: the selectors of
 =>
 * `@smithy/core` (config, endpoints, retry), `@aws-sdk/core` and the packages `credential-provider-*`.
 */
export const AWS_SDK_VARIABLES: readonly SdkVariable[] = [
  { name: 'AWS_ENDPOINT_URL', check: url, description: 'URL of every AWS service; read by the SDK.' },
  {
    name: 'AWS_ENDPOINT_URL_STS',
    check: url,
    description: 'URL of STS, which gives credentials for a role; takes precedence over `AWS_ENDPOINT_URL`.',
  },
  {
    name: 'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS',
    choices: TRUE_OR_FALSE,
    description:
      'Ignore `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_STS` and the URLs in the shared configuration file.',
  },
  {
    name: 'AWS_USE_FIPS_ENDPOINT',
    choices: TRUE_OR_FALSE,
    description:
      'Use the FIPS hosts of KMS and STS; with `AWS_STS_REGIONAL_ENDPOINTS=regional` the `iam` login is signed for that host, too.',
  },
  {
    name: 'AWS_USE_DUALSTACK_ENDPOINT',
    choices: TRUE_OR_FALSE,
    description:
      'Use the hosts with IPv4 and IPv6; with `AWS_STS_REGIONAL_ENDPOINTS=regional` the `iam` login is signed for that host, too.',
  },
  {
    name: 'AWS_DEFAULTS_MODE',
    choices: ['legacy', 'standard', 'in-region', 'cross-region', 'mobile', 'auto'],
    elseIgnored: "the SDK's default applies",
    description:
      'Defaults of the SDK: `legacy`, `standard`, `in-region`, `cross-region`, `mobile` or `auto`.',
  },
  {
    name: 'AWS_MAX_ATTEMPTS',
    elseIgnored: 'a request to STS is attempted three times at most',
    check: (text) => (/^[1-9][0-9]{0,2}$/.test(text) ? undefined : 'must be a whole number from 1 to 999'),
    description:
      'Attempts of a request to STS. The operator and the webhook retry requests to KMS on their own.',
  },
  {
    name: 'AWS_RETRY_MODE',
    choices: ['legacy', 'standard', 'adaptive'],
    elseIgnored: '"standard" applies',
    description: 'Retry mode of requests to STS: `legacy`, `standard` or `adaptive`.',
  },
  {
    name: 'AWS_DISABLE_CLOCK_SKEW_CORRECTION',
    choices: TRUE_OR_FALSE,
    elseIgnored: 'clock skew is corrected',
    description: 'Do not correct clock skew with the time in the responses of AWS.',
  },
  {
    name: 'AWS_AUTH_SCHEME_PREFERENCE',
    ascii: true,
    description: 'Signature schemes in the order of preference, separated by commas.',
  },
  { name: 'AWS_SDK_UA_APP_ID', ascii: true, description: 'Name of the application in the `User-Agent`.' },
  {
    name: 'AWS_EXECUTION_ENV',
    ascii: true,
    description: 'Name of the environment in the `User-Agent`; ECS sets it.',
  },
  { name: 'AWS_PROFILE', description: 'Profile of the shared configuration files.' },
  { name: 'AWS_CONFIG_FILE', default: '~/.aws/config', description: 'Shared configuration file.' },
  {
    name: 'AWS_SHARED_CREDENTIALS_FILE',
    default: '~/.aws/credentials',
    description: 'Shared credentials file.',
  },
  {
    name: 'AWS_ROLE_ARN',
    ascii: true,
    description:
      'Role to assume with `AWS_WEB_IDENTITY_TOKEN_FILE`; EKS sets both for a service account with a role.',
  },
  {
    name: 'AWS_WEB_IDENTITY_TOKEN_FILE',
    description: 'File with the token for `AWS_ROLE_ARN`. A trailing line break is ignored.',
  },
  { name: 'AWS_ROLE_SESSION_NAME', ascii: true, description: 'Session name of the assumed role.' },
  {
    name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI',
    check: url,
    description: 'Credentials endpoint of the container; EKS Pod Identity sets it.',
  },
  {
    name: 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
    ascii: true,
    description: 'Credentials endpoint of the container; ECS sets it.',
  },
  {
    name: 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
    description:
      'File with the token for the credentials endpoint; reread. A trailing line break is ignored.',
  },
  {
    name: 'AWS_EC2_METADATA_DISABLED',
    choices: TRUE_OR_FALSE,
    elseIgnored: "credentials of the node's metadata service are used",
    description: "Do not use credentials of the node's metadata service.",
  },
  {
    name: 'AWS_EC2_METADATA_V1_DISABLED',
    choices: TRUE_OR_FALSE,
    elseIgnored: 'the metadata service is queried without a session token if it gives none',
    description: 'Do not query the metadata service without a session token (IMDSv1).',
  },
  {
    name: 'AWS_EC2_METADATA_SERVICE_ENDPOINT',
    check: url,
    description: "URL of the node's metadata service.",
  },
  {
    name: 'AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE',
    choices: ['IPv4', 'IPv6'],
    elseIgnored: 'the metadata service is reached over IPv4',
    description: 'Address family of the metadata service: `IPv4` or `IPv6`.',
  },
  {
    name: 'AWS_LOGIN_CACHE_DIRECTORY',
    default: '~/.aws/login/cache',
    description: 'Directory of the sessions of `aws login`.',
  },
];

function url(text: string): string | undefined {
  const parsed = parseHttpUrl(text);
  return 'problem' in parsed ? parsed.problem : undefined;
}
