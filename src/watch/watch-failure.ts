import { KubeError } from '../kube/kube-error.js';
import { ExpiredTokenError } from './complete-list.js';
import { WatchCutError, WatchInactiveError } from './watch-stream.js';

/** Why a watch is restarted; a metric label, so the list is closed. */
export type RestartReason =
  | 'ended'
  | 'cut'
  | 'silent'
  | 'expired'
  | 'unreadable'
  | 'behind'
  | 'throttled'
  | 'refused'
  | 'unreachable'
  | 'error';

/** What to do after the end of a list or a watch. */
export interface NextStep {
  readonly why: RestartReason;
  /** Whether the last version cannot be used any more. */
  readonly relist: boolean;
  /** Whether changes were missed, so that the cache may be wrong until the next list. */
  readonly missed?: true;
  /** The API server answers 403 until somebody grants the permission. */
  readonly forbidden?: true;
  /** What the server asked for. */
  readonly waitMs?: number;
  /** Logged once until it works again; absent for normal events. */
  readonly problem?: Problem;
}

export interface Problem {
  /** Constant; two problems with the same message are one. */
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** Classifies an error of a list or a watch; unknown errors are bugs, and are retried as well. */
export function stepAfter(error: unknown): NextStep {
  if (error instanceof WatchInactiveError) return { why: 'silent', relist: true, missed: true };
  if (error instanceof WatchCutError) return { why: 'cut', relist: false };
  if (!(error instanceof KubeError)) {
    const name = error instanceof Error ? error.name : typeof error;
    return { why: 'error', relist: true, problem: { message: 'watch failed', facts: { error: name } } };
  }
  const wait = error.retryAfterMs === undefined ? {} : { waitMs: error.retryAfterMs };
  if (error instanceof ExpiredTokenError)
    return { why: 'expired', relist: true, problem: saying('the list cannot be completed', error) };
  switch (error.status) {
    case undefined:
      return { why: 'unreachable', relist: true, problem: saying('API server cannot be reached', error) };
    case 410:
      return { why: 'expired', relist: true, missed: true };
    case 429:
      return { why: 'throttled', relist: false, ...wait };
    case 404:
      return {
        why: 'refused',
        relist: true,
        problem: saying('API server does not know the kind: install the CRDs', error),
      };
    case 401:
      return {
        why: 'refused',
        relist: true,
        problem: saying('API server rejects the credentials: check the kubeconfig or service account', error),
      };
    case 403:
      return {
        why: 'refused',
        relist: true,
        forbidden: true,
        problem: saying('RBAC denies list and watch of the kind: install the ClusterRole', error),
      };
    default:
      return {
        why: 'refused',
        relist: true,
        ...wait,
        problem: saying('API server rejects the watch', error),
      };
  }
}

function saying(message: string, error: KubeError): Problem {
  return { message, facts: { detail: error.message, ...(error.status ? { status: error.status } : {}) } };
}
