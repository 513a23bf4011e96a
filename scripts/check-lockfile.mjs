// Checks the packages that ship, over the lock file: against a deny-list, because not every registry answers
// `npm audit` or carries deprecation marks, and a check that relies on them could never fail; and that each
// comes from the registry and is known by its hash. Says what they weigh, where they are installed.
//
//   node scripts/check-lockfile.mjs [LOCK_FILE]
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const denied = JSON.parse(readFileSync(new URL('denied-packages.json', import.meta.url), 'utf8'));
const lockFile = process.argv[2] ?? 'package-lock.json';
const { packages } = JSON.parse(readFileSync(lockFile, 'utf8'));

const faults = [];
let shipped = 0;
let bytes = 0;
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
  if (!/^sha512-/.test(entry.integrity ?? '')) faults.push(`${name} ${entry.version}: no SHA-512 hash`);
  if (entry.resolved !== undefined && !entry.resolved.startsWith('https://registry.npmjs.org/'))
    faults.push(`${name} ${entry.version}: not from the registry: ${entry.resolved}`);
  bytes += weight(join(dirname(lockFile), path), true);
}
for (const fault of faults) console.error(`denied package in the tree that ships: ${fault}`);
if (faults.length > 0) process.exit(1);
const installed = bytes === 0 ? 'not installed here' : `${megabytes(bytes)} installed`;
console.log(`${shipped} packages ship (${installed}); none is on the deny-list`);
const bundles = ['operator', 'validating-webhook']
  .map((name) => `dist/${name}.js`)
  .filter((file) => existsSync(file));
if (bundles.length > 0)
  console.log(`bundles: ${bundles.map((file) => `${file} ${megabytes(lstatSync(file).size)}`).join(', ')}`);

function isBelow(version, limit) {
  const [a, b] = [version, limit].map((text) => text.split('-')[0].split('.').map(Number));
  for (let index = 0; index < 3; index += 1) if (a[index] !== b[index]) return a[index] < b[index];
  return version.includes('-');
}

/** A package without the packages in it, which are counted by themselves. */
function weight(path, isPackage) {
  if (!existsSync(path)) return 0;
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path)
    .filter((name) => !isPackage || name !== 'node_modules')
    .reduce((sum, name) => sum + weight(join(path, name), false), 0);
}

function megabytes(count) {
  return `${(count / 1e6).toFixed(1)} MB`;
}
