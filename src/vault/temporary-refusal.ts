import { errorsOf } from './vault-answers.js';

interface NotNow {
  readonly status: number;
  /** The start of the single error in the answer; absent: any. */
  readonly begins?: RegExp;
  /** The message; nothing of the answer itself. */
  readonly means: string;
}

/**
 * Answers below 500 that mean "not now" rather than "no": the request is valid and is served once the server is ready.
 * Everything from 500 on is an outage anyway: `Vault is sealed`, `node is not
 * active`, `no active Vault instance found`, `local node not active but active cluster node not found`,
 * `internal error` (a token or policy could not be read), `API access to this namespace has been locked`,
 * `overloaded, try again later`. Every other 4xx is a refusal. With status and source of each:
 */
const NOT_NOW: readonly NotNow[] = [
  // `upgradeCheck` in vault-plugin-secrets-kv and OpenBao's kv, upgrade.go: for seconds after a mount, an
  // unseal or a failover, before anything of the request is looked at.
  {
    status: 400,
    begins: /^Upgrading from non-versioned to versioned data\./,
    means: 'the K/V mount is being upgraded to versioned data',
  },
  {
    status: 400,
    begins: /^Waiting for the primary to upgrade from non-versioned to versioned data\./,
    means: 'the K/V mount waits for the primary cluster to upgrade it to versioned data',
  },
  // Vault Enterprise, "Disaster recovery replication": a secondary serves nothing until it is promoted.
  {
    status: 400,
    begins: /^path disabled in replication DR secondary mode$/,
    means: 'it is a disaster recovery secondary that has not been promoted',
  },
  // builtin/credential/aws/path_login.go: Vault could not ask STS, or STS answered with 429 or 5xx.
  {
    status: 400,
    begins: /^error making upstream request: (?!received error code (?!429|5\d\d))/,
    means: 'Vault cannot verify the identity with STS',
  },
  // sdk/logical/response_util.go: ErrMissingRequiredState, ErrRateLimitQuotaExceeded, ErrLeaseCountQuotaExceeded.
  { status: 412, means: 'replication to the node is behind' },
  { status: 429, means: 'a quota is exceeded, or the node is a standby' },
  // Vault documentation, /sys/health: codes that a load balancer may pass on for a whole node.
  { status: 472, means: 'it is a disaster recovery secondary' },
  { status: 473, means: 'it is a performance standby' },
];

/** The meaning of an answer below 500 if it is "not now"; otherwise undefined. */
export function temporaryRefusal(status: number, text: string): string | undefined {
  const ofStatus = NOT_NOW.filter((known) => known.status === status);
  if (ofStatus.length === 0) return undefined;
  const errors = errorsOf(text);
  return ofStatus.find(({ begins }) => begins === undefined || errors.some((error) => begins.test(error)))
    ?.means;
}

/**
 * Errors of 503 by which Vault says that it has not begun with a request (`respondStandby` in http/handler.go,
 * sdk/helper/consts/error.go). A page of a gateway proves nothing, nor does `internal error`: Vault may have
 * worked on the request before.
 */
const NOT_BEGUN: readonly string[] = [
  'Vault is sealed',
  'Vault is in standby mode',
  'node is not active',
  'no active Vault instance found',
  'overloaded, try again later',
];

/** Whether an answer that counts as an outage shows that Vault did not process the request. */
export function wasNotBegun(status: number, text: string): boolean {
  const errors = errorsOf(text);
  // A login has succeeded by then (`handleLoginRequest` in vault/request_handling.go).
  if (errors.some((error) => error.includes('lease count quota exceeded'))) return false;
  if (temporaryRefusal(status, text) !== undefined) return true;
  // The leader cannot be found (`respondStandby`).
  if (errors.includes('local node not active but active cluster node not found')) return true;
  return status === 503 && errors.some((error) => NOT_BEGUN.includes(error));
}
