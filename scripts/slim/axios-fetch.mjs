/** The adapter for `fetch` loads Node's fetch with the module. Axios takes its other adapter, for Node's `http`. */
export function getFetch() {
  return undefined;
}
