/**
 * Lets a listening socket close without a reset for anybody. What a socket holds when it is closed (handshakes under way,
 * connections nobody has accepted) is reset by the kernel, though another process may listen on the same port. So it
 * takes no more handshakes first: their first packet is dropped, clients send it again after a second, and then it meets
 * whoever listens.
 */
import { createRequire } from 'node:module';

/** For handshakes under way to end: a round trip across an ocean. Less than the second after which clients try again. */
export const HANDSHAKE_MS = 250;

// Linux, <asm-generic/socket.h>
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

const FLAGS_OF_TCP = 13;
const SYN = 0x02;
const ACK = 0x10;
/** <linux/filter.h>: code, where to go on if true and if false, operand. */
const DROP_FIRST_PACKETS = [
  [0x30, 0, 0, FLAGS_OF_TCP], // ldb [13]
  [0x54, 0, 0, SYN | ACK], //    and #0x12
  [0x15, 0, 1, SYN], //          jeq #2
  [0x06, 0, 0, 0], //            ret 0: dropped
  [0x06, 0, 0, 0xffff_ffff], //  ret -1: whole
] as const;

/**
 * A listening socket, by its descriptor, begins no more handshakes. What it accepts still is not affected. False where that is not to be had: it can only be closed
 * then.
 */
export function beginNoMore(descriptor: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
    const filter = koffi.struct({ code: 'uint16_t', jt: 'uint8_t', jf: 'uint8_t', k: 'uint32_t' });
    const program = koffi.struct({ len: 'uint16_t', filter: koffi.pointer(filter) });
    const setsockopt = koffi
      .load(null)
      .func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(program), 'uint32_t']);
    const steps = DROP_FIRST_PACKETS.map(([code, jt, jf, k]) => ({ code, jt, jf, k }));
    const value = { len: steps.length, filter: steps };
    return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, value, koffi.sizeof(program)) === 0;
  } catch {
    return false;
  }
}
