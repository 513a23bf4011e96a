// Makes the files of a release for the author's tool, from dist/cli.js: the program, an archive of it for krew, its
// checksum, and the krew manifest.
//
//   node scripts/krew.mjs FOLDER
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PROGRAM = 'kubectl-kms_vault';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node scripts/krew.mjs FOLDER');
  process.exit(2);
}
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const archive = `${PROGRAM}-${version}.tar.gz`;

mkdirSync(folder, { recursive: true });
copyFileSync('dist/cli.js', join(folder, PROGRAM));
chmodSync(join(folder, PROGRAM), 0o755);
copyFileSync('LICENSE', join(folder, 'LICENSE'));
// The same bytes whoever makes it, and when.
const fixed = [
  '--sort=name',
  '--mtime=@0',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '--mode=go=u-w',
  '--format=ustar',
];
execFileSync('tar', [...fixed, '-I', 'gzip -n9', '-cf', archive, 'LICENSE', PROGRAM], { cwd: folder });
const sha256 = createHash('sha256')
  .update(readFileSync(join(folder, archive)))
  .digest('hex');
writeFileSync(join(folder, `${archive}.sha256`), `${sha256}  ${archive}\n`);

const values = { version, archive, sha256 };
const manifest = readFileSync('scripts/krew/kms-vault.yaml', 'utf8')
  // What the template says of itself.
  .replace(/^(?:#.*\n)+/, '')
  .replace(/\{\{(\w+)\}\}/g, (whole, name) => {
    if (!Object.hasOwn(values, name)) throw new Error(`unknown placeholder ${whole}`);
    return values[name];
  });
writeFileSync(join(folder, 'kms-vault.yaml'), manifest);
