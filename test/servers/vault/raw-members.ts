/**
 * The members of a JSON object with their values as raw text: real Vault keeps numbers digit for digit
 * (`json.Number`). A tokenizer of its own, so that the server does not share the client's mistakes.
 */
export function objectMembers(text: string): Map<string, string> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SyntaxError('not an object');
  const tokens = text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g);
  const members = new Map<string, string>();
  let depth = 0;
  let name: string | undefined;
  let start: number | undefined;
  let end = 0;
  for (const { 0: token, index } of tokens) {
    const closes = token === '}' || token === ']';
    if (closes) depth -= 1;
    const ends = depth === 1 && token === ',' ? true : depth === 0 && closes;
    if (ends && name !== undefined && start !== undefined) {
      members.set(name, text.slice(start, end));
      name = undefined;
      start = undefined;
    } else if (depth === 1 && name === undefined && token.startsWith('"')) {
      name = JSON.parse(token) as string;
    } else if (depth >= 1 && name !== undefined && start === undefined && token !== ':') {
      start = index;
    }
    if (token === '{' || token === '[') depth += 1;
    end = index + token.length;
  }
  return members;
}
