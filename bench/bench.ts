import 'reflect-metadata';

import { parseArgs } from 'node:util';

import { editDuringBacklog, firstSync, quietPeriod, restart, throttledKms } from './operator-benchmarks.js';
import { Report } from './report.js';
import { BenchStand } from './stand.js';
import { admission } from './webhook-benchmark.js';

const USAGE = 'usage: npm run bench -- [--resources N] [--json FILE]';

process.exitCode = await main();

async function main(): Promise<number> {
  const options = parsed();
  if (typeof options === 'string') {
    process.stderr.write(`bench: ${options}\n${USAGE}\n`);
    return 2;
  }
  const { resources, json } = options;
  const report = new Report();
  const stand = await BenchStand.prepare();
  try {
    for (const benchmark of [firstSync, restart, quietPeriod, editDuringBacklog, throttledKms, admission]) {
      process.stderr.write(`bench: ${benchmark.name}\n`);
      await benchmark(stand, report, resources);
    }
  } finally {
    await stand.close();
  }
  process.stdout.write(`${report.table()}\n`);
  if (json !== undefined) report.write(json, { resources });
  return 0;
}

function parsed(): { readonly resources: number; readonly json: string | undefined } | string {
  try {
    const { values } = parseArgs({
      options: { resources: { type: 'string', default: '1000' }, json: { type: 'string' } },
    });
    const resources = Number(values.resources);
    if (!Number.isInteger(resources) || resources < 10)
      return '--resources must be a whole number from 10 on';
    return { resources, json: values.json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
