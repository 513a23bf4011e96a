/** One request of a replica that costs something. */
export interface Activity {
  readonly atMs: number;
  readonly what: string;
}

/** Room for a busy machine. */
const SLACK_MS = 10_000;

/**
 * Whether a whole period has passed without activity since everything was as desired. It may begin a period later: a
 * new leader looks at every resource once, and at those on v1 with KMS.
 *
 * @returns what still happened although it should have been quiet for long; undefined while this is not known.
 */
export function quietOf(
  activity: readonly Activity[],
  { convergedMs, nowMs, periodMs }: { convergedMs: number; nowMs: number; periodMs: number },
): readonly string[] | undefined {
  const lastMs = Math.max(convergedMs, activity.at(-1)?.atMs ?? 0);
  if (nowMs - lastMs > periodMs * 1.1) return [];
  const untilMs = convergedMs + 2 * periodMs + SLACK_MS;
  if (lastMs <= untilMs) return undefined;
  const late = activity.filter(({ atMs }) => atMs > untilMs - periodMs);
  return [...new Set(late.map(({ what }) => what))];
}
