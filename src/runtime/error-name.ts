/** Names of errors are letters and digits; anything else may hold input. */
const SAFE_NAME = /^[A-Za-z][A-Za-z0-9]{0,63}$/;

/** Whether a value can be shown as the name of an error. */
export function isNamed(value: unknown): value is string {
  return typeof value === 'string' && SAFE_NAME.test(value);
}
