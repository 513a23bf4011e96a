import { printable } from '../api/printable.js';

/** What was found about a resource: about some of its keys, or about the whole when there are none. */
export interface Finding {
  /** Short and stable, for the log. */
  readonly code: string;
  /** What is wrong and what to do. */
  readonly text: string;
  /** The first of them, as they may stand in a message. */
  readonly keys: readonly string[];
  /** How many keys it concerns; 0 for the whole resource. */
  readonly keysTotal: number;
}

/** How many names a line shows, and so many characters of each. */
interface NameLimits {
  readonly names: number;
  readonly characters: number;
}

const IN_MESSAGES: NameLimits = { names: 25, characters: 100 };
const MAX_MESSAGE_CHARACTERS = 16_384;
/** The API server may cut warnings after 256 characters, and drops them after 4,096 in all. */
const IN_WARNINGS: NameLimits = { names: 3, characters: 30 };
const MAX_WARNING_CHARACTERS = 256;
const MAX_WARNINGS_CHARACTERS = 4_096;
/** Room for the line that says how many more there are. */
const REST_CHARACTERS = 50;
const MAX_LINES = 30;

/**
 * Collects findings; those that say the same of several keys become one. What would not be shown is counted
 * and not kept: a body of a few megabytes can give millions.
 */
export class Findings {
  private readonly byText = new Map<
    string,
    { code: string; text: string; keys: string[]; keysTotal: number }
  >();
  private left = 0;

  add(code: string, text: string, key?: string): void {
    const known = this.byText.get(text);
    if (known === undefined && this.byText.size >= MAX_LINES) {
      this.left += 1;
      return;
    }
    const finding = known ?? { code, text, keys: [], keysTotal: 0 };
    if (known === undefined) this.byText.set(text, finding);
    if (key === undefined) return;
    finding.keysTotal += 1;
    if (finding.keys.length < IN_MESSAGES.names) finding.keys.push(printable(key, IN_MESSAGES.characters));
  }

  /** Counts findings that are told of by their number only. */
  addUnnamed(count: number): void {
    this.left += count;
  }

  /** The first {@link MAX_LINES}. */
  get all(): readonly Finding[] {
    return [...this.byText.values()];
  }

  /** How many there are beside {@link all}. */
  get more(): number {
    return this.left;
  }
}

/** One sentence with every finding, for the message of a refusal. */
export function asMessage(findings: readonly Finding[], more: number): string {
  const lines: string[] = [];
  let room = MAX_MESSAGE_CHARACTERS;
  for (const finding of findings) {
    const text = line(finding, IN_MESSAGES);
    room -= text.length;
    if (room < 0 && lines.length > 0) break;
    lines.push(text);
  }
  const rest = findings.length - lines.length + more;
  if (rest > 0) lines.push(`and ${String(rest)} more problems`);
  return lines.join('; ');
}

/** One warning for each finding, short enough for the API server to pass on whole. */
export function asWarnings(findings: readonly Finding[], more: number): string[] {
  const warnings: string[] = [];
  let room = MAX_WARNINGS_CHARACTERS - REST_CHARACTERS;
  for (const finding of findings) {
    const text = printable(line(finding, IN_WARNINGS), MAX_WARNING_CHARACTERS - 1);
    room -= Buffer.byteLength(text);
    if (room < 0) break;
    warnings.push(text);
  }
  const rest = findings.length - warnings.length + more;
  if (rest > 0) warnings.push(`and ${String(rest)} more warnings`);
  return warnings;
}

function line({ text, keys, keysTotal }: Finding, limits: NameLimits): string {
  if (keysTotal === 0) return text;
  const shown = keys.slice(0, limits.names).map((key) => quoted(key, limits.characters));
  const rest = keysTotal - shown.length;
  const names = rest > 0 ? `${shown.join(', ')} and ${String(rest)} more` : shown.join(', ');
  return `${keysTotal === 1 ? 'key' : 'keys'} ${names}: ${text}`;
}

/** A name in quotes, harmless to whoever reads it. */
export function quoted(name: string, characters = IN_MESSAGES.characters): string {
  return `"${printable(name, characters)}"`;
}
