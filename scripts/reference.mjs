// `npm run reference`: writes docs/reference.md from what the programs declare. With --check it writes nothing and
// fails when the file is not current.
import { readFileSync, writeFileSync } from 'node:fs';

import { importTypescript } from './typescript.mjs';

const { REFERENCE_FILE, renderReference } = await importTypescript('scripts/reference/reference.ts');
const text = await renderReference();
if (!process.argv.includes('--check')) writeFileSync(REFERENCE_FILE, text);
else if (readFileSync(REFERENCE_FILE, 'utf8') !== text) {
  console.error(`${REFERENCE_FILE} is not current: run npm run reference`);
  process.exit(1);
}
