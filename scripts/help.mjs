// `npm run help`: every npm script with what it is for.
import { readFileSync } from 'node:fs';

const { scripts, descriptions } = JSON.parse(readFileSync('package.json', 'utf8'));
const width = Math.max(...Object.keys(scripts).map((name) => name.length));
for (const [name, description] of Object.entries(descriptions)) {
  const command = name === 'test' ? 'npm test' : `npm run ${name}`;
  console.log(`${command.padEnd(width + 'npm run '.length)}  ${description}`);
}
