import { AnswerTooLargeError, KubeError, NoAnswerError } from '../kube/kube-error.js';
import type { CollectionLister, Page } from './collection-lister.js';

export interface CompleteListOptions {
  readonly lister: CollectionLister;
  /** The maximum number of items per page. */
  readonly pageSize: number;
  /** Waits before a page is asked for again, at least as long as the server asked for. */
  readonly pause: (askedMs: number | undefined, signal: AbortSignal) => Promise<void>;
}

/**
 * How often a list whose continue token has expired begins again in pages before it is read in one piece. Each
 * time the pages are larger: fewer requests finish within the life of a token, and each stays within its limit.
 */
const PAGED_RESTARTS = 3;

/**
 * Reads all pages of a collection. A page that is too large, or that the server does not finish, is
 * asked for in smaller pieces; one that is refused with 429 is asked for again: a list from the start
 * would cost more.
 */
export class CompleteList {
  /** Lowered permanently when a page is too large. */
  private pageSize: number;

  constructor(private readonly options: CompleteListOptions) {
    this.pageSize = options.pageSize;
  }

  /**
   * @param onPage called with each page; from the beginning again when the list had to begin again.
   * @param onBegin called before the first page of each attempt.
   * @returns the last page, whose version is that of the whole list.
   * @throws KubeError
   */
  async read(signal: AbortSignal, onBegin: () => void, onPage: (page: Page) => Promise<void>): Promise<Page> {
    let { pageSize } = this;
    for (let restarts = 0; restarts <= PAGED_RESTARTS; restarts += 1) {
      try {
        return await this.readPages(pageSize, signal, onBegin, onPage);
      } catch (error) {
        // A continue token lives for some minutes, until etcd is compacted. The answer carries a fresh one
        // for the rest at a newer version (`inconsistentContinue` in apiserver's etcd3/errors.go): good for a
        // display, but a watch needs one version for all. The list begins again.
        if (!(error instanceof ExpiredTokenError)) throw error;
        pageSize *= 4;
      }
    }
    return await this.inOnePiece(signal, onBegin, onPage);
  }

  /** Needs no token; an answer that is larger than may be read is asked for in the largest pages that fit. */
  private async inOnePiece(
    signal: AbortSignal,
    onBegin: () => void,
    onPage: (page: Page) => Promise<void>,
  ): Promise<Page> {
    try {
      return await this.readPages(undefined, signal, onBegin, onPage);
    } catch (error) {
      if (!(error instanceof AnswerTooLargeError)) throw error;
      return await this.readPages(this.pageSize * 4 ** PAGED_RESTARTS, signal, onBegin, onPage);
    }
  }

  private async readPages(
    limit: number | undefined,
    signal: AbortSignal,
    onBegin: () => void,
    onPage: (page: Page) => Promise<void>,
  ): Promise<Page> {
    onBegin();
    let token: string | undefined;
    let size = limit;
    for (;;) {
      const page: Page | 'smaller' = await this.page(size, token, signal);
      if (page === 'smaller') {
        size = smaller(size ?? 1);
        continue;
      }
      await onPage(page);
      if (page.continueToken === undefined) return page;
      token = page.continueToken;
    }
  }

  private async page(
    limit: number | undefined,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<Page | 'smaller'> {
    const { lister, pause } = this.options;
    for (;;) {
      try {
        return await lister.page(limit, token, signal);
      } catch (error) {
        if (!(error instanceof KubeError) || signal.aborted) throw error;
        if (error.status === 410 && token !== undefined) throw new ExpiredTokenError();
        if (error.status === 429) {
          await pause(error.retryAfterMs, signal);
          continue;
        }
        if (limit === undefined || limit === 1) throw error;
        const tooLarge = error instanceof AnswerTooLargeError || error.status === 413;
        if (tooLarge) this.pageSize = Math.min(this.pageSize, smaller(limit));
        else if (error instanceof NoAnswerError || error.status === 504) await pause(undefined, signal);
        else throw error;
        return 'smaller';
      }
    }
  }
}

function smaller(limit: number): number {
  return Math.max(1, Math.floor(limit / 4));
}

/** Escapes {@link CompleteList} only if no attempt was completed in time. */
export class ExpiredTokenError extends KubeError {
  constructor() {
    super(
      'the continue token of the list expires before the list is complete, even in the largest pages',
      410,
    );
  }
}
