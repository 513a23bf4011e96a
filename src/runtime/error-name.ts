/** Names of errors are letters and digits; anything else may hold input. */
const SAFE_NAME = /^[A-Za-z][A-Za-z0-9]{0,63}$/;

/** Whether a value can be shown as the name of an error. */
export function isNamed(value: unknown): value is string {
  return typeof value === 'string' && SAFE_NAME.test(value);
}

/** What may be shown of an error that nobody expected: its name and where it was thrown. Its message may hold anything. */
export function traceOf(error: unknown): { readonly name: string; readonly frames: readonly string[] } {
  if (!(error instanceof Error)) return { name: typeof error, frames: [] };
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  return { name: error.name, frames: frames.slice(0, 5).map((line) => line.trim()) };
}
