/**
 * A program cannot start for a reason that its user can correct. The message is complete and says what to do; the
 * program prints it to stderr and exits with code 1.
 */
export abstract class StartupError extends Error {}
