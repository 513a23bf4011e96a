/**
 * Buffers that may hold a secret and are filled with zeros after use. Strings cannot be wiped; these can.
 */
export class WipedBytes {
  private held: Uint8Array[] = [];
  private isOver = false;

  /** Wipes the bytes immediately if {@link wipe} was called already. */
  add(bytes: Uint8Array): void {
    if (this.isOver) bytes.fill(0);
    else this.held.push(bytes);
  }

  /** Fills all buffers with zeros, also those that are added later. */
  wipe(): void {
    this.isOver = true;
    for (const bytes of this.held) bytes.fill(0);
    this.held = [];
  }
}
