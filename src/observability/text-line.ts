/**
 * Formats one JSON log line for people: `12:00:00.000 INFO message key=value …`. The facts are escaped already;
 * values with blanks are quoted.
 */
export function textLine(jsonLine: string): string {
  const { time, level, msg, ...facts } = JSON.parse(jsonLine) as Record<string, unknown>;
  const clock = typeof time === 'string' ? time : '';
  const name = typeof level === 'string' ? level.toUpperCase().padEnd(5) : '';
  const pairs = Object.entries(facts).map(([key, value]) => `${key}=${shown(value)}`);
  return `${[clock, name, typeof msg === 'string' ? msg : '', ...pairs].join(' ')}\n`;
}

function shown(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return value;
  return JSON.stringify(value);
}
