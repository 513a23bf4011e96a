// Tells what is in the bundles, from their source maps: which packages of which version, under which
// licence.
//
//   node describe-bundles.mjs DIST OUT
//
// writes OUT/THIRD_PARTY_NOTICES.txt, OUT/sbom.spdx.json (SPDX 2.3; scanners find it in the image, where
// they see no node_modules) and OUT/package.json (what Node and scanners need of it). It fails on a
// licence that nobody has looked at yet, and on a package that is there for development only, which no audit
// of what ships would see. The same input gives the same bytes.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const [dist, out] = process.argv.slice(2);
if (dist === undefined || out === undefined) throw new Error('usage: describe-bundles.mjs DIST OUT');

/** Permissive licences, whose notices below are all that they ask for. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'Python-2.0',
  'Unlicense',
]);
const LEGAL_FILE = /^(licen[cs]e|copying|notice)([-.].*)?$/i;

const product = readJson('package.json');
const { packages: locked } = readJson('package-lock.json');
const packages = bundledPackages();
const faults = packages.flatMap(({ name, version, license, ships }) => [
  ...(ALLOWED.has(license) ? [] : [`${name} ${version}: licence ${license} is not among the allowed ones`]),
  ...(ships ? [] : [`${name} ${version}: bundled, but not in the production tree; make it external`]),
]);
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);

mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'THIRD_PARTY_NOTICES.txt'), notices());
writeFileSync(join(out, 'sbom.spdx.json'), `${JSON.stringify(sbom(), null, 2)}\n`);
const { name, version, description, license, type } = product;
writeFileSync(
  join(out, 'package.json'),
  `${JSON.stringify({ name, version, private: true, description, license, type }, null, 2)}\n`,
);
console.log(`${packages.length} packages are in the bundles`);

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** The packages that at least one line of a bundle comes from, by name and version. */
function bundledPackages() {
  const folders = new Set();
  for (const file of readdirSync(dist).filter((entry) => entry.endsWith('.js.map'))) {
    for (const source of readJson(join(dist, file)).sources) {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(source)?.[0];
      if (folder !== undefined) folders.add(resolve(dirname(join(dist, file)), folder));
    }
  }
  if (folders.size === 0) throw new Error(`${dist} holds no source map that names a package`);
  const found = new Map();
  for (const folder of folders) {
    const manifest = readJson(join(folder, 'package.json'));
    const path = folder.slice(folder.indexOf('/node_modules/') + 1);
    found.set(`${manifest.name}@${manifest.version}`, {
      name: manifest.name,
      version: manifest.version,
      license: typeof manifest.license === 'string' ? manifest.license : 'NOASSERTION',
      author: typeof manifest.author === 'string' ? manifest.author : (manifest.author?.name ?? ''),
      integrity: locked[path]?.integrity,
      ships: locked[path] !== undefined && !locked[path].dev && !locked[path].devOptional,
      texts: readdirSync(folder)
        .filter((entry) => LEGAL_FILE.test(entry))
        .sort()
        .map((entry) => readFileSync(join(folder, entry), 'utf8').trim()),
    });
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

function notices() {
  const parts = packages.map(({ name, version, license, author, texts }) => {
    const own =
      texts.length > 0 ? texts : [`Licensed under ${license}${author === '' ? '' : `, by ${author}`}.`];
    return [`${name} ${version} (${license})`, ...own].join('\n\n');
  });
  return [`${product.name} contains the packages below.`, ...parts].join(`\n\n${'-'.repeat(80)}\n\n`) + '\n';
}

function sbom() {
  const commit = process.env.GIT_COMMIT ?? 'unspecified';
  const seconds = process.env.COMMIT_TIMESTAMP ?? '0';
  if (!/^\d+$/.test(seconds)) throw new Error('COMMIT_TIMESTAMP must be in seconds since 1970');
  const time = new Date(Number(seconds) * 1000);
  const home = 'https://github.com/patoarvizu/kms-vault-operator';
  const root = 'SPDXRef-Package-kms-vault-operator';
  const entries = packages.map(({ name, version, license, integrity }) => ({
    SPDXID: `SPDXRef-Package-${`${name}-${version}`.replace(/[^A-Za-z0-9.-]/g, '-').replace(/^-/, '')}`,
    name,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: license,
    copyrightText: 'NOASSERTION',
    ...(integrity?.startsWith('sha512-')
      ? {
          checksums: [
            {
              algorithm: 'SHA512',
              checksumValue: Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex'),
            },
          ],
        }
      : {}),
    externalRefs: [purl(name, version)],
  }));
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${product.name}-${product.version}`,
    documentNamespace: `${home}/spdx/${product.version}/${commit}`,
    creationInfo: { created: time.toISOString().replace('.000Z', 'Z'), creators: ['Tool: describe-bundles'] },
    documentDescribes: [root],
    packages: [
      {
        SPDXID: root,
        name: product.name,
        versionInfo: product.version,
        downloadLocation: `git+${home}.git`,
        filesAnalyzed: false,
        licenseConcluded: product.license,
        licenseDeclared: product.license,
        copyrightText: 'NOASSERTION',
        externalRefs: [purl(product.name, product.version)],
      },
      ...entries,
    ],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: root },
      ...entries.map(({ SPDXID }) => ({
        spdxElementId: root,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
}

function purl(name, version) {
  const locator = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  return { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: locator };
}
