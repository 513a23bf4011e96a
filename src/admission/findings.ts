import { printable } from '../api/printable.js';

/** What was found about a resource: about some of its keys, or about the whole when there are none. */
export interface Finding {
  /** Short and stable, for the log. */
  readonly code: string;
  /** What is wrong and what to do. */
  readonly text: string;
  readonly keys: readonly string[];
}

/** How many names a line shows, and so many characters of each. */
interface NameLimits {
  readonly names: number;
  readonly characters: number;
}

const IN_MESSAGES: NameLimits = { names: 25, characters: 100 };
/** The API server may cut warnings after 256 characters, and drops them after 4,096 in all. */
const IN_WARNINGS: NameLimits = { names: 3, characters: 30 };
const MAX_WARNING_CHARACTERS = 256;
const MAX_LINES = 30;

/** Collects findings; those that say the same of several keys become one. */
export class Findings {
  private readonly byText = new Map<string, { code: string; text: string; keys: string[] }>();

  add(code: string, text: string, key?: string): void {
    const keys = key === undefined ? [] : [key];
    const known = this.byText.get(text);
    if (known === undefined) this.byText.set(text, { code, text, keys });
    else known.keys.push(...keys);
  }

  get all(): readonly Finding[] {
    return [...this.byText.values()];
  }

  get none(): boolean {
    return this.byText.size === 0;
  }
}

/** One sentence with every finding, for the message of a refusal. */
export function asMessage(findings: readonly Finding[]): string {
  const lines = findings.slice(0, MAX_LINES).map((finding) => line(finding, IN_MESSAGES));
  const rest = findings.length - lines.length;
  if (rest > 0) lines.push(`and ${String(rest)} more problems`);
  return lines.join('; ');
}

/** One warning for each finding, short enough for the API server to pass on whole. */
export function asWarnings(findings: readonly Finding[]): string[] {
  return findings
    .slice(0, MAX_LINES)
    .map((finding) => printable(line(finding, IN_WARNINGS), MAX_WARNING_CHARACTERS - 1));
}

function line({ text, keys }: Finding, limits: NameLimits): string {
  if (keys.length === 0) return text;
  const shown = keys.slice(0, limits.names).map((key) => quoted(key, limits.characters));
  const rest = keys.length - shown.length;
  const names = rest > 0 ? `${shown.join(', ')} and ${String(rest)} more` : shown.join(', ');
  return `${keys.length === 1 ? 'key' : 'keys'} ${names}: ${text}`;
}

/** A name in quotes, harmless to whoever reads it. */
export function quoted(name: string, characters = IN_MESSAGES.characters): string {
  return `"${printable(name, characters)}"`;
}
