// Makes a clone ready to run: installs the dependencies and builds dist/, each only when it is missing or out of
// date. The hooks before `npm start`, `npm test` and the like call it, so on a fresh clone it runs on whatever Node
// the machine has (18 or later); after that npm puts the Node 24 of the `node` package first on the PATH.
//
// usage: node .ci/prepare.mjs [install]      `install` leaves out the build
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...names) => join(root, ...names);
const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');
const hash = (text) => createHash('sha256').update(text).digest('hex');

install();
if (process.argv[2] !== 'install') build();

function install() {
  const lock = read(at('package-lock.json'));
  if (!lock) fail('package-lock.json is missing: it says which dependencies to install.');
  const stampFile = at('node_modules', '.sluice-stamp');
  const stamp = `${hash(lock)} ${process.platform} ${process.arch}\n`;
  if (read(stampFile) === stamp) return;

  if (!isInstalled(JSON.parse(lock))) {
    console.log('Installing the dependencies (npm ci) …');
    // Without the folder that is about to be replaced, so that npm does not run on a Node that vanishes under it.
    const path = process.env.PATH.split(delimiter).filter((folder) => !folder.includes('node_modules'));
    run('npm', ['ci'], { ...process.env, PATH: path.join(delimiter) });
    requireNode();
  }
  writeFileSync(stampFile, stamp);
}

/** Whether node_modules already is what the lock file says: somebody has run `npm install` or `npm ci` by hand. */
function isInstalled(lock) {
  const hidden = read(at('node_modules', '.package-lock.json'));
  if (!hidden) return false;
  const installed = JSON.parse(hidden).packages;
  return Object.entries(lock.packages).every(
    ([path, wanted]) =>
      path === '' || (installed[path] ? installed[path].integrity === wanted.integrity : wanted.optional),
  );
}

/** Fails when the Node that the next npm script will find is older than `engines` in package.json allows. */
function requireNode() {
  const wanted = JSON.parse(read(at('package.json'))).engines.node;
  const [major, minor] = wanted.match(/\d+/g).map(Number);
  const env = { ...process.env, PATH: at('node_modules', '.bin') + delimiter + process.env.PATH };
  const found = String(spawnSync('node', ['--version'], { env }).stdout).trim();
  const [hasMajor, hasMinor] = (found.match(/\d+/g) ?? [0, 0]).map(Number);
  if (hasMajor > major || (hasMajor === major && hasMinor >= minor)) return;
  fail(
    `Sluice wants Node ${wanted}, this is ${found || 'none'}. The package \`node\` brings one unless install scripts ` +
      'are switched off (npm config get ignore-scripts).',
  );
}

function build() {
  const sources = [...walk(at('src')), at('tsconfig.json'), at('package-lock.json')];
  const stampFile = at('dist', '.sluice-stamp');
  const stamp = hash(
    sources.map((file) => ((stat) => `${file} ${stat.size} ${stat.mtimeMs}`)(statSync(file))).join('\n'),
  );
  if (read(stampFile) === stamp) return;

  console.log('Building (tsc) …');
  rmSync(stampFile, { force: true });
  run(process.execPath, [at('node_modules', 'typescript', 'bin', 'tsc'), '--project', at('tsconfig.json')]);
  removeOrphans();
  mkdirSync(at('dist'), { recursive: true });
  writeFileSync(stampFile, stamp);
}

/** Removes what earlier builds made of sources that are gone: tests and users would still find it. */
function removeOrphans() {
  for (const file of walk(at('dist'))) {
    const source = file.replace(at('dist'), at('src')).replace(/\.js(\.map)?$/, '.ts');
    if (/\.js(\.map)?$/.test(file) && !existsSync(source)) rmSync(file);
  }
}

function walk(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)]));
}

function run(command, args, env = process.env) {
  const shell = process.platform === 'win32' && command === 'npm'; // npm is a .cmd file there
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: 'inherit', shell });
  if (status !== 0) fail(`\`${command} ${args[0]}\` failed${error ? `: ${error.message}` : ''}.`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
