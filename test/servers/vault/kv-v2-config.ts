import { boolField, intField, secondsField } from './fields.js';
import { goDuration } from './fields.js';
import { NO_CONTENT, unsupportedOperation, type VaultAnswer, type VaultCall } from './protocol.js';
import { goJson } from './raw-json.js';

/** `<mount>/config` of a v2 engine: defaults and requirements for all its secrets. */
export class KvV2Config {
  casRequired = false;
  metadataCasRequired = false;
  maxVersions = 0;
  /** -1: no version is ever deleted, whatever its metadata say. */
  private deleteAfterSeconds = 0;

  handle(call: VaultCall): VaultAnswer {
    switch (call.operation) {
      case 'read':
        return { status: 200, data: this.text() };
      case 'create':
      case 'update':
        this.change(call);
        return NO_CONTENT;
      case 'delete':
        throw unsupportedOperation();
    }
  }

  /** The smaller one of what the mount and the secret say; 0: never. */
  deleteAfter(ofSecret: number): number {
    const ofMount = this.deleteAfterSeconds;
    if (ofMount < 0) return 0;
    return ofMount === 0 || ofSecret === 0 ? ofMount + ofSecret : Math.min(ofMount, ofSecret);
  }

  private change(call: VaultCall): void {
    this.casRequired = boolField(call, 'cas_required') ?? this.casRequired;
    this.metadataCasRequired = boolField(call, 'metadata_cas_required') ?? this.metadataCasRequired;
    this.maxVersions = intField(call, 'max_versions') ?? this.maxVersions;
    if (call.body.get('delete_version_after') === '"-1s"') this.deleteAfterSeconds = -1;
    else this.deleteAfterSeconds = secondsField(call, 'delete_version_after') ?? this.deleteAfterSeconds;
  }

  private text(): string {
    return goJson({
      cas_required: this.casRequired,
      delete_version_after: this.deleteAfterSeconds < 0 ? '-1s' : goDuration(this.deleteAfterSeconds),
      max_versions: this.maxVersions,
      metadata_cas_required: this.metadataCasRequired,
    });
  }
}
