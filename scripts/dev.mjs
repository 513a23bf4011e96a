// `npm run dev`: the loopback servers stay up while the operator is rebuilt and restarted at each change.
import { runTypescript } from './typescript.mjs';

await runTypescript('scripts/dev/dev.ts');
