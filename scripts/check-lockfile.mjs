// Checks the packages that ship against a deny-list, over the lock file: not every registry answers
// `npm audit` or carries deprecation marks, and a check that relies on them could never fail.
import { readFileSync } from 'node:fs';

const denied = JSON.parse(readFileSync(new URL('denied-packages.json', import.meta.url), 'utf8'));
const lockFile = process.argv[2] ?? 'package-lock.json';
const { packages } = JSON.parse(readFileSync(lockFile, 'utf8'));

const faults = [];
let shipped = 0;
for (const [path, entry] of Object.entries(packages)) {
  if (path === '' || entry.dev === true || entry.devOptional === true) continue;
  shipped += 1;
  const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  for (const rule of denied) {
    if (rule.name === name && (rule.below === '*' || isBelow(entry.version, rule.below))) {
      faults.push(`${name} ${entry.version}: ${rule.reason}`);
    }
  }
  if (entry.deprecated !== undefined)
    faults.push(`${name} ${entry.version}: deprecated: ${entry.deprecated}`);
}
for (const fault of faults) console.error(`denied package in the tree that ships: ${fault}`);
if (faults.length > 0) process.exit(1);
console.log(`${shipped} packages ship; none is on the deny-list`);

function isBelow(version, limit) {
  const [a, b] = [version, limit].map((text) => text.split('-')[0].split('.').map(Number));
  for (let index = 0; index < 3; index += 1) if (a[index] !== b[index]) return a[index] < b[index];
  return version.includes('-');
}
