/** Structured facts of a log entry: names, counts, codes. Never values, tokens, bodies or whole objects. */
export type Facts = Readonly<Record<string, unknown>>;

/** A structured log. Messages are constant; the facts hold what varies. One line per entry. */
export interface Logger {
  debug(message: string, facts?: Facts): void;
  info(message: string, facts?: Facts): void;
  warn(message: string, facts?: Facts): void;
  error(message: string, facts?: Facts): void;
  child(facts: Facts): Logger;
}
