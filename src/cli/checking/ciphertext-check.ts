import { type CheckedItems, ItemCheck, type ItemToCheck } from '../../admission/item-check.js';
import type { KmsError } from '../../kms/kms-error.js';
import type { PlaintextInspector } from '../../kms/plaintext-inspector.js';

type Inspector = Pick<PlaintextInspector, 'inspect'>;

/** Far more than resources that are checked at a time. */
const MAX_REVIEWS = 1_000;

/** Finds nothing: only shape, base64 and size are checked. */
export const noInspector: Inspector = { inspect: () => Promise.resolve({ endsWithLineBreak: false }) };

/**
 * The webhook's check of ciphertexts for many resources. After the first outage KMS is not asked any more, and what
 * could not be checked is counted instead of reported item by item.
 */
export class CiphertextCheck {
  private readonly withKms: ItemCheck;
  private readonly offline: ItemCheck;
  private reason: KmsError | undefined;
  /** Ciphertexts that KMS could not be asked about. */
  unchecked = 0;

  constructor(inspector: Inspector, maxConcurrentRequests: number) {
    this.withKms = new ItemCheck(inspector, maxConcurrentRequests, MAX_REVIEWS);
    this.offline = new ItemCheck(noInspector, 1, MAX_REVIEWS);
  }

  /** The first failure that told nothing about a ciphertext. */
  get outage(): KmsError | undefined {
    return this.reason;
  }

  async check(items: readonly ItemToCheck[], signal: AbortSignal): Promise<CheckedItems> {
    const isOffline = this.reason !== undefined;
    const checked = await (isOffline ? this.offline : this.withKms).check(items, signal);
    const all = [...checked.failures()];
    const failures = all.filter(({ error }) => !error.isOutage);
    const lost = all.find(({ error }) => error.isOutage)?.error;
    this.reason ??= lost;
    this.unchecked += isOffline ? items.length - all.length : all.length - failures.length;
    return { failures: () => failures, withLineBreak: () => checked.withLineBreak() };
  }
}
