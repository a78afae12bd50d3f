/** How much memory is in use, by what the ceiling is about: the machine or the container for a share, this process for a size. */
import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

export type MemoryCeiling = { readonly share: number } | { readonly bytes: number };

/** The text of a file of the system; null: there is none. Given by tests. */
export type ReadText = (file: string) => string | null;

/** How the pressure is read: bytes in use by bytes allowed. Called about once per second; some 30 us. */
export function memoryPressure(ceiling: MemoryCeiling, read: ReadText = readText): () => number {
  if ('bytes' in ceiling) return () => process.memoryUsage.rss() / ceiling.bytes;
  const usage = containerUse(read) ?? machineUse(read);
  return () => usage() / ceiling.share;
}

/**
 * Part in use of the tightest limit on the group of processes that this one is in, or a group around it. Without the cache
 * of files, which the kernel gives up before it ends a process. null: there is no limit.
 */
function containerUse(read: ReadText): (() => number) | null {
  let tightest: { limit: number; folder: string; v2: boolean } | null = null;
  for (const { folder, v2 } of groupFolders(read('/proc/self/cgroup') ?? '')) {
    const limit = Number(read(`${folder}/${v2 ? 'memory.max' : 'memory.limit_in_bytes'}`) ?? Number.NaN);
    // Version 1 says "none" by a number beyond all memory, version 2 by "max", which is no number.
    if (!(limit > 0 && limit < totalmem())) continue;
    if (tightest === null || limit < tightest.limit) tightest = { limit, folder, v2 };
  }
  if (tightest === null) return null;
  const { limit, folder, v2 } = tightest;
  return () => {
    const used = Number(read(`${folder}/${v2 ? 'memory.current' : 'memory.usage_in_bytes'}`) ?? 0);
    const files = new RegExp(`^${v2 ? '' : 'total_'}inactive_file (\\d+)`, 'm');
    const cache = Number(files.exec(read(`${folder}/memory.stat`) ?? '')?.[1] ?? 0);
    return Math.max(0, used - cache) / limit;
  };
}

/** The group of this process and those around it; what a container sees of them is at the root. */
function groupFolders(groups: string): { folder: string; v2: boolean }[] {
  return groups.split('\n').flatMap((line) => {
    const [id, controllers, path] = line.split(':', 3) as [string, string?, string?];
    const v2 = id === '0' && controllers === '';
    if (path === undefined || !(v2 || controllers?.split(',').includes('memory'))) return [];
    const root = v2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory';
    const steps = path.split('/').filter((step) => step !== '' && step !== '..');
    return Array.from({ length: steps.length + 1 }, (_, i) => ({
      folder: [root, ...steps.slice(0, steps.length - i)].join('/'),
      v2,
    }));
  });
}

function machineUse(read: ReadText): () => number {
  return () => {
    const text = read('/proc/meminfo');
    const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(text ?? '')?.[1]);
    const free = kib('MemAvailable') / kib('MemTotal');
    return 1 - (Number.isFinite(free) ? free : freemem() / totalmem());
  };
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
