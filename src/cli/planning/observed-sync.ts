import { inject, injectable } from 'tsyringe';

import type { SecretSync } from '../../reconcile/secret-sync.js';
import type { SyncRequest, SyncResult } from '../../reconcile/sync-request.js';
import { TOKENS } from '../../tokens.js';

/** What the operator's sync was asked, and what it gave; no result when it failed. */
export interface ObservedResult {
  readonly request: SyncRequest;
  readonly result: SyncResult | undefined;
}

/** The sync of the operator, whose results can be looked at afterwards. */
@injectable()
export class ObservedSync implements Pick<SecretSync, 'sync'> {
  private readonly byUid = new Map<string, ObservedResult>();

  constructor(@inject(TOKENS.operatorSync) private readonly operator: SecretSync) {}

  async sync(request: SyncRequest, signal?: AbortSignal): Promise<SyncResult> {
    const { uid } = request.secret.metadata;
    this.byUid.set(uid, { request, result: undefined });
    const result = await this.operator.sync(request, signal);
    this.byUid.set(uid, { request, result });
    return result;
  }

  /** Undefined when the resource was refused before. */
  of(uid: string): ObservedResult | undefined {
    return this.byUid.get(uid);
  }
}
