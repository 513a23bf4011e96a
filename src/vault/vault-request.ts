/** What a request is for; the label of the metrics. */
export type VaultOperation =
  'read' | 'write' | 'delete' | 'mount_lookup' | 'login' | 'token_lookup' | 'token_renew' | 'token_revoke';

export interface VaultRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below `/v1/`, normalised, not escaped. */
  readonly path: string;
  readonly operation: VaultOperation;
  /** `?version=`: another version of a v2 secret than the current one. */
  readonly version?: number;
  /** JSON text. */
  readonly body?: string;
  readonly token?: string;
  /** Changes secrets: asks the write gate before every send. */
  readonly mutates?: boolean;
  /** Asked beside the write gate before every send; what it throws ends the request unsent. */
  readonly guard?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Any answer that is not a failure of Vault as a whole. */
export interface VaultResponse {
  readonly status: number;
  readonly text: string;
  /** A 403 to a token that was obtained a moment ago: what is missing may not have been replicated yet. */
  readonly mayPass?: boolean;
}

/** Sends requests as they are: `VaultClient`. */
export interface VaultRequests {
  /** @throws VaultError; WriteGateClosedError or StaleCacheError for a request that changes something. */
  request(request: VaultRequest): Promise<VaultResponse>;
}

/** Sends requests with the token of the process: `VaultSession`. */
export interface SessionRequests {
  /** @throws VaultError; WriteGateClosedError or StaleCacheError for a request that changes something. */
  request(request: Omit<VaultRequest, 'token'>): Promise<VaultResponse>;
}
