import { inject, injectable } from 'tsyringe';

import { decodeBase64 } from '../api/base64.js';
import type { EncryptionContext } from '../api/resources.js';
import { readCiphertext } from '../kms/ciphertext.js';
import { KmsError } from '../kms/kms-error.js';
import type { PlaintextInspector } from '../kms/plaintext-inspector.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import { TOKENS } from '../tokens.js';

/** Far more than anybody uses. A larger context would be sorted and sent once per item that it applies to. */
const MAX_CONTEXT_CHARACTERS = 65_536;

/** Limit on reviews that wait for KMS at the same time; others are answered with "try again". */
const MAX_REVIEWS = 128;

/** One item as it would be decrypted at a sync. */
export interface ItemToCheck {
  readonly key: string;
  readonly encryptedSecret: string;
  readonly context: EncryptionContext;
}

export interface ItemFailure {
  readonly key: string;
  readonly error: KmsError;
}

/** The results in the order of the items; generated on demand, because there may be many. */
export interface CheckedItems {
  failures(): Iterable<ItemFailure>;
  /** Keys whose value is a single line with a trailing line break. */
  withLineBreak(): Iterable<string>;
}

/** The limit on reviews that wait for KMS is reached; the answer is "try again". */
export class TooManyReviews extends Error {
  override readonly name = 'TooManyReviews';
}

/**
 * Checks concurrently which items can be decrypted and drops the plaintexts. One review never queues more
 * requests than KMS takes at a time, so that a large resource does not delay a small one.
 */
@injectable()
export class ItemCheck {
  private asking = 0;
  private reviews = 0;

  constructor(
    @inject(TOKENS.inspector) private readonly inspector: Pick<PlaintextInspector, 'inspect'>,
    @inject(TOKENS.maxConcurrentKmsRequests) private readonly maxConcurrentRequests: number,
    /** Reviews that wait for KMS at a time. */
    @inject(TOKENS.maxReviewsAtKms, { isOptional: true })
    private readonly maxReviews: number = MAX_REVIEWS,
  ) {}

  /**
   * After a transient failure KMS is not called again: the remaining items fail in the same way. When `signal`
   * aborts, the remaining items are `Abandoned`.
   *
   * @throws TooManyReviews
   */
  async check(items: readonly ItemToCheck[], signal: AbortSignal): Promise<CheckedItems> {
    const outcomes = new Outcomes(items);
    const unreadable = ciphertextLimit();
    const tooLarge = contextLimit();
    items.forEach((item, index) => {
      const problem = unreadable(item.encryptedSecret) ?? tooLarge(item.context);
      if (problem !== undefined) outcomes.fail(index, problem);
    });
    if (outcomes.next(0) < items.length) await this.ask(items, signal, outcomes);
    return outcomes;
  }

  private async ask(items: readonly ItemToCheck[], signal: AbortSignal, outcomes: Outcomes): Promise<void> {
    if (this.asking >= this.maxReviews) throw new TooManyReviews();
    this.asking += 1;
    this.reviews += 1;
    const owner = `review ${String(this.reviews)}`;
    const giveUp = new LinkedAbort([signal]);
    let cause: KmsError | undefined;
    let at = 0;
    const askOneByOne = async (): Promise<void> => {
      for (let index = (at = outcomes.next(at)); index < items.length; index = at = outcomes.next(at)) {
        at = index + 1;
        const item = items[index];
        if (item === undefined) return;
        try {
          if (cause !== undefined) throw cause;
          const { endsWithLineBreak } = await this.inspector.inspect({ ...item, owner }, giveUp.signal);
          if (endsWithLineBreak) outcomes.noteLineBreak(index);
        } catch (error) {
          if (!(error instanceof KmsError)) throw error;
          if (error.isOutage) {
            cause ??= error;
            giveUp.abort();
          }
          outcomes.fail(index, error.isOutage ? (cause ?? error) : error);
        }
      }
    };
    try {
      const callers = Math.min(this.maxConcurrentRequests, items.length);
      await Promise.all(Array.from({ length: callers }, askOneByOne));
    } catch (error) {
      giveUp.abort();
      throw error;
    } finally {
      giveUp.dispose();
      this.asking -= 1;
    }
  }
}

const LINE_BREAK = 1;
const FIRST_ERROR = 2;

/** One number per item: there may be hundreds of thousands that fail in one of a few ways. */
class Outcomes implements CheckedItems {
  private readonly outcomes: Uint16Array;
  private readonly errors: KmsError[] = [];
  private readonly numbers = new Map<string, number>();

  constructor(private readonly items: readonly ItemToCheck[]) {
    this.outcomes = new Uint16Array(items.length);
  }

  fail(index: number, error: KmsError): void {
    const id = `${error.code}\n${error.message}`;
    let number = this.numbers.get(id);
    if (number === undefined) {
      number = FIRST_ERROR + this.errors.length;
      this.errors.push(error);
      this.numbers.set(id, number);
    }
    this.outcomes[index] = number;
  }

  noteLineBreak(index: number): void {
    this.outcomes[index] = LINE_BREAK;
  }

  /** The first item from `index` on without a result; the number of items when there is none. */
  next(index: number): number {
    const found = this.outcomes.indexOf(0, index);
    return found === -1 ? this.items.length : found;
  }

  *failures(): Iterable<ItemFailure> {
    for (const [index, { key }] of this.items.entries()) {
      const error = this.errors[(this.outcomes[index] ?? 0) - FIRST_ERROR];
      if (error !== undefined) yield { key, error };
    }
  }

  *withLineBreak(): Iterable<string> {
    for (const [index, { key }] of this.items.entries()) if (this.outcomes[index] === LINE_BREAK) yield key;
  }
}

/** Checks ciphertexts without an error object for each: a hundred thousand stack traces would take seconds. */
function ciphertextLimit(): (encryptedSecret: string) => KmsError | undefined {
  let notBase64: KmsError | undefined;
  return (encryptedSecret) => {
    if (
      notBase64 !== undefined &&
      encryptedSecret.length < 10_000 &&
      decodeBase64(encryptedSecret) === undefined
    )
      return notBase64;
    try {
      readCiphertext(encryptedSecret);
      return undefined;
    } catch (error) {
      if (!(error instanceof KmsError)) throw error;
      if (error.code === 'NotBase64') notBase64 = error;
      return error;
    }
  };
}

/** Checks each context once, however many items share it. */
function contextLimit(): (context: EncryptionContext) => KmsError | undefined {
  const checked = new Map<EncryptionContext, KmsError | undefined>();
  return (context) => {
    if (checked.has(context)) return checked.get(context);
    let characters = 0;
    for (const [name, value] of Object.entries(context)) characters += name.length + value.length + 6;
    const problem =
      characters > MAX_CONTEXT_CHARACTERS
        ? new KmsError('wrong-input', 'ContextTooLarge', 'its encryption context is too large')
        : undefined;
    checked.set(context, problem);
    return problem;
  };
}
