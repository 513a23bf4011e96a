import { printable } from './printable.js';
import type { EncryptionContext } from './resources.js';

/** Code and reason of a key whose ciphertext is refused because of its encryption context. */
export const CONTEXT_NOT_ALLOWED = 'ContextNotAllowed';

export type ContextMode = 'audit' | 'enforce';

/** A pair of an encryption context; the value may have the placeholders of {@link ContextSubject}. */
export interface ContextPair {
  readonly name: string;
  readonly value: string;
}

/** The values of the flags `--required-context…`. */
export interface ContextRules {
  readonly mode: ContextMode;
  /** For items of a `KMSVaultSecret`. */
  readonly own: readonly ContextPair[];
  /** For items of a `PartialKMSVaultSecret`. */
  readonly partial: readonly ContextPair[];
  readonly exemptNamespaces: readonly string[];
}

/** What the placeholders of a pair stand for. */
export interface ContextSubject {
  readonly namespace: string;
  /** Undefined: not chosen yet, so pairs with `{{name}}` are not judged. */
  readonly name?: string | undefined;
  /** Normalised `spec.path`; undefined: pairs with `{{path}}` are not judged. */
  readonly path?: string | undefined;
}

const PLACEHOLDER = /\{\{(namespace|name|path)\}\}/g;
/** Names and values come from anybody who can create a resource. */
const MAX_CHARACTERS = 64;
const MAX_PAIRS_IN_MESSAGE = 4;

/**
 * Which pairs the encryption context of a ciphertext must have: `--required-context` and its siblings. Without rules,
 * and in exempt namespaces, every context is allowed.
 */
export class RequiredContext {
  private readonly exempt: ReadonlySet<string>;

  private constructor(private readonly rules: ContextRules | undefined) {
    this.exempt = new Set(rules?.exemptNamespaces);
  }

  /** Allows every context. */
  static readonly none = new RequiredContext(undefined);

  static of(rules: ContextRules | undefined): RequiredContext {
    return rules === undefined ? RequiredContext.none : new RequiredContext(rules);
  }

  get mode(): ContextMode {
    return this.rules?.mode ?? 'enforce';
  }

  /** @returns undefined when nothing is required there. */
  ofSecret(subject: ContextSubject): ContextCheck | undefined {
    return this.check(this.rules?.own, subject, '--required-context');
  }

  /** For the items of a partial, whichever resource includes it. */
  ofPartial({ namespace }: Pick<ContextSubject, 'namespace'>): ContextCheck | undefined {
    return this.check(this.rules?.partial, { namespace }, '--required-partial-context');
  }

  private check(
    pairs: readonly ContextPair[] | undefined,
    subject: ContextSubject,
    flag: string,
  ): ContextCheck | undefined {
    if (pairs === undefined || this.exempt.has(subject.namespace)) return undefined;
    const resolved = pairs.flatMap((pair) => resolve(pair, subject) ?? []);
    return resolved.length === 0 ? undefined : new ContextCheck(resolved, flag);
  }
}

/** The pairs that are required of one resource. */
export class ContextCheck {
  /** Many items may share a context, which may be as large as the whole spec. */
  private readonly judged = new Map<EncryptionContext, string | undefined>();

  constructor(
    private readonly pairs: readonly ContextPair[],
    private readonly flag: string,
  ) {}

  /** What is wrong with a context, such as `its encryption context lacks namespace=web`, or undefined. */
  problemOf(context: EncryptionContext): string | undefined {
    if (!this.judged.has(context)) this.judged.set(context, this.judge(context));
    return this.judged.get(context);
  }

  /** The pairs as they are written in a message: `namespace=web, name=api`. */
  get text(): string {
    return listed(this.pairs.map(textOf), ', ');
  }

  private judge(context: EncryptionContext): string | undefined {
    const problems = this.pairs.flatMap((pair) => {
      // An inherited property such as `constructor` is no pair.
      const value: unknown = Object.hasOwn(context, pair.name) ? context[pair.name] : undefined;
      if (value === pair.value) return [];
      return typeof value === 'string'
        ? [`has ${textOf({ name: pair.name, value })} instead of ${textOf(pair)}`]
        : [`lacks ${textOf(pair)}`];
    });
    return problems.length === 0
      ? undefined
      : `its encryption context ${listed(problems, ' and ')}, required by ${this.flag}`;
  }
}

/** Replaces all placeholders at once, so that nothing in a path can be taken for one. */
function resolve({ name, value }: ContextPair, subject: ContextSubject): ContextPair | undefined {
  let isKnown = true;
  const resolved = value.replace(PLACEHOLDER, (_, placeholder: keyof ContextSubject) => {
    const text = subject[placeholder];
    if (text === undefined) isKnown = false;
    return text ?? '';
  });
  return isKnown ? { name, value: resolved } : undefined;
}

function textOf({ name, value }: ContextPair): string {
  return `${printable(name, MAX_CHARACTERS)}=${printable(value, MAX_CHARACTERS)}`;
}

function listed(texts: readonly string[], separator: string): string {
  const rest = texts.length - MAX_PAIRS_IN_MESSAGE;
  const shown = texts.slice(0, MAX_PAIRS_IN_MESSAGE).join(separator);
  return rest > 0 ? `${shown} and ${String(rest)} more` : shown;
}
