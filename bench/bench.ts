import 'reflect-metadata';

import { type Benchmark, CannotDo } from './benchmark.js';
import { BenchFixture } from './fixture.js';
import { floor, runClient } from './floor.js';
import * as operator from './operator-benchmarks.js';
import { type BenchmarkName, type Options, parseOptions, USAGE } from './options.js';
import { Report } from './report.js';
import type { ServerKind } from './server-process.js';
import { serve } from './served.js';
import { throttled } from './throttling-benchmark.js';
import { webhook } from './webhook-benchmark.js';

const BENCHMARKS: Readonly<Record<BenchmarkName, Benchmark>> = {
  floor,
  'start-up': operator.startUp,
  'first-sync': operator.firstSync,
  'added-roots': operator.addedRoots,
  steady: operator.steady,
  decrypt: operator.decrypt,
  edit: operator.edit,
  'edit-in-first-sync': operator.editInFirstSync,
  growth: operator.growth,
  webhook,
  throttled,
};

const [, program = '', part, name = ''] = process.argv;
// Parts that are to have a process of their own are in this bundle, too.
if (part === 'serve') await serve(name as ServerKind);
else if (part === 'client') await runClient(name);
else process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const options = parseOptions(args);
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n\n${USAGE}`);
    return 2;
  }
  const report = new Report();
  const fixture = await BenchFixture.prepare(options, program);
  let isComplete = true;
  try {
    for (const benchmark of options.only)
      for (let run = 1; run <= options.runs; run += 1) {
        if (!(await measure(benchmark, run, fixture, report))) isComplete = false;
        // After each, so that a run that is stopped has not been for nothing.
        if (options.json !== undefined) report.write(options.json, options);
      }
  } finally {
    await fixture.close();
  }
  process.stdout.write(`${report.table(options.markdown)}\n`);
  return isComplete ? 0 : 1;
}

/** Measures the subjects one after the other. @returns whether nothing failed. */
async function measure(
  name: BenchmarkName,
  run: number,
  fixture: BenchFixture,
  report: Report,
): Promise<boolean> {
  const { subjects, runs }: Options = fixture.options;
  const benchmark = BENCHMARKS[name];
  let isComplete = true;
  for (const subject of subjects) {
    process.stderr.write(`bench: ${name}, ${subject.name}, run ${String(run)} of ${String(runs)}\n`);
    try {
      if (benchmark.isOursOnly === true && subject.name !== 'ours') throw new CannotDo('only of ours');
      const add = (figure: string, value: number, unit: string): void => {
        report.add(subject.name, name, figure, value, unit);
      };
      await benchmark.run({ fixture, subject, add });
    } catch (error) {
      if (error instanceof CannotDo) report.skip(subject.name, name, error.message);
      else {
        isComplete = false;
        report.fail(subject.name, name, error);
      }
    } finally {
      await fixture.stop();
    }
  }
  return isComplete;
}
