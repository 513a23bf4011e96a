import { SECRET_KIND, type Kind } from '../api/group.js';
import type { SecretItem } from '../api/resources.js';
import { definesValue, nonEmptyContext } from '../api/validation.js';
import { isRecord } from './admission-review.js';
import type { FindingSink } from './review-findings.js';
import { warnOfMetadata } from './metadata-warnings.js';
import type { SpecItems } from './spec-items.js';

/** Warnings about what works but is probably a mistake; it stays allowed, because stored resources may have it. */
export function warnOf(
  kind: Kind,
  spec: Readonly<Record<string, unknown>>,
  specItems: SpecItems,
  warnings: FindingSink,
): void {
  const { items } = specItems;
  if (kind === SECRET_KIND) warnOfSettings(spec, warnings);
  const includes: readonly unknown[] = Array.isArray(spec.includeSecrets) ? spec.includeSecrets : [];
  if (!items.some(definesValue) && includes.length === 0) {
    warnings.add(
      'NothingToSync',
      'nothing to sync: no item has a value' + (kind === SECRET_KIND ? ', and nothing is included' : ''),
    );
  }
  for (const item of items) warnOfItem(item, warnings);
  warnOfContexts(kind, specItems, warnings);
}

function warnOfSettings({ kvSettings }: Readonly<Record<string, unknown>>, warnings: FindingSink): void {
  if (!isRecord(kvSettings)) return;
  warnOfMetadata(kvSettings, warnings);
  if (kvSettings.engineVersion !== 'v1' || kvSettings.casIndex === undefined) return;
  warnings.add('CasIndexIgnored', 'spec.kvSettings.casIndex is ignored with engineVersion v1; remove it', {
    field: 'spec.kvSettings.casIndex',
  });
}

function warnOfItem(item: SecretItem, warnings: FindingSink): void {
  const { key, encryptedSecret = '', emptySecret } = item;
  if (key === '') warnings.add('EmptyKey', 'an item has an empty key; give it a name');
  if (!definesValue(item)) {
    const text = 'it has neither encryptedSecret nor emptySecret: true, so it is skipped';
    warnings.add('WithoutValue', text, { key });
  }
  if (emptySecret === true && encryptedSecret !== '') {
    warnings.add('CiphertextIgnored', 'encryptedSecret is ignored because emptySecret is true', {
      key,
      field: 'encryptedSecret',
    });
  }
}

function warnOfContexts(kind: Kind, { items, ownContext }: SpecItems, warnings: FindingSink): void {
  const encrypted = items.filter((item) => definesValue(item) && item.emptySecret !== true);
  const hasContext = (item: SecretItem): boolean =>
    ownContext !== undefined || nonEmptyContext(item.secretContext) !== undefined;
  // A partial's item may get its context from the including resource.
  const someHaveOne = kind === SECRET_KIND && encrypted.some(hasContext);
  for (const item of encrypted) {
    const given = item.secretContext ?? undefined;
    if (given !== undefined && nonEmptyContext(given) === undefined && ownContext !== undefined) {
      const text = 'its secretContext is empty, so spec.secretContext applies; remove the empty one';
      warnings.add('EmptyContext', text, { key: item.key, field: 'secretContext' });
    }
    if (someHaveOne && !hasContext(item)) {
      warnings.add(
        'EmptyContext',
        'has no secretContext although other items have one; check that this is intended',
        { key: item.key },
      );
    }
  }
}
