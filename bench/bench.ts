import 'reflect-metadata';

import { parseArgs } from 'node:util';

import { editDuringBacklog, firstSync, quietPeriod, restart } from './operator-benchmarks.js';
import { runBareClient } from './bare-client.js';
import { serveKms } from './kms-process.js';
import { Report } from './report.js';
import { BenchFixture } from './fixture.js';
import { throttledKms } from './throttling-benchmark.js';
import { admission } from './webhook-benchmark.js';

const USAGE = 'usage: npm run bench -- [--resources N] [--json FILE] [--only-throttled]';

const [, , part, ...numbers] = process.argv;
// Parts that are to have a process of their own are in this bundle, too.
if (part === 'kms') await serveKms();
else if (part === 'sdk') await runBareClient(Number(numbers[0]), Number(numbers[1]));
else process.exitCode = await main();

async function main(): Promise<number> {
  const options = parsed();
  if (typeof options === 'string') {
    process.stderr.write(`bench: ${options}\n${USAGE}\n`);
    return 2;
  }
  const { resources, json, benchmarks } = options;
  const report = new Report();
  const fixture = await BenchFixture.prepare();
  try {
    for (const benchmark of benchmarks) {
      process.stderr.write(`bench: ${benchmark.name}\n`);
      await benchmark(fixture, report, resources);
    }
  } finally {
    await fixture.close();
  }
  process.stdout.write(`${report.table()}\n`);
  if (json !== undefined) report.write(json, { resources });
  return 0;
}

interface Options {
  /** Applied before anything is measured. */
  readonly resources: number;
  readonly json: string | undefined;
  readonly benchmarks: readonly Benchmark[];
}

type Benchmark = (fixture: BenchFixture, report: Report, resources: number) => Promise<void>;

function parsed(): Options | string {
  try {
    const { values } = parseArgs({
      options: {
        resources: { type: 'string', default: '1000' },
        json: { type: 'string' },
        'only-throttled': { type: 'boolean', default: false },
      },
    });
    const resources = Number(values.resources);
    if (!Number.isInteger(resources) || resources < 10)
      return '--resources must be a whole number from 10 on';
    const { json } = values;
    if (values['only-throttled']) return { resources: 0, json, benchmarks: [throttledKms] };
    const benchmarks = [firstSync, restart, quietPeriod, editDuringBacklog, throttledKms, admission];
    return { resources, json, benchmarks };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
