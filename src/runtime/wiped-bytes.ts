/**
 * Buffers that may hold a secret, and are filled with zeros once it is out of them. Strings cannot be
 * wiped; these can.
 */
export class WipedBytes {
  private held: Uint8Array[] = [];
  private isOver = false;

  /** Wiped at once when the end has come already. */
  add(bytes: Uint8Array): void {
    if (this.isOver) bytes.fill(0);
    else this.held.push(bytes);
  }

  /** Fills everything with zeros, and what is added later too. */
  wipe(): void {
    this.isOver = true;
    for (const bytes of this.held) bytes.fill(0);
    this.held = [];
  }
}
