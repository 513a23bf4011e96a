import type { BenchFixture } from './fixture.js';
import type { Subject } from './options.js';

/** Takes one figure of the subject that is being measured. */
export type Add = (figure: string, value: number, unit: string) => void;

export interface Run {
  readonly fixture: BenchFixture;
  readonly subject: Subject;
  readonly add: Add;
}

/** A subject cannot do a benchmark; the message says why. */
export class CannotDo extends Error {
  override readonly name = 'CannotDo';
}

export interface Benchmark {
  /** Measures nothing of another operator. */
  readonly isOursOnly?: boolean;
  run(run: Run): Promise<void>;
}
