/** Node has it itself, but loading it takes a while: only when it is used. */
export class Headers {
  constructor(...init) {
    return new globalThis.Headers(...init);
  }
}
