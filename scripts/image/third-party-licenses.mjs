// Prints the name, version and licence of every package that ships, with the text of its licence. The
// lock file says which packages those are.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const RULE = '='.repeat(80);

for (const [path, entry] of Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1))) {
  if (path === '' || entry.dev === true || entry.devOptional === true || !existsSync(path)) continue;
  const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  console.log(`${RULE}\n${name} ${version} (${license ?? 'licence as below'})\n`);
  const texts = readdirSync(path).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  for (const text of texts.sort()) console.log(`${readFileSync(join(path, text), 'utf8').trim()}\n`);
}
