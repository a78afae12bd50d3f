/**
 * Memory that all processes of one gateway share: a file in /dev/shm, mapped by each. The primary makes it before it
 * starts workers and removes it when it closes; workers open it by path, also those started later. A lock tells
 * whose primary lives: what a killed one left is removed by the next start, whatever its number means by then, in
 * this container or another one with the same /dev/shm.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Layout, type Region, readDirectory, segmentBytes, writeDirectory } from './directory.js';
import { loadMapping, type Mapping } from './mapping.js';

export interface Segment {
  /** False: plain memory of this process alone, which nobody can open. */
  readonly shared: boolean;
  /** For `openSegment`; null unless shared. */
  readonly path: string | null;
  /** Why it is not shared: for a warning. */
  readonly reason: string | null;
  /** Throws when there is none of that name. */
  region(name: string): Region;
  /** Removes the file, in the process that made it. What is mapped stays usable until each process ends. */
  close(): void;
}

interface Options {
  /** Folders to try, the best first. */
  readonly folders?: readonly string[];
  readonly mapping?: () => Mapping;
}

const FILE = /^sluice-\d+-[0-9a-f]{16}\.segment$/;
const IN_PROCESS = 'process:';
const inProcess = new Map<string, Segment>();
const ZEROS = Buffer.alloc(1024 * 1024);
const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/** Makes a segment, where possible one that can be shared. Throws only for a layout that makes no sense. */
export function createSegment(layout: Layout, options: Options = {}): Segment {
  const bytes = segmentBytes(layout);
  const { folders = ['/dev/shm', tmpdir()], mapping = loadMapping } = options;
  const reasons: string[] = [];
  try {
    const { map, lock } = mapping();
    for (const folder of folders) {
      try {
        return createIn(folder, bytes, layout, { map, lock });
      } catch (error) {
        reasons.push(`${folder}: ${error instanceof Error ? error.message : error}`);
      }
    }
  } catch (error) {
    reasons.push(String(error instanceof Error ? error.message : error));
  }
  const buffer = new ArrayBuffer(bytes);
  writeDirectory(buffer, layout);
  return segmentOf(buffer, null, reasons.join('; '), () => {});
}

/** A segment for a worker in the same process: plain memory, which `openSegment` finds by its path. */
export function createInProcess(layout: Layout): Segment {
  const buffer = new ArrayBuffer(segmentBytes(layout));
  writeDirectory(buffer, layout);
  const path = `${IN_PROCESS}${randomBytes(8).toString('hex')}`;
  const segment = segmentOf(buffer, path, null, () => inProcess.delete(path));
  inProcess.set(path, segment);
  return segment;
}

/** Opens the segment of the primary. Throws. */
export function openSegment(path: string, mapping: () => Mapping = loadMapping): Segment {
  const own = inProcess.get(path);
  if (own !== undefined) return own;
  const descriptor = openSync(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
  try {
    const buffer = mapping().map(descriptor, fstatSync(descriptor).size);
    return segmentOf(buffer, path, null, () => {});
  } finally {
    closeSync(descriptor);
  }
}

function segmentOf(
  buffer: ArrayBuffer,
  path: string | null,
  reason: string | null,
  close: () => void,
): Segment {
  const regions = readDirectory(buffer);
  return {
    shared: path !== null,
    path,
    reason,
    region: (name) => {
      const region = regions.get(name);
      if (region === undefined) throw new Error(`the segment has no region "${name}"`);
      return region;
    },
    close,
  };
}

function createIn(folder: string, bytes: number, layout: Layout, { map, lock }: Mapping): Segment {
  removeStale(folder, lock);
  const path = join(folder, `sluice-${process.pid}-${randomBytes(8).toString('hex')}.segment`);
  // Open as long as the process lives: the lock ends with it.
  const descriptor = openSync(path, NEW_FILE, 0o600);
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    remove(path);
    closeSync(descriptor);
  };
  try {
    if (!lock(descriptor)) throw new Error('the file cannot be locked');
    // Another gateway that starts may have taken it for stale before it was locked.
    if (lstatSync(path).ino !== fstatSync(descriptor).ino) throw new Error('the file was replaced');
    fill(descriptor, bytes);
    const buffer = map(descriptor, bytes);
    writeDirectory(buffer, layout);
    return segmentOf(buffer, path, null, close);
  } catch (error) {
    close();
    throw error;
  }
}

/** Takes the memory now: a page that the system cannot find later ends the process with SIGBUS. */
function fill(descriptor: number, bytes: number): void {
  for (let at = 0; at < bytes; )
    at += writeSync(descriptor, ZEROS, 0, Math.min(ZEROS.length, bytes - at), at);
  ftruncateSync(descriptor, bytes);
}

function removeStale(folder: string, lock: Mapping['lock']): void {
  for (const name of readdirSync(folder)) {
    if (!FILE.test(name)) continue;
    const path = join(folder, name);
    let descriptor: number | null = null;
    try {
      const { uid } = lstatSync(path);
      if (process.getuid !== undefined && uid !== process.getuid()) continue;
      descriptor = openSync(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
      if (lock(descriptor)) unlinkSync(path);
    } catch {
      // Another start was faster, or it is not ours to remove.
    } finally {
      if (descriptor !== null) closeSync(descriptor);
    }
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody has removed it.
  }
}
