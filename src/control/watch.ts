import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, realpathSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config/schema.js';

/** Editors and deployment tools write in several steps. */
const SETTLE_MS = 100;
/** For what no event tells: network file systems, a folder that was replaced. */
const LOOK_EVERY_MS = 5000;

/** The configuration file and the files it names. */
export function watchedFiles(file: string, { listen, services, auth }: Config): string[] {
  const certificates = listen.tls === null ? [] : [listen.tls, ...listen.tls.sni];
  const authorities = Object.values(services).flatMap(({ tls }) => tls.ca ?? []);
  const keys = Object.values(auth.providers).flatMap((provider) =>
    provider.type === 'jwt' ? [...(provider.secret ?? []), ...(provider.publicKey ?? [])] : [],
  );
  if (auth.context.jwt !== undefined) keys.push(auth.context.jwt.key);
  const keyFiles = keys.flatMap((material) => ('file' in material ? material.file : []));
  return [file, ...keyFiles, ...certificates.flatMap(({ cert, key }) => [cert, key]), ...authorities];
}

/**
 * Calls back when the content of a file has changed. Watches folders, not files: an editor replaces the file by
 * renaming another one, Kubernetes swaps a link next to it (`..data`), and a link may lead to another folder.
 */
export class FileWatch {
  readonly #onChange: () => void;
  /** What is watched, and the hash of its content when last looked at. */
  #seen = new Map<string, string>();
  #watchers: FSWatcher[] = [];
  #settling: NodeJS.Timeout | undefined;
  #looking: NodeJS.Timeout;

  constructor(files: readonly string[], onChange: () => void) {
    this.#onChange = onChange;
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    this.follow(files);
  }

  /** Watches these instead. What has changed since the last look in a file that stays is still reported. */
  follow(files: readonly string[]): void {
    this.#seen = new Map(files.map((file) => [file, this.#seen.get(file) ?? contentHash(file)]));
    this.#watchFolders();
    this.#settle(); // an event that the old watchers had not told yet
  }

  close(): void {
    clearInterval(this.#looking);
    clearTimeout(this.#settling);
    this.#unwatch();
  }

  #watchFolders(): void {
    this.#unwatch();
    const folders = new Set(
      [...this.#seen.keys()].flatMap((file) => [dirname(file), dirname(realPath(file))]),
    );
    for (const folder of folders) {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#settle());
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // The folder is gone for now, or cannot be watched: looking every few seconds remains.
      }
    }
  }

  #unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #settle(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#look(), SETTLE_MS).unref();
  }

  #look(): void {
    let changed = false;
    for (const [file, before] of this.#seen) {
      const now = contentHash(file);
      if (now === before) continue;
      this.#seen.set(file, now);
      changed = true;
    }
    if (!changed) return;
    this.#watchFolders(); // a link may lead elsewhere now
    this.#onChange();
  }
}

function contentHash(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return 'unreadable';
  }
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
