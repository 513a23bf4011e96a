/** Fields of a `Status` body of the API server; its free text is never kept. */
export interface StatusFacts {
  /** `Status.reason`, such as `NotFound` or `Expired`. */
  readonly reason?: string;
  /** `Status.details.name`: the object that the answer is about. */
  readonly objectName?: string;
  /** `Status.details.causes[].reason`, such as `NamespaceTerminating`. */
  readonly causes?: readonly string[];
}

/** A failed request to the API server; the message holds only status, verb and object. */
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

/** The answer exceeds the limit; the caller should ask for less. */
export class AnswerTooLargeError extends KubeError {}

/** No bytes arrived within the limit. */
export class NoAnswerError extends KubeError {}
