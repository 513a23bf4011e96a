import { printable } from '../api/printable.js';

/** A finding about some keys of a resource, or about the whole resource if there are no keys. */
export interface ReviewFinding {
  /** Short and stable; for the log. */
  readonly code: string;
  /** What is wrong and what to do. */
  readonly text: string;
  /** The first of these keys, escaped for a message. */
  readonly keys: readonly string[];
  /** The number of keys concerned; 0 for the whole resource. */
  readonly keysTotal: number;
}

/** What a finding is about; neither: the whole resource. */
export interface FindingPlace {
  /** Key of an item. */
  readonly key?: string;
  /** A field of the item with that key, such as `encryptedSecret`, or without a key of the resource: `spec.path`. */
  readonly field?: string;
}

/** Takes what a review finds. */
export interface FindingSink {
  /**
   * @param code short and stable.
   * @param text what is wrong and what to do.
   */
  add(code: string, text: string, place?: FindingPlace): void;
  /** Counts findings that are reported only by their number. */
  addUnnamed(count: number): void;
}

/** How many names a line shows, and how many characters of each. */
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
/** Room for the line that tells how many more there are. */
const REST_CHARACTERS = 50;
const MAX_LINES = 30;

/**
 * Collects findings and merges those with the same text. Findings that would not be shown are counted but not kept: a
 * body of a few megabytes can produce millions.
 */
export class ReviewFindings implements FindingSink {
  private readonly byText = new Map<
    string,
    { code: string; text: string; keys: string[]; keysTotal: number }
  >();
  private left = 0;

  add(code: string, text: string, { key }: FindingPlace = {}): void {
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

  addUnnamed(count: number): void {
    this.left += count;
  }

  /** The first {@link MAX_LINES}. */
  get all(): readonly ReviewFinding[] {
    return [...this.byText.values()];
  }

  /** How many there are in addition to {@link all}. */
  get more(): number {
    return this.left;
  }
}

/** One sentence with all findings, for the message of a denial. */
export function asMessage(findings: readonly ReviewFinding[], more: number): string {
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

/** One warning per finding, short enough that the API server does not truncate it. */
export function asWarnings(findings: readonly ReviewFinding[], more: number): string[] {
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

function line({ text, keys, keysTotal }: ReviewFinding, limits: NameLimits): string {
  if (keysTotal === 0) return text;
  const shown = keys.slice(0, limits.names).map((key) => quoted(key, limits.characters));
  const rest = keysTotal - shown.length;
  const names = rest > 0 ? `${shown.join(', ')} and ${String(rest)} more` : shown.join(', ');
  return `${keysTotal === 1 ? 'key' : 'keys'} ${names}: ${text}`;
}

/** A quoted name, with control characters escaped. */
export function quoted(name: string, characters = IN_MESSAGES.characters): string {
  return `"${printable(name, characters)}"`;
}
