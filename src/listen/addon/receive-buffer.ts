/**
 * Bounds what one read of the listener can bring. As long as a read fills its buffer of 512 KiB, uSockets reads on,
 * whether the response was paused or not: a client on a fast link could push a whole upload into memory. With less
 * than that in the kernel's buffer a read is never full, and `pause()` holds.
 *
 * The price is the window of a connection: about 400 KiB can be under way per round trip.
 *
 * The other way, the kernel takes what it may still have to send, megabytes on a fast link. Where messages are replaced by
 * newer ones as long as they wait here, that is too much: then it takes little more than is under way.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';

/** The kernel doubles it (socket(7)): 416 KiB with its bookkeeping, below the 488 KiB from which uSockets reads on. */
const RECEIVE_BYTES = 208 * 1024;

/** Large downloads are a fifth slower with it on loopback, so it is not for everybody. */
const UNSENT_BYTES = 128 * 1024;

// Linux, <asm-generic/socket.h>, <linux/tcp.h>
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const IPPROTO_TCP = 6;
const TCP_NOTSENT_LOWAT = 25;

type Descriptors = ReadonlySet<string>;

/**
 * Opens a listening socket with `open`; the connections it accepts inherit the bound. Gives what that gave, and the descriptors that
 * were opened: none but on Linux. Where koffi has no binary for the platform the process is warned and goes on without the bound.
 * `unsentToo`: what waits to be sent is bounded as well.
 */
export function withBoundedReceiveBuffer<T>(
  open: () => T,
  unsentToo = false,
): { opened: T; descriptors: number[] } {
  if (process.platform !== 'linux') return { opened: open(), descriptors: [] };
  const before = sockets();
  const opened = open();
  const descriptors = [...sockets()]
    .filter((socket) => !before.has(socket))
    .map((socket) => Number(socket.split(' ')[0]));
  for (const descriptor of descriptors) bound(descriptor, unsentToo);
  return { opened, descriptors };
}

/** The sockets this process has open. Nothing else can open one in between: opening is synchronous. */
function sockets(): Descriptors {
  const open = new Set<string>();
  for (const descriptor of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${descriptor}`);
      if (target.startsWith('socket:')) open.add(`${descriptor} ${target}`);
    } catch {
      // The descriptor of the folder itself is gone by now.
    }
  }
  return open;
}

function bound(descriptor: number, unsentToo: boolean): void {
  try {
    const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
    const setsockopt = koffi.load(null).func('int setsockopt(int, int, int, const int *, uint32_t)');
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, [RECEIVE_BYTES], 4);
    if (unsentToo) setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, [UNSENT_BYTES], 4);
  } catch (error) {
    process.emitWarning(`uploads are not bounded in memory while a service is slow: ${error}`);
  }
}
