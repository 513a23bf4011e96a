import { KubeError } from '../kube/kube-error.js';
import { WatchCutError, WatchInactiveError } from './watch-stream.js';

/** Why a watch is opened again; a metric label, so the list is closed. */
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

/** What follows from the end of a list or a watch. */
export interface NextStep {
  readonly why: RestartReason;
  /** Whether the last version is of no use any more. */
  readonly relist: boolean;
  /** Whether changes have been missed already, so that what is known may be wrong until the list. */
  readonly missed?: true;
  /** The API server will answer so until somebody grants the permission. */
  readonly forbidden?: true;
  /** What the server asked for. */
  readonly waitMs?: number;
  /** Said once, until it works again; absent for what is part of normal life. */
  readonly problem?: Problem;
}

export interface Problem {
  /** Constant; two problems with the same message are one. */
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** Judges what a list or a watch threw; unknown errors are a fault here and are retried all the same. */
export function stepAfter(error: unknown): NextStep {
  if (error instanceof WatchInactiveError) return { why: 'silent', relist: true, missed: true };
  if (error instanceof WatchCutError) return { why: 'cut', relist: false };
  if (!(error instanceof KubeError)) {
    const name = error instanceof Error ? error.name : typeof error;
    return { why: 'error', relist: true, problem: { message: 'watch failed', facts: { error: name } } };
  }
  const wait = error.retryAfterMs === undefined ? {} : { waitMs: error.retryAfterMs };
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
        problem: saying('API server refuses the credentials: check the kubeconfig or service account', error),
      };
    case 403:
      return {
        why: 'refused',
        relist: true,
        forbidden: true,
        problem: saying('RBAC does not allow to list and watch the kind: install the ClusterRole', error),
      };
    default:
      return {
        why: 'refused',
        relist: true,
        ...wait,
        problem: saying('API server refuses the watch', error),
      };
  }
}

function saying(message: string, error: KubeError): Problem {
  return { message, facts: { detail: error.message, ...(error.status ? { status: error.status } : {}) } };
}
