/**
 * Something that the author can mend: the message says what is wrong and what to do, and is shown without a stack. It
 * holds names, positions and codes, never a value.
 */
export class AuthorError extends Error {
  override readonly name = 'AuthorError';
}
