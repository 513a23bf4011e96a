// `npm run test:chaos`: random changes and faults on the built programs, judged by an oracle.
import { runTypescript } from './typescript.mjs';

await runTypescript('test/chaos/chaos.ts');
