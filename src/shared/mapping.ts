/** Files mapped into memory, so that processes share it, and locks on files that end with their process. Through koffi. */
import { createRequire } from 'node:module';

// The same on Linux, macOS and the BSDs: <sys/mman.h>, <sys/file.h>.
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const LOCK_EXCLUSIVE = 2;
const LOCK_NO_WAIT = 4;
/** MAP_FAILED as an unsigned number. */
const FAILED = 2n ** 64n - 1n;

export interface Mapping {
  /**
   * The first `bytes` of a file as memory. It is never unmapped: views of it would then point nowhere, and it goes with
   * the process anyway. The descriptor may be closed. Throws.
   */
  map(descriptor: number, bytes: number): ArrayBuffer;
  /** Locks a file until the descriptor is closed or the process has died. False: another one has it. */
  lock(descriptor: number): boolean;
}

/** Loaded when first needed: it costs 3 MiB. Throws where koffi has no binary or the system no such calls. */
export function loadMapping(): Mapping {
  loaded ??= load();
  return loaded;
}

/**
 * Gives back what the C library holds of memory that nobody uses: after starting up about 1 MiB, which an idle process would
 * keep. Does nothing where the library has no such call.
 */
export function trimHeap(): void {
  try {
    const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
    koffi.load(null).func('int malloc_trim(size_t)')(0);
  } catch {
    // musl, macOS, Windows; or there is no koffi for this platform.
  }
}

let loaded: Mapping | null = null;

function load(): Mapping {
  if (process.platform === 'win32') throw new Error('Windows has no mmap');
  const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
  const system = koffi.load(null);
  const mmap = system.func('void *mmap(void *, size_t, int, int, int, int64_t)');
  const flock = system.func('int flock(int, int)');
  return {
    map: (descriptor, bytes) => {
      const address: unknown = mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, descriptor, 0);
      if (address === null || address === FAILED) throw new Error(`mmap failed, errno ${koffi.errno()}`);
      return koffi.view(address, bytes);
    },
    lock: (descriptor) => flock(descriptor, LOCK_EXCLUSIVE | LOCK_NO_WAIT) === 0,
  };
}
