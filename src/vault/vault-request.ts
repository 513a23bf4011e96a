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
  /** Changes secrets: the write gate is checked before every send. */
  readonly mutates?: boolean;
  /** Called in addition to the write gate before every send; if it throws, nothing is sent. */
  readonly guard?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Any answer that is not an outage. */
export interface VaultResponse {
  readonly status: number;
  readonly text: string;
  /** A 403 for a new token: the token or its permissions may not be replicated yet. */
  readonly mayPass?: boolean;
}

/** Sends requests unchanged: `VaultClient`. */
export interface VaultRequests {
  /** @throws VaultError; WriteGateClosedError for a request that changes something. */
  request(request: VaultRequest): Promise<VaultResponse>;
}

/** Sends requests with the token of the process: `VaultSession`. */
export interface SessionRequests {
  /** @throws VaultError; WriteGateClosedError for a request that changes something. */
  request(request: Omit<VaultRequest, 'token'>): Promise<VaultResponse>;
}
