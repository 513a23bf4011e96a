// `npm run demo`: shows the main job with the built programs, on the loopback servers.
import { runTypescript } from './typescript.mjs';

await runTypescript('scripts/demo/demo.ts');
