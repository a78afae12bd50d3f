/**
 * Loads uWebSockets.js: a copy that older C libraries accept (see glibc.ts) and that reads all close codes (see close-codes.ts);
 * where there can be no copy the package as it is. Types of the listener's API come from here too, so that only this file names the package.
 */
import { createHash, randomUUID } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { withAllCloseCodes } from './close-codes.js';
import { wantsGlibc238, withoutGlibc238 } from './glibc.js';

export type {
  AppOptions,
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_listen_socket,
  us_socket_context_t,
  WebSocket,
  WebSocketBehavior,
} from 'uWebSockets.js';

/** The addon as it really is: the package declares an enum that it does not have, and omits `_cfg`. */
export type Uws = Omit<typeof import('uWebSockets.js'), 'ListenOptions'> & {
  /** Option of `listen`: do not share the port with other processes. 0 shares it (SO_REUSEPORT). */
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: 1;
  _cfg(key: 'silent'): void;
};

let loaded: Uws | undefined;

/**
 * The listener's module, loaded at the first call of the process.
 *
 * @param maxHeaderBytes what a request line and its header block may take together. The addon reads it once, when
 *   it is loaded: a later call with another value returns the module with the first one. From a worker thread the
 *   addon does not see it, because a thread's `process.env` is a copy.
 * @throws Error when the addon has no binary for this platform, or none that loads.
 */
export function loadUws(maxHeaderBytes: number): Uws {
  if (loaded) return loaded;
  process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(maxHeaderBytes);
  const uws = openPackage();
  uws._cfg('silent'); // else every answer carries `uWebSockets: 20`
  loaded = uws;
  return uws;
}

function openPackage(): Uws {
  const require = createRequire(import.meta.url);
  // The name is put together as the package's uws.js does it.
  const binary = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  try {
    return openPatched(join(dirname(require.resolve('uWebSockets.js')), binary)) as Uws;
  } catch (why) {
    try {
      return require('uWebSockets.js');
    } catch (error) {
      throw wantsGlibc238(error) ? why : error;
    }
  }
}

/**
 * Opens the addon `file` from a copy that does not want glibc 2.38, and reads all close codes. The copy is kept in the user's
 * cache folder, under its hash; it is compared with what it should be before each use, so a damaged one is replaced.
 *
 * @throws AggregateError when no folder can hold the copy or the copy does not load; Error when `file` cannot be
 *   patched.
 */
export function openPatched(file: string): unknown {
  const source = readFileSync(file);
  const patched = withoutGlibc238(withAllCloseCodes(source) ?? source);
  const name = `uws-${createHash('sha256').update(patched).digest('hex')}.node`;
  const errors: unknown[] = [];
  for (const candidate of [userCacheFolder, temporaryFolder]) {
    try {
      const copy = join(privateFolder(candidate()), name);
      if (!holds(copy, patched)) replaceFile(copy, patched);
      const addon = { exports: {} };
      process.dlopen(addon, copy);
      return addon.exports;
    } catch (error) {
      errors.push(error); // a read-only home or a `noexec` mount: the other folder may do
    }
  }
  const reasons = errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ');
  throw new AggregateError(
    errors,
    `the listener's addon wants glibc 2.38, and no folder can hold a copy that does not: ${reasons}. ` +
      'Set XDG_CACHE_HOME to a folder of this user that can be written and executed from',
  );
}

function userCacheFolder(): string {
  const { XDG_CACHE_HOME } = process.env;
  const base = XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache');
  return join(base, 'sluice');
}

function temporaryFolder(): string {
  return join(tmpdir(), `sluice-${process.geteuid?.()}`);
}

/** Creates `folder` if need be. What is in it will be executed, so nobody else may own it or write to it. */
function privateFolder(folder: string): string {
  makeFolder(folder);
  const stat = lstatSync(folder);
  if (!stat.isDirectory()) throw new Error(`${folder} is not a folder`);
  if (stat.uid !== process.geteuid?.()) throw new Error(`${folder} belongs to another user`);
  if ((stat.mode & 0o022) !== 0) throw new Error(`${folder} can be written by other users`);
  return folder;
}

/** Not `recursive`: below /proc, where nothing can be made and the reason is given as ENOENT, that never ends. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
    makeFolder(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
  }
}

function holds(file: string, content: Buffer): boolean {
  try {
    return readFileSync(file).equals(content);
  } catch {
    return false;
  }
}

/** Writes beside and renames: processes that start together see no file or a whole one, and a mapped one stays. */
function replaceFile(file: string, content: Buffer): void {
  const draft = `${file}.${randomUUID()}`;
  try {
    writeFileSync(draft, content, { flag: 'wx', mode: 0o600 });
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}
