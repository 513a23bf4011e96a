// Builds the image's tree as a container builder would, in an empty folder, with a real `npm ci`, and tells
// what it weighs; where that is possible, starts both programs in it. It takes the network and a minute:
//
//   node scripts/image/try-build.mjs [--keep]
//
// `--keep` leaves the folder.
import { importTypescript } from '../typescript.mjs';

const { tryBuild } = await importTypescript('scripts/image/try-build.ts');
process.exitCode = tryBuild({ keep: process.argv.includes('--keep') });
