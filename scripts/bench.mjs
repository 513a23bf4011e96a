// `npm run bench`: measures the built programs on the loopback servers.
import { runTypescript } from './typescript.mjs';

await runTypescript('bench/bench.ts');
