import { vaultSeconds } from '../api/vault-duration.js';
import type { CustomMetadata, KvMetadata, KvMetadataChange } from './kv-store.js';
import { objectMembers } from './raw-json.js';
import { answerMembers, unexpectedAnswer } from './vault-answers.js';

/** The settings that `<mount>/metadata/<name>` answers. @throws VaultError when Vault would not answer so. */
export function parseMetadata(text: string, path: string): KvMetadata {
  const members = answerMembers(answerMembers(text, 'read', path).get('data') ?? 'null', 'read', path);
  const value = (name: string): unknown => JSON.parse(members.get(name) ?? 'null') as unknown;
  const maxVersions = value('max_versions');
  const casRequired = value('cas_required');
  const after = value('delete_version_after') ?? '0s';
  const deleteVersionAfterSeconds = typeof after === 'string' ? vaultSeconds(after) : undefined;
  const customMetadata = parseCustomMetadata(members.get('custom_metadata') ?? 'null');
  const isSound =
    typeof maxVersions === 'number' && typeof casRequired === 'boolean' && customMetadata !== undefined;
  if (!isSound || deleteVersionAfterSeconds === undefined) throw unexpectedAnswer('read', path);
  const revision = value('current_metadata_version');
  return {
    maxVersions,
    casRequired,
    deleteVersionAfterSeconds,
    customMetadata,
    ...(typeof revision === 'number' ? { revision } : {}),
  };
}

/** `custom_metadata` as Vault answers it; null is an empty map. @returns undefined when it is none. */
export function parseCustomMetadata(raw: string): CustomMetadata | undefined {
  if (raw === 'null') return new Map();
  if (!raw.startsWith('{')) return undefined;
  const entries = [...objectMembers(raw)].map(([key, text]) => [key, JSON.parse(text) as unknown] as const);
  return new Map(
    entries.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

/** The body of a change; a map is written member by member, because `__proto__` is a key like any other. */
export function metadataBody(change: KvMetadataChange): string {
  const { maxVersions, deleteVersionAfterSeconds, casRequired, customMetadata, revision } = change;
  const members = [
    member('max_versions', maxVersions),
    member(
      'delete_version_after',
      deleteVersionAfterSeconds === undefined ? undefined : `${String(deleteVersionAfterSeconds)}s`,
    ),
    member('cas_required', casRequired),
    ...(customMetadata === undefined
      ? []
      : [
          `"custom_metadata":{${[...customMetadata].flatMap(([key, value]) => member(key, value)).join(',')}}`,
        ]),
    // OpenBao's check-and-set for metadata; Vault has none.
    member('metadata_cas', revision),
  ];
  return `{${members.flat().join(',')}}`;
}

function member(name: string, value: unknown): string[] {
  return value === undefined ? [] : [`${JSON.stringify(name)}:${JSON.stringify(value)}`];
}
