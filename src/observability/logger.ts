/** What goes beside a message: names, counts, codes. Never values, tokens, bodies or whole objects. */
export type Facts = Readonly<Record<string, unknown>>;

/** Structured log with constant messages; the facts carry what differs. One line per entry. */
export interface Logger {
  debug(message: string, facts?: Facts): void;
  info(message: string, facts?: Facts): void;
  warn(message: string, facts?: Facts): void;
  error(message: string, facts?: Facts): void;
  child(facts: Facts): Logger;
}
