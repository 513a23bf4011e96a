/** What a `Status` body of the API server says beside its code; free text of it is never kept. */
export interface StatusFacts {
  /** `Status.reason`, such as `NotFound` or `Expired`. */
  readonly reason?: string;
  /** `Status.details.name`: the object that the answer is about. */
  readonly objectName?: string;
  /** `Status.details.causes[].reason`, such as `NamespaceTerminating`. */
  readonly causes?: readonly string[];
}

/** A request to the API server that failed; built from status, verb and object alone. */
export class KubeError extends Error {
  constructor(
    message: string,
    /** HTTP status; undefined when there was no answer. */
    readonly status: number | undefined,
    /** From `Retry-After`, in milliseconds. */
    readonly retryAfterMs?: number,
    readonly facts: StatusFacts = {},
  ) {
    super(message);
    this.name = 'KubeError';
  }
}

/** The answer does not fit: ask for less. */
export class AnswerTooLargeError extends KubeError {}

/** Nothing came for as long as the limit says. */
export class NoAnswerError extends KubeError {}
