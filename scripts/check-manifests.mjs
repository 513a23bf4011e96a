// Checks everything that can be applied to a cluster; see scripts/manifests/check.ts.
import { importTypescript } from './typescript.mjs';

const { checkManifests } = await importTypescript('scripts/manifests/check.ts');
const { faults, summary } = await checkManifests();
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
console.log(summary);
